package procfs

import (
	"os"
	"strconv"
)

// NetLink is the state of a network device.
type NetLink struct {
	Name string
	Up   bool // operstate is "up"
	// SpeedBytes is how many bytes a second the link carries; 0 when the device
	// does not say, as virtual ones and those without a cable do not.
	SpeedBytes float64
}

// NetLinks reads /sys/class/net into dst, sorted by name. sysfs shows the
// network namespace of whoever mounted it. A device that goes away while this
// reads is left out.
func (fs FS) NetLinks(dst []NetLink) ([]NetLink, error) {
	dir := fs.sys("class/net")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	dst = dst[:0]
	for _, entry := range entries {
		// Bonding puts a plain file, bonding_masters, beside the devices.
		if entry.Type().IsRegular() {
			continue
		}
		state, err := readText(dir + "/" + entry.Name() + "/operstate")
		if err != nil {
			continue
		}
		link := NetLink{Name: entry.Name(), Up: state == "up"}
		// Reading speed is an error (EINVAL) for devices that have none.
		if text, err := readText(dir + "/" + entry.Name() + "/speed"); err == nil {
			if mbits, err := strconv.ParseInt(text, 10, 64); err == nil && mbits > 0 {
				link.SpeedBytes = float64(mbits) * 1e6 / 8
			}
		}
		dst = append(dst, link)
	}
	return dst, nil
}

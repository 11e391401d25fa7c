package procfs

import (
	"os"
	"strings"
)

// IsDisk says whether name is a whole block device and not a partition. known is
// false when there is no /sys/block to look into.
func (fs FS) IsDisk(name string) (disk, known bool) {
	if _, err := os.Stat(fs.sys("block")); err != nil {
		return false, false
	}
	// A slash cannot stand in a file name; sysfs writes "cciss/c0d0" with "!".
	_, err := os.Lstat(fs.sys("block/" + strings.ReplaceAll(name, "/", "!")))
	return err == nil, true
}

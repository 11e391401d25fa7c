package collect

import (
	"slices"
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

// link gives the state of network devices. It is apart from network because each
// device is several files, which are opened anew.
type link struct {
	every
	fs procfs.FS

	links  []procfs.NetLink
	shapes []linkShape // of the devices in the schema
	schema *sample.Schema
}

type linkShape struct {
	name  string
	speed bool
}

func newLink(fs procfs.FS) *link {
	return &link{every: every{"link", 10 * time.Second}, fs: fs}
}

func (c *link) Collect(_ time.Time, row *Row) error {
	var err error
	if c.links, err = c.fs.NetLinks(c.links); err != nil {
		return err
	}
	known := len(c.links)
	links := slices.DeleteFunc(c.links, func(l procfs.NetLink) bool { return !labelable([]byte(l.Name)) })
	links = links[:min(len(links), maxDevices)]
	shapes := make([]linkShape, len(links))
	for i, l := range links {
		shapes[i] = linkShape{name: l.Name, speed: l.SpeedBytes > 0}
	}
	if c.schema == nil || !slices.Equal(shapes, c.shapes) {
		c.shapes = shapes
		var all []sample.Series
		for _, shape := range shapes {
			all = append(all, series("node_network_up", "device", shape.name))
			if shape.speed {
				all = append(all, series("node_network_speed_bytes", "device", shape.name))
			}
		}
		c.schema = sample.NewSchema(all)
	}
	row.Begin(c.schema)
	row.Ignore(known - len(links))
	for _, l := range links {
		row.Float(truth(l.Up))
		if l.SpeedBytes > 0 {
			row.Float(l.SpeedBytes)
		}
	}
	return nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

package collect

import (
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

type load struct {
	every
	source *procfs.Source[procfs.Loadavg]
	schema *sample.Schema
}

func newLoad(fs procfs.FS) *load {
	return &load{
		every:  every{"load", time.Second},
		source: fs.Loadavg(),
		schema: sample.NewSchema([]sample.Series{series("node_load1"), series("node_load5"), series("node_load15")}),
	}
}

func (c *load) Collect(_ time.Time, row *Row) error {
	avg, err := c.source.Read()
	if err != nil {
		return err
	}
	row.Begin(c.schema)
	row.Float(avg.Load1)
	row.Float(avg.Load5)
	row.Float(avg.Load15)
	return nil
}

package collect

import (
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

func vmstatMetric(_, name string) string {
	switch name {
	case "pgfault", "pgmajfault", "pgpgin", "pgpgout", "pswpin", "pswpout", "oom_kill":
		return "node_vmstat_" + name
	}
	return ""
}

type vmstat struct {
	every
	source    *procfs.Source[procfs.Vmstat]
	selection selection
	schema    *sample.Schema
}

func newVmstat(fs procfs.FS) *vmstat {
	return &vmstat{every: every{"vmstat", time.Second}, source: fs.Vmstat(), selection: selection{metric: vmstatMetric}}
}

func (c *vmstat) Collect(_ time.Time, row *Row) error {
	stat, err := c.source.Read()
	if err != nil {
		return err
	}
	if c.selection.fit(stat.Entries) {
		c.schema = sample.NewSchema(c.selection.series)
	}
	row.Begin(c.schema)
	c.selection.write(row, stat.Entries)
	return nil
}

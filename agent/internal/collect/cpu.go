package collect

import (
	"strconv"
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

// cpu gives all of /proc/stat, which the kernel makes as a whole and at a price.
type cpu struct {
	every
	source *procfs.Source[procfs.Stat]

	seen   []procfs.CPU // as given last
	schema *sample.Schema
}

func newCPU(fs procfs.FS) *cpu {
	return &cpu{every: every{"cpu", time.Second}, source: fs.Stat()}
}

// maxSetback is by how many seconds the time of a mode may fall and be held where
// it was. The kernel takes idle and iowait back by a little when it corrects its
// books, and a counter that falls would look like a restart; a CPU that was
// offline begins anew, and falls by more.
const maxSetback = 3

func (c *cpu) Collect(_ time.Time, row *Row) error {
	stat, err := c.source.Read()
	if err != nil {
		return err
	}
	if !c.fits(stat.CPUs) {
		c.fit(stat.CPUs)
	}
	row.Begin(c.schema)
	for i := range stat.CPUs {
		for mode, seconds := range stat.CPUs[i].Seconds {
			last := &c.seen[i].Seconds[mode]
			if seconds > *last || *last-seconds > maxSetback {
				*last = seconds
			}
			row.Float(*last)
		}
	}
	row.Float(float64(stat.Interrupts))
	row.Float(float64(stat.ContextSwitches))
	row.Float(float64(stat.Forks))
	row.Float(float64(stat.BootTime))
	row.Float(float64(stat.Running))
	row.Float(float64(stat.Blocked))
	return nil
}

func (c *cpu) fits(cpus []procfs.CPU) bool {
	if len(cpus) != len(c.seen) {
		return false
	}
	for i := range cpus {
		if cpus[i].ID != c.seen[i].ID {
			return false
		}
	}
	return true
}

func (c *cpu) fit(cpus []procfs.CPU) {
	c.seen = append(c.seen[:0], cpus...)
	var all []sample.Series
	for _, cpu := range cpus {
		for _, mode := range procfs.Modes {
			all = append(all, series("node_cpu_seconds_total", "cpu", strconv.Itoa(cpu.ID), "mode", mode))
		}
	}
	c.schema = sample.NewSchema(append(all,
		series("node_intr_total"),
		series("node_context_switches_total"),
		series("node_forks_total"),
		series("node_boot_time_seconds"),
		series("node_procs_running"),
		series("node_procs_blocked"),
	))
}

package collect

import (
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

// maxProcesses is up to how many processes are looked at one by one. Beyond, that
// would take tens of milliseconds, and only their number is given.
const maxProcesses = 4096

// processes runs every 10 s, because each process is a file to open: 150 of them
// cost about as much as a second of all other collectors.
type processes struct {
	every
	fs    procfs.FS
	limit int

	full, counted *sample.Schema
}

func newProcesses(fs procfs.FS) *processes {
	counted := []sample.Series{series("node_processes_pids")}
	full := []sample.Series{counted[0], series("node_processes_threads")}
	for _, state := range procfs.ProcessStates {
		full = append(full, series("node_processes_state", "state", string(state)))
	}
	return &processes{
		every:   every{"processes", 10 * time.Second},
		fs:      fs,
		limit:   maxProcesses,
		full:    sample.NewSchema(full),
		counted: sample.NewSchema(counted),
	}
}

func (c *processes) Collect(_ time.Time, row *Row) error {
	p, err := c.fs.Processes(c.limit)
	if err != nil {
		return err
	}
	if !p.HasStates {
		row.Begin(c.counted)
		row.Float(float64(p.Count))
		row.Ignore(p.Count)
		return nil
	}
	row.Begin(c.full)
	row.Float(float64(p.Count))
	row.Float(float64(p.Threads))
	for _, n := range p.States {
		row.Float(float64(n))
	}
	return nil
}

package collect

import (
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

type pressure struct {
	every
	cpu, memory, io *procfs.Source[procfs.Pressure]
	schema          *sample.Schema
}

func newPressure(fs procfs.FS) *pressure {
	return &pressure{
		every:  every{"pressure", time.Second},
		cpu:    fs.Pressure("cpu"),
		memory: fs.Pressure("memory"),
		io:     fs.Pressure("io"),
		// That all tasks wait for a CPU at once cannot happen on a whole machine.
		schema: sample.NewSchema([]sample.Series{
			series("node_pressure_cpu_waiting_seconds_total"),
			series("node_pressure_memory_waiting_seconds_total"),
			series("node_pressure_memory_stalled_seconds_total"),
			series("node_pressure_io_waiting_seconds_total"),
			series("node_pressure_io_stalled_seconds_total"),
		}),
	}
}

func (c *pressure) Collect(_ time.Time, row *Row) error {
	cpu, err := c.cpu.Read()
	if err != nil {
		return err
	}
	memory, err := c.memory.Read()
	if err != nil {
		return err
	}
	io, err := c.io.Read()
	if err != nil {
		return err
	}
	row.Begin(c.schema)
	row.Float(cpu.WaitingSeconds)
	row.Float(memory.WaitingSeconds)
	row.Float(memory.StalledSeconds)
	row.Float(io.WaitingSeconds)
	row.Float(io.StalledSeconds)
	return nil
}

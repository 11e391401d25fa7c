package collect

import (
	"math"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

// Value is a value that another part of the agent adds to the agent's own metrics.
type Value struct {
	Name string
	// Reason, if not empty, is the label of that name.
	Reason string
	// Read returns the value now, NaN for none; concurrently with everything, and
	// at once.
	Read func() float64
}

func (v Value) series() sample.Series {
	if v.Reason == "" {
		return series(v.Name)
	}
	return series(v.Name, "reason", v.Reason)
}

// self gives what the agent does and costs.
type self struct {
	every
	scheduler *Scheduler
	memory    *procfs.Source[procfs.Memory]
	version   string
	values    []Value

	stats   []Stat
	ignored []string // collectors in the schema that left devices out
	names   []string // scratch, to become ignored
	read    []float64
	absent  []bool // the values that the schema lacks
	schema  *sample.Schema
}

// NewSelf returns the collector of the agent's own metrics: what scheduler counts,
// what the process uses, and values. own is where the agent finds itself.
func NewSelf(own procfs.FS, scheduler *Scheduler, version string, values ...Value) Collector {
	return &self{
		every:     every{"self", time.Second},
		scheduler: scheduler,
		memory:    own.SelfMemory(),
		version:   version,
		values:    values,
		read:      make([]float64, len(values)),
		absent:    make([]bool, len(values)),
	}
}

func (c *self) Collect(_ time.Time, row *Row) error {
	memory, err := c.memory.Read()
	if err != nil {
		return err
	}
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	c.stats = c.scheduler.Stats(c.stats[:0])
	c.names = c.names[:0]
	for i := range c.stats {
		if c.stats[i].Ignored > 0 {
			c.names = append(c.names, c.stats[i].Collector)
		}
	}
	fits := c.schema != nil && slices.Equal(c.names, c.ignored)
	for i, value := range c.values {
		c.read[i] = value.Read()
		fits = fits && math.IsNaN(c.read[i]) == c.absent[i]
	}
	if !fits {
		c.fit()
	}
	row.Begin(c.schema)
	for i := range c.stats {
		s := &c.stats[i]
		row.Float(float64(s.Ticks))
		row.Float(float64(s.Late))
		row.Float(float64(s.Missed))
		row.Float(float64(s.Failures))
		row.Float(s.Duration.Seconds())
		if s.Ignored > 0 {
			row.Float(float64(s.Ignored))
		}
	}
	row.Float(float64(c.scheduler.Samples()))
	row.Float(1)
	row.Float(float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9)
	row.Float(memory.ResidentBytes)
	row.Float(float64(runtime.NumGoroutine()))
	for _, v := range c.read {
		if !math.IsNaN(v) {
			row.Float(v)
		}
	}
	return nil
}

func (c *self) fit() {
	c.ignored = slices.Clone(c.names)
	var all []sample.Series
	for _, s := range c.stats {
		for _, metric := range []string{
			"ticks_total", "ticks_late_total", "ticks_missed_total",
			"collector_failures_total", "collector_duration_seconds_total",
		} {
			all = append(all, series("sonde_agent_"+metric, "collector", s.Collector))
		}
		if s.Ignored > 0 {
			all = append(all, series("sonde_agent_collector_ignored", "collector", s.Collector))
		}
	}
	all = append(all,
		series("sonde_agent_samples_total"),
		series("sonde_agent_info", "version", c.version),
		series("process_cpu_seconds_total"),
		series("process_resident_memory_bytes"),
		series("go_goroutines"),
	)
	for i, value := range c.values {
		c.absent[i] = math.IsNaN(c.read[i])
		if !c.absent[i] {
			all = append(all, value.series())
		}
	}
	c.schema = sample.NewSchema(all)
}

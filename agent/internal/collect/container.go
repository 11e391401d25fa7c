package collect

import (
	"fmt"
	"io/fs"
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

// container gives the agent's own control group, when the agent runs in a
// container or has a limit.
type container struct {
	every
	fs     procfs.FS
	reader *procfs.CgroupReader

	values []containerValue // in the schema
	schema *sample.Schema
}

type containerValue struct {
	metric string
	read   func(*procfs.Cgroup) (v float64, ok bool)
}

var containerValues = []containerValue{
	{"container_cpu_usage_seconds_total", func(c *procfs.Cgroup) (float64, bool) { return c.CPUSeconds, c.HasCPU }},
	{"container_cpu_cfs_periods_total", func(c *procfs.Cgroup) (float64, bool) { return c.Periods, c.HasThrottling }},
	{"container_cpu_cfs_throttled_periods_total", func(c *procfs.Cgroup) (float64, bool) { return c.ThrottledCount, c.HasThrottling }},
	{"container_cpu_cfs_throttled_seconds_total", func(c *procfs.Cgroup) (float64, bool) { return c.ThrottledSeconds, c.HasThrottling }},
	{"container_spec_cpu_period", func(c *procfs.Cgroup) (float64, bool) { return c.PeriodMicros, c.HasPeriod }},
	{"container_spec_cpu_quota", func(c *procfs.Cgroup) (float64, bool) { return c.QuotaMicros, c.HasQuota }},
	{"container_memory_usage_bytes", func(c *procfs.Cgroup) (float64, bool) { return c.MemoryBytes, c.HasMemory }},
	{"container_memory_working_set_bytes", func(c *procfs.Cgroup) (float64, bool) { return c.WorkingSetBytes, c.HasWorkingSet }},
	{"container_spec_memory_limit_bytes", func(c *procfs.Cgroup) (float64, bool) { return c.MemoryLimit, c.HasMemoryLimit }},
}

func newContainer(own procfs.FS) *container {
	return &container{every: every{"container", time.Second}, fs: own}
}

func (c *container) Collect(_ time.Time, row *Row) error {
	if c.reader == nil {
		reader, err := c.fs.Cgroup()
		if err != nil {
			return err
		}
		group, err := reader.Read()
		if err != nil {
			return err
		}
		if c.fs.Container() == "" && !group.Limited() {
			return fmt.Errorf("neither in a container nor limited: %w", fs.ErrNotExist)
		}
		c.reader = reader
	}
	group, err := c.reader.Read()
	if err != nil {
		return err
	}
	if !c.fits(group) {
		c.fit(group)
	}
	row.Begin(c.schema)
	for _, value := range c.values {
		v, _ := value.read(group)
		row.Float(v)
	}
	return nil
}

// fits says whether the schema has exactly the values that there are.
func (c *container) fits(group *procfs.Cgroup) bool {
	i := 0
	for _, value := range containerValues {
		if _, ok := value.read(group); ok {
			if i == len(c.values) || c.values[i].metric != value.metric {
				return false
			}
			i++
		}
	}
	return c.schema != nil && i == len(c.values)
}

func (c *container) fit(group *procfs.Cgroup) {
	c.values = c.values[:0]
	var all []sample.Series
	for _, value := range containerValues {
		if _, ok := value.read(group); ok {
			c.values = append(c.values, value)
			all = append(all, series(value.metric))
		}
	}
	c.schema = sample.NewSchema(all)
}

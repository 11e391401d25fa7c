package procfs

import (
	"errors"
	iofs "io/fs"
)

// Cgroup is the control group of this process: what it uses and may use.
// Each Has… says whether the kernel told the value; of limits, that there is one.
type Cgroup struct {
	HasCPU           bool
	CPUSeconds       float64
	HasThrottling    bool
	Periods          float64
	ThrottledCount   float64
	ThrottledSeconds float64
	HasPeriod        bool
	PeriodMicros     float64
	HasQuota         bool
	QuotaMicros      float64

	HasMemory       bool
	MemoryBytes     float64
	HasWorkingSet   bool
	WorkingSetBytes float64 // without the file cache that was not used lately
	HasMemoryLimit  bool
	MemoryLimit     float64
}

// Limited says whether the group has a limit of CPU or memory.
func (c *Cgroup) Limited() bool { return c.HasQuota || c.HasMemoryLimit }

// CgroupReader reads the control group of this process again and again. Not safe
// for concurrent use.
type CgroupReader struct {
	value Cgroup
	read  []func(*Cgroup) error
}

// unlimited is from where on cgroup v1 means "no limit": it writes the largest
// number of whole pages, which depends on the page size.
const unlimited = 1 << 62

// Cgroup finds the control group of this process by PROC/self/cgroup and
// PROC/self/mountinfo, of version 2 or 1. The error matches [io/fs.ErrNotExist]
// when there is none that can be read.
func (fs FS) Cgroup() (*CgroupReader, error) {
	memberships, err := newSource(parseCgroupFile, fs.proc("self/cgroup")).Read()
	if err != nil {
		return nil, err
	}
	mounts, err := newSource(parseMountinfo, fs.proc("self/mountinfo")).Read()
	if err != nil {
		return nil, err
	}
	r := &CgroupReader{}
	// On a hybrid system version 1 holds the controllers, if it is mounted.
	cpu, cpuV1 := fs.cgroupDir(*memberships, *mounts, "cpu")
	memory, memoryV1 := fs.cgroupDir(*memberships, *mounts, "memory")
	account, accountV1 := fs.cgroupDir(*memberships, *mounts, "cpuacct")
	unified, v2 := fs.cgroupDir(*memberships, *mounts, "")
	if v2 && !cpuV1 && !memoryV1 {
		r.unified(unified)
		return r, nil
	}
	if !cpuV1 && !memoryV1 && !accountV1 {
		return nil, &iofs.PathError{Op: "find", Path: "control group of this process", Err: iofs.ErrNotExist}
	}
	if accountV1 {
		r.number(account+"/cpuacct.usage", func(c *Cgroup, v float64) { c.CPUSeconds, c.HasCPU = v/1e9, true })
	}
	if cpuV1 {
		r.cpuStat(cpu+"/cpu.stat", 1e9)
		r.number(cpu+"/cpu.cfs_period_us", func(c *Cgroup, v float64) { c.PeriodMicros, c.HasPeriod = v, true })
		r.number(cpu+"/cpu.cfs_quota_us", func(c *Cgroup, v float64) { c.QuotaMicros, c.HasQuota = v, v > 0 })
	}
	if memoryV1 {
		r.memory(memory+"/memory.usage_in_bytes", memory+"/memory.stat", "total_inactive_file")
		r.number(memory+"/memory.limit_in_bytes", func(c *Cgroup, v float64) { c.MemoryLimit, c.HasMemoryLimit = v, v < unlimited })
	}
	return r, nil
}

func (r *CgroupReader) unified(dir string) {
	r.cpuStat(dir+"/cpu.stat", 1e6)
	max := newSource(parseCPUMax, dir+"/cpu.max")
	r.read = append(r.read, func(c *Cgroup) error {
		v, err := max.Read()
		if err == nil {
			c.QuotaMicros, c.HasQuota = v.quota, v.limited
			c.PeriodMicros, c.HasPeriod = v.period, true
		}
		return err
	})
	r.memory(dir+"/memory.current", dir+"/memory.stat", "inactive_file")
	limit := newSource(parseLimit, dir+"/memory.max")
	r.read = append(r.read, func(c *Cgroup) error {
		v, err := limit.Read()
		if err == nil {
			c.MemoryLimit, c.HasMemoryLimit = v.value, v.limited
		}
		return err
	})
}

// Read returns what the group uses now. Files that are missing, because their
// controller is not enabled, leave their values absent.
func (r *CgroupReader) Read() (*Cgroup, error) {
	r.value = Cgroup{}
	for _, read := range r.read {
		if err := read(&r.value); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return nil, err
		}
	}
	return &r.value, nil
}

func (r *CgroupReader) number(file string, set func(*Cgroup, float64)) {
	source := newSource(parseLimit, file)
	r.read = append(r.read, func(c *Cgroup) error {
		v, err := source.Read()
		if err == nil {
			set(c, v.value)
		}
		return err
	})
}

// cpuStat reads cpu.stat, which has the form of /proc/vmstat, as memory.stat has. Version 1 counts throttled time in nanoseconds, and
// version 2 all times in microseconds.
func (r *CgroupReader) cpuStat(file string, perSecond float64) {
	source := newSource(parseVmstat, file)
	r.read = append(r.read, func(c *Cgroup) error {
		v, err := source.Read()
		if err != nil {
			return err
		}
		for _, e := range v.Entries {
			switch string(e.Name) {
			case "usage_usec":
				c.CPUSeconds, c.HasCPU = e.Value/perSecond, true
			case "nr_periods":
				c.Periods, c.HasThrottling = e.Value, true
			case "nr_throttled":
				c.ThrottledCount = e.Value
			case "throttled_usec", "throttled_time":
				c.ThrottledSeconds = e.Value / perSecond
			}
		}
		return nil
	})
}

func (r *CgroupReader) memory(usage, stat, inactive string) {
	usageSource, statSource := newSource(parseLimit, usage), newSource(parseVmstat, stat)
	r.read = append(r.read, func(c *Cgroup) error {
		v, err := usageSource.Read()
		if err != nil {
			return err
		}
		c.MemoryBytes, c.HasMemory = v.value, true
		entries, err := statSource.Read()
		if err != nil {
			return err
		}
		for _, e := range entries.Entries {
			if string(e.Name) == inactive {
				c.WorkingSetBytes, c.HasWorkingSet = max(c.MemoryBytes-e.Value, 0), true
			}
		}
		return nil
	})
}

type limit struct {
	value   float64
	limited bool
}

// parseLimit parses a file of one number, or of "max".
func parseLimit(b []byte, s *limit) error {
	l := lines{rest: b}
	line, _ := l.next()
	word, _ := field(line)
	if string(word) == "max" {
		*s = limit{}
		return nil
	}
	value, ok := parseNumber(word)
	if !ok {
		return l.malformed("%q is not a number", word)
	}
	*s = limit{value: value, limited: true}
	return nil
}

type cpuMax struct {
	quota, period float64
	limited       bool
}

func parseCPUMax(b []byte, s *cpuMax) error {
	l := lines{rest: b}
	line, _ := l.next()
	quota, rest := field(line)
	period, _ := field(rest)
	*s = cpuMax{}
	var ok bool
	if s.period, ok = parseNumber(period); !ok {
		return l.malformed("the period is %q, not a number", period)
	}
	if string(quota) == "max" {
		return nil
	}
	if s.quota, ok = parseNumber(quota); !ok {
		return l.malformed("the quota is %q, not a number", quota)
	}
	s.limited = true
	return nil
}

package collect

import (
	"runtime"
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
)

// HostFacts describe a machine. What could not be found out is zero.
type HostFacts struct {
	Hostname    string
	OS, Arch    string // as runtime.GOOS and runtime.GOARCH
	Kernel      string // release
	OSRelease   string // PRETTY_NAME of os-release
	CPUModel    string
	CPUCount    int
	MemoryBytes uint64
	Container   string // runtime or orchestrator the agent sees itself in
	BootedAt    time.Time
}

// Facts finds out about the host of fs, and about the container of own, which is
// where the agent finds itself.
func Facts(fs, own procfs.FS) HostFacts {
	facts := HostFacts{OS: runtime.GOOS, Arch: runtime.GOARCH, Container: own.Container()}
	facts.Hostname, _ = fs.Hostname()
	if uname, err := fs.Uname(); err == nil {
		facts.Kernel = uname.Release
	}
	if release, err := fs.OSRelease(); err == nil {
		facts.OSRelease = release["PRETTY_NAME"]
	}
	if cpu, err := fs.CPUInfo().Read(); err == nil {
		facts.CPUModel, facts.CPUCount = cpu.Model, cpu.Count
	}
	if memory, err := fs.Meminfo().Read(); err == nil {
		for _, e := range memory.Entries {
			if string(e.Name) == "MemTotal" {
				facts.MemoryBytes = uint64(e.Value)
			}
		}
	}
	if stat, err := fs.Stat().Read(); err == nil {
		facts.BootedAt = time.Unix(int64(stat.BootTime), 0)
	}
	return facts
}

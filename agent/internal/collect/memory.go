package collect

import (
	"strings"
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

// memoryNames are the values of /proc/meminfo that are worth a series. Left out
// are those that current kernels always give as 0, that never change, or that
// tell of the kernel's address space.
var memoryNames = map[string]bool{
	"MemTotal": true, "MemFree": true, "MemAvailable": true, "Buffers": true, "Cached": true,
	"SwapCached": true, "Active": true, "Inactive": true, "Active(anon)": true,
	"Inactive(anon)": true, "Active(file)": true, "Inactive(file)": true, "Unevictable": true,
	"Mlocked": true, "SwapTotal": true, "SwapFree": true, "Zswap": true, "Zswapped": true,
	"Dirty": true, "Writeback": true, "AnonPages": true, "Mapped": true, "Shmem": true,
	"KReclaimable": true, "Slab": true, "SReclaimable": true, "SUnreclaim": true,
	"KernelStack": true, "PageTables": true, "CommitLimit": true, "Committed_AS": true,
	"VmallocUsed": true, "Percpu": true, "HardwareCorrupted": true, "AnonHugePages": true,
	"ShmemHugePages": true, "FileHugePages": true, "CmaTotal": true, "CmaFree": true,
	"HugePages_Total": true, "HugePages_Free": true, "HugePages_Rsvd": true,
	"HugePages_Surp": true, "Hugepagesize": true, "Hugetlb": true,
}

func memoryMetric(_, name string) string {
	if !memoryNames[name] {
		return ""
	}
	if strings.HasPrefix(name, "HugePages_") { // the only counts; all else is bytes
		return "node_memory_" + name
	}
	return "node_memory_" + strings.NewReplacer("(", "_", ")", "").Replace(name) + "_bytes"
}

type memory struct {
	every
	source    *procfs.Source[procfs.Meminfo]
	selection selection
	schema    *sample.Schema
}

func newMemory(fs procfs.FS) *memory {
	return &memory{every: every{"memory", time.Second}, source: fs.Meminfo(), selection: selection{metric: memoryMetric}}
}

func (c *memory) Collect(_ time.Time, row *Row) error {
	info, err := c.source.Read()
	if err != nil {
		return err
	}
	if c.selection.fit(info.Entries) {
		c.schema = sample.NewSchema(c.selection.series)
	}
	row.Begin(c.schema)
	c.selection.write(row, info.Entries)
	return nil
}

package metricname

import "slices"

var memory = slices.Concat(
	memoryBytes(map[string]string{
		"MemTotal":          "Memory that the kernel can use.",
		"MemFree":           "Memory that is used for nothing.",
		"MemAvailable":      "Memory that new programs could have without swapping, by the kernel's estimate.",
		"Buffers":           "Cache of blocks of disks.",
		"Cached":            "Cache of files, with shared memory and without swap cache.",
		"SwapCached":        "Memory that is in swap too.",
		"Active":            "Memory used lately, taken back last.",
		"Inactive":          "Memory not used lately, taken back first.",
		"Active_anon":       "Memory of programs used lately.",
		"Inactive_anon":     "Memory of programs not used lately.",
		"Active_file":       "Cache of files used lately.",
		"Inactive_file":     "Cache of files not used lately.",
		"Unevictable":       "Memory that cannot be taken back.",
		"Mlocked":           "Memory that programs have locked.",
		"SwapTotal":         "Swap space.",
		"SwapFree":          "Swap space that is free.",
		"Zswap":             "Memory that compressed swap takes.",
		"Zswapped":          "Memory that went into compressed swap, before compression.",
		"Dirty":             "Memory that waits to be written to disk.",
		"Writeback":         "Memory that is being written to disk.",
		"AnonPages":         "Memory of programs that no file stands behind.",
		"Mapped":            "Files that programs have mapped.",
		"Shmem":             "Shared memory and tmpfs.",
		"KReclaimable":      "Memory of the kernel that it gives back under pressure.",
		"Slab":              "Memory of the kernel's object caches.",
		"SReclaimable":      "Object caches that can be taken back.",
		"SUnreclaim":        "Object caches that cannot be taken back.",
		"KernelStack":       "Stacks of the kernel.",
		"PageTables":        "Page tables.",
		"CommitLimit":       "Memory that may be promised to programs when promises are limited.",
		"Committed_AS":      "Memory that is promised to programs.",
		"VmallocUsed":       "Memory that the kernel mapped for itself.",
		"Percpu":            "Memory that the kernel keeps for each CPU.",
		"HardwareCorrupted": "Memory found broken.",
		"AnonHugePages":     "Memory of programs in huge pages.",
		"ShmemHugePages":    "Shared memory in huge pages.",
		"FileHugePages":     "Cache of files in huge pages.",
		"CmaTotal":          "Memory for devices that need it in one piece.",
		"CmaFree":           "Of CmaTotal, what is free.",
		"Hugepagesize":      "Size of a huge page by default.",
		"Hugetlb":           "Memory that reserved huge pages of all sizes take.",
	}),
	group("node_memory_", nil,
		Metric{Name: "HugePages_Total", Type: Gauge, Help: "Reserved huge pages."},
		Metric{Name: "HugePages_Free", Type: Gauge, Help: "Reserved huge pages that are free."},
		Metric{Name: "HugePages_Rsvd", Type: Gauge, Help: "Reserved huge pages that are free and promised."},
		Metric{Name: "HugePages_Surp", Type: Gauge, Help: "Huge pages beyond those reserved."},
	),
)

func memoryBytes(help map[string]string) []Metric {
	var metrics []Metric
	for name, text := range help {
		metrics = append(metrics, Metric{Name: name + "_bytes", Type: Gauge, Unit: "bytes", Help: text})
	}
	return group("node_memory_", nil, metrics...)
}

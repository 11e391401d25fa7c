package collect

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

var sockstatNames = map[string][]string{
	"sockets": {"used"},
	"TCP":     {"inuse", "orphan", "tw", "alloc", "mem"},
	"UDP":     {"inuse", "mem"},
	"UDPLITE": {"inuse"},
	"RAW":     {"inuse"},
	"FRAG":    {"inuse", "memory"},
	"TCP6":    {"inuse"}, "UDP6": {"inuse"}, "UDPLITE6": {"inuse"}, "RAW6": {"inuse"},
	"FRAG6": {"inuse", "memory"},
}

func sockstatMetric(group, name string) string {
	if !slices.Contains(sockstatNames[group], name) {
		return ""
	}
	return "node_sockstat_" + group + "_" + name
}

var pageSize = float64(os.Getpagesize())

// sockstat also gives the memory of TCP and UDP, which the kernel has in pages,
// in bytes.
type sockstat struct {
	every
	v4, v6               *procfs.Source[procfs.NetCounters]
	selection4           selection
	selection6           selection
	tcpMemory, udpMemory int // indexes of the entries, or -1
	schema               *sample.Schema
}

func newSockstat(fs procfs.FS) *sockstat {
	return &sockstat{
		every:      every{"sockstat", time.Second},
		v4:         fs.NetSockstat(),
		v6:         fs.NetSockstat6(),
		selection4: selection{metric: sockstatMetric},
		selection6: selection{metric: sockstatMetric},
	}
}

func (c *sockstat) Collect(_ time.Time, row *Row) error {
	v4, err := c.v4.Read()
	if err != nil {
		return err
	}
	var entries6 []procfs.Entry
	v6, err := c.v6.Read()
	switch {
	case err == nil:
		entries6 = v6.Entries
	case !errors.Is(err, fs.ErrNotExist): // IPv6 may be off
		return err
	}
	changed := c.selection4.fit(v4.Entries)
	if c.selection6.fit(entries6) || changed {
		c.fit(v4.Entries)
	}
	row.Begin(c.schema)
	c.selection4.write(row, v4.Entries)
	c.selection6.write(row, entries6)
	for _, i := range [...]int{c.tcpMemory, c.udpMemory} {
		if i >= 0 {
			row.Float(v4.Entries[i].Value * pageSize)
		}
	}
	return nil
}

func (c *sockstat) fit(entries []procfs.Entry) {
	all := slices.Concat(c.selection4.series, c.selection6.series)
	memory := func(group string) int {
		i := slices.IndexFunc(entries, func(e procfs.Entry) bool {
			return string(e.Group) == group && string(e.Name) == "mem"
		})
		if i >= 0 {
			all = append(all, series("node_sockstat_"+group+"_mem_bytes"))
		}
		return i
	}
	c.tcpMemory = memory("TCP")
	c.udpMemory = memory("UDP")
	c.schema = sample.NewSchema(all)
}

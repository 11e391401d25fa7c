package collect

import (
	"slices"
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

// netstatNames are the counters that node_exporter selects by default, by protocol.
var netstatNames = map[string][]string{
	"Ip":      {"Forwarding"},
	"IpExt":   {"InOctets", "OutOctets"},
	"Icmp":    {"InErrors", "InMsgs", "OutMsgs"},
	"Tcp":     {"ActiveOpens", "InErrs", "InSegs", "OutSegs", "OutRsts", "PassiveOpens", "RetransSegs", "CurrEstab"},
	"TcpExt":  {"ListenDrops", "ListenOverflows", "SyncookiesSent", "SyncookiesRecv", "SyncookiesFailed", "TCPOFOQueue", "TCPRcvQDrop", "TCPSynRetrans", "TCPTimeouts"},
	"Udp":     {"InDatagrams", "InErrors", "NoPorts", "OutDatagrams", "RcvbufErrors", "SndbufErrors"},
	"UdpLite": {"InErrors"},
}

func netstatMetric(group, name string) string {
	if !slices.Contains(netstatNames[group], name) {
		return ""
	}
	return "node_netstat_" + group + "_" + name
}

type netstat struct {
	every
	snmp, netstat       *procfs.Source[procfs.NetCounters]
	standard, extension selection
	schema              *sample.Schema
}

func newNetstat(fs procfs.FS) *netstat {
	return &netstat{
		every:     every{"netstat", time.Second},
		snmp:      fs.NetSNMP(),
		netstat:   fs.NetNetstat(),
		standard:  selection{metric: netstatMetric},
		extension: selection{metric: netstatMetric},
	}
}

func (c *netstat) Collect(_ time.Time, row *Row) error {
	snmp, err := c.snmp.Read()
	if err != nil {
		return err
	}
	netstat, err := c.netstat.Read()
	if err != nil {
		return err
	}
	changed := c.standard.fit(snmp.Entries)
	if c.extension.fit(netstat.Entries) || changed {
		c.schema = sample.NewSchema(slices.Concat(c.standard.series, c.extension.series))
	}
	row.Begin(c.schema)
	c.standard.write(row, snmp.Entries)
	c.extension.write(row, netstat.Entries)
	return nil
}

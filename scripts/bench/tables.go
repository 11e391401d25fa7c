package main

import (
	"context"
	"fmt"
	"strings"
)

// table is one of the page.
type table struct {
	title string
	rows  []row
}

type row struct {
	what, target, sonde, peers, ratio, elsewhere string
}

func tables(ctx context.Context, m measured) []table {
	return []table{
		{"Taking samples in", ingestRows(m)},
		{"The agent", agentRows(ctx, m)},
		{"From the host to the screen", delayRows(m)},
		{"Many agents", fleetRows(m)},
		{"Questions and disk", storeRows(ctx, m)},
		{"Parts", partRows(m)},
	}
}

// peerStores are those that samples are written to.
var peerStores = []store{victoriaMetrics, prometheus}

// againstStores are the columns of a figure that peers have too.
func (m measured) againstStores(at, name string, scale float64, digits int, unit string) (peers, ratio string) {
	var values, ratios []string
	for _, s := range peerStores {
		theirs := at + " " + s.title + ": " + name
		values = append(values, s.title+" "+m.text(theirs, scale, digits, unit))
		ratios = append(ratios, s.title+" "+m.ratio(theirs, at+": "+name))
	}
	return strings.Join(values, "; "), strings.Join(ratios, "; ")
}

func ingestRows(m measured) []row {
	var rows []row
	for _, at := range []struct {
		at, what, cpuTarget, cpuElsewhere, bytesTarget, bytesElsewhere string
	}{
		{"1s", "a batch per agent per second", "≤ 500 ns", "VictoriaMetrics 1,500–1,600 ns; Prometheus 3,200–4,200 ns", "≤ 3", "remote write 14.4"},
		{"10s", "a batch per agent per 10 s", "≤ 200 ns", "VictoriaMetrics 410 ns; Prometheus 1,500 ns", "≤ 1.2", "remote write 6.6"},
	} {
		cpu := row{what: "server CPU a sample, 100 agents × 200 series, " + at.what, target: at.cpuTarget,
			sonde: m.text(at.at+": ns a sample", 1, 0, " ns"), elsewhere: at.cpuElsewhere}
		cpu.peers, cpu.ratio = m.againstStores(at.at, "ns a sample", 1, 0, " ns")
		memory := row{what: "server RSS under it", sonde: m.text(at.at+": server rss loaded", mib, 0, " MiB")}
		memory.peers, memory.ratio = m.againstStores(at.at, "server rss loaded", mib, 0, " MiB")
		payload := row{what: "payload bytes a sample, " + at.what, target: at.bytesTarget,
			sonde: m.text(at.at+": payload bytes a sample", 1, 2, ""), elsewhere: at.bytesElsewhere}
		payload.peers, payload.ratio = m.againstStores(at.at, "payload bytes a sample", 1, 1, "")
		socket := row{what: "bytes a sample on the socket, to the server and back",
			sonde: both(m.text(at.at+" counted: socket bytes a sample", 1, 2, ""), m.text(at.at+" counted: socket bytes a sample, answers", 1, 2, ""))}
		var values []string
		for _, s := range peerStores {
			name := at.at + " " + s.title + ": socket bytes a sample"
			values = append(values, s.title+" "+both(m.text(name, 1, 1, ""), m.text(name+", answers", 1, 2, "")))
		}
		socket.peers = strings.Join(values, "; ")
		ack := row{what: "from a batch leaving to its durable acknowledgement: p50, p99",
			sonde: both(m.text(at.at+": ack p50", ms, 1, " ms"), m.text(at.at+": ack p99", ms, 1, " ms"))}
		rows = append(rows, cpu, memory, payload, socket, ack)
	}
	for _, to := range peerStores {
		rows = append(rows, row{
			what:  "CPU a sample of a server with its samples in " + to.title + ", 100 agents × 200 series, a batch per agent per second",
			sonde: m.text("in "+to.title+": ns a sample", 1, 0, " ns"), peers: "the store " + m.text("in "+to.title+": store's ns a sample", 1, 0, " ns"),
		})
	}
	return rows
}

func agentRows(ctx context.Context, m measured) []row {
	size, _, kind := sizes(ctx)
	return []row{
		{
			what:   "CPU at 1 s, all default collectors, loopback probes, samples stored elsewhere; series",
			target: "≤ 1.5 ms/s", sonde: both(m.text("agent cpu", ms, 2, " ms/s"), m.text("agent series", 1, 0, " series")),
			peers: fmt.Sprintf("node_exporter %s, %s; Prometheus agent %s on top", m.text("exporter cpu", ms, 1, " ms/s"),
				m.text("exporter series", 1, 0, " series"), m.text("scraper cpu", ms, 1, " ms/s")),
			ratio: "both " + m.ratio("exporter and scraper cpu", "agent cpu"),
			elsewhere: "Beszel 1.4 (a few dozen values); Nezha 2.7; collectd 9.8; Netdata 14.3; node_exporter 14.7 and Prometheus agent 12.8 on top; " +
				"OpenTelemetry Collector 30; Telegraf 30",
		},
		{
			what: "RSS", target: "≤ 20 MiB",
			sonde: m.text("agent rss", mib, 1, " MiB") + ", no file's of it " + m.text("agent anon", mib, 1, " MiB"),
			peers: fmt.Sprintf("node_exporter %s; Prometheus agent %s on top", m.text("exporter rss", mib, 0, " MiB"), m.text("scraper rss", mib, 0, " MiB")),
			ratio: "both " + m.ratio("exporter and scraper rss", "agent rss"),
			elsewhere: "collectd 6 MB; Beszel 14.5; Nezha 22; node_exporter 22 and Prometheus agent 89 on top; OpenTelemetry Collector 36; " +
				"Netdata 67; Telegraf 167",
		},
		{what: kind, target: "≤ 15 MiB", sonde: size},
		{what: "probe error against an injected delay, idle: p50, p99", target: "p50 ≤ 0.05 ms, p99 ≤ 0.5 ms", sonde: m.probeErrors("idle")},
		{what: "the same with both cores busy", target: "p50 ≤ 0.05 ms, p99 ≤ 0.5 ms", sonde: m.probeErrors("busy")},
	}
}

func (m measured) probeErrors(machine string) string {
	var list []string
	for _, kind := range []string{"icmp total", "tcp total", "dns total", "http connect", "http ttfb"} {
		name := "probe error: " + machine + " " + kind
		list = append(list, kind+" "+both(m.text(name+" p50", ms, 3, ""), m.text(name+" p99", ms, 3, " ms")))
	}
	return strings.Join(list, "; ")
}

func delayRows(m measured) []row {
	return []row{
		{
			what:   "from the boundary of the submission interval at which a sample was read to the Watch stream's message at a client, 20 of 100 agents watched: p50, p99, most",
			target: "p99 ≤ 250 ms",
			sonde:  both(both(m.text("watched: p50", ms, 0, " ms"), m.text("watched: p99", ms, 0, " ms")), m.text("watched: most", ms, 0, " ms")),
		},
		{
			what:   "from a change of the configuration to its being in force, 1,000 agents: p50, p99",
			target: "p99 ≤ 1 s", sonde: both(m.text("in force p50", ms, 0, " ms"), m.text("in force p99", ms, 0, " ms")),
			elsewhere: "Beszel fixed at 60 s; others restart",
		},
		{
			what:  "the same with the state of all 1,000 agents on one disk",
			sonde: both(m.text("on a disk: in force p50", ms, 0, " ms"), m.text("on a disk: in force p99", ms, 0, " ms")),
		},
		{
			what:   "overview with 1,000 live hosts in Chromium, without a cache: rows with values drawn; a filter typed then, to its result",
			target: "≤ 1 s", sonde: both(m.text("browser: overview drawn", ms, 0, " ms"), m.text("browser: overview filtered", ms, 0, " ms")),
			elsewhere: "Uptime Kuma: 45 s at 700",
		},
		{
			what:  "from starting a server and an agent without any data to a chart of the host in Chromium",
			sonde: m.text("browser: first chart", 1, 1, " s"),
		},
	}
}

func fleetRows(m measured) []row {
	many := func(what, at, target string) row {
		return row{
			what: what + ": samples lost; ack p50, p99; CPU of the server and of the load beside it; peak RSS of the server", target: target,
			sonde: fmt.Sprintf("%s of %s; %s; %s and %s cores; %s", m.text(at+"lost", 1, 0, ""), m.text(at+"taken", 1, 0, ""),
				both(m.text(at+"ack p50", 1, 2, " s"), m.text(at+"ack p99", 1, 2, " s")),
				m.text(at+"server cpu", 1, 2, ""), m.text(at+"generator cpu", 1, 2, ""), m.text(at+"server peak rss", mib, 0, " MiB")),
			elsewhere: "not published",
		}
	}
	each := (m.median("idle agents: server rss loaded") - m.median("idle agents: server rss idle")) / float64(idleAgents.agents) / 1024
	return []row{
		many("10,000 agents × 100 series, batches of 1 s, with the load on the same 2 cores", "many 1s: ", "held, no sample lost"),
		many("the same, batches of 10 s", "many 10s: ", ""),
		{
			what: "most agents × 100 series, batches of 1 s, in thousands, with no sample lost and ack p99 within 1 s; CPU of the server and of the load",
			sonde: fmt.Sprintf("%s; %s and %s cores", m.text("most: agents", 1, 0, " agents"), m.text("most: server cpu", 1, 2, ""),
				m.text("most: generator cpu", 1, 2, "")),
		},
		{what: "server RSS, idle", sonde: m.text("1s: server rss idle", mib, 0, " MiB")},
		{what: "server RSS a connected agent, of 1,000 with one series", sonde: fmt.Sprintf("%.0f KiB", each)},
		{
			what:  "1,000 agents after their server was killed and away for 10 s: from its port's opening until all are back; its peak RSS until all is stored; samples lost",
			sonde: both(m.text("storm: all back", 1, 1, " s"), m.text("storm: peak rss", mib, 0, " MiB")) + ", 0",
		},
	}
}

func storeRows(ctx context.Context, m measured) []row {
	_, size, kind := sizes(ctx)
	return []row{
		{what: "a host's page over HTTP: 20 expressions, 1 h of a host at 1 s, a value per 15 s", sonde: m.text("host page", ms, 1, " ms")},
		{what: "the same, a value per second", sonde: m.text("host page, every second", ms, 1, " ms")},
		{what: "the overview over HTTP: 6 expressions, 1,000 hosts at 1 s, 5 min, a value per 5 s", sonde: m.text("overview", ms, 0, " ms")},
		{what: "30 days of one series at 1 s, a rate per hour", sonde: m.text("month", ms, 0, " ms")},
		{
			what: fmt.Sprintf("disk bytes a sample, a compacted block of 2 h of an agent's %s, %s of the samples histograms; chunks alone",
				m.text("disk: series", 1, 0, " series"), m.text("disk: histograms", 100, 0, " %")),
			sonde: both(m.text("disk: bytes a sample", 1, 2, ""), m.text("disk: bytes a sample, chunks", 1, 2, "")),
		},
		{what: "the log's bytes a sample, which stay for three hours", sonde: m.text("disk: log bytes a sample", 1, 1, "")},
		{what: "server " + kind, sonde: size},
	}
}

func partRows(m measured) []row {
	var rows []row
	for _, ticks := range []string{"1", "10"} {
		encode, decode := "BenchmarkEncode/ticks="+ticks, "BenchmarkDecode/ticks="+ticks
		rows = append(rows, row{
			what: "encoding and decoding a made-up host, " + ticks + " ticks a batch",
			sonde: both(m.text(encode+" ns/sample", 1, 1, " ns"), m.text(decode+" ns/sample", 1, 1, " ns a sample")) + ", " +
				m.text(encode+" bytes/sample", 1, 2, " bytes"),
		})
	}
	const spool = "spool: Benchmark"
	return append(rows,
		row{what: "agent's spool, to memory and acknowledged in time", sonde: m.text(spool+"AppendAck ns/op", 1, 0, " ns a batch")},
		row{
			what:  "agent's spool, to disk with a flush: a batch of 250 samples, ten of them",
			sonde: both(m.text(spool+"Flush/batches=1 ns/op", 1e-6, 2, " ms"), m.text(spool+"Flush/batches=10 ns/op", 1e-6, 2, " ms")),
		},
		row{
			what:  "agent's spool: to disk, a thousand batches a flush; replay, from the page cache",
			sonde: both(m.text(spool+"Flush/batches=1000 MB/s", 1, 0, " MB/s"), m.text(spool+"Replay MB/s", 1, 0, " MB/s")),
		},
	)
}

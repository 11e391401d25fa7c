package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	ms  = 1e3 // of seconds
	mib = 1.0 / (1 << 20)
)

// report is the text of docs/benchmarks.md.
func report(ctx context.Context, r results) (string, error) {
	var b bytes.Buffer
	b.WriteString(`# Benchmarks

` + "`make bench`" + ` measures these figures and writes this page. Each is the median of
all runs, with the least and the most; the kinds of runs take turns. CPU is that
of the whole process, in user and kernel mode, over a window in the steady state.

`)
	machine(ctx, &b)
	agentSize, serverSize, kind := sizes(ctx)
	b.WriteString("\n## Figures\n\n| what | target | reached | peers, elsewhere |\n| --- | --- | --- | --- |\n")
	row := func(what, target, reached, peers string) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", what, target, reached, peers)
	}
	const size = ", 100 agents × 200 series, every batch acked durable"
	row("server CPU a sample, a batch per agent per second"+size, "≤ 500 ns", r.text("1s: ns a sample", 1, 0, " ns"),
		"VictoriaMetrics 1,500–1,600 ns; Prometheus 3,200–4,200 ns (remote write, neither fsyncs)")
	row("the same, a batch per 10 s", "≤ 200 ns", r.text("10s: ns a sample", 1, 0, " ns"), "VictoriaMetrics 410 ns; Prometheus 1,500 ns")
	row("from a batch leaving to its ack, 1 s: p50, p99", "", both(r.text("1s: ack p50", ms, 1, " ms"), r.text("1s: ack p99", ms, 1, " ms")), "")
	row("the same, 10 s", "", both(r.text("10s: ack p50", ms, 1, " ms"), r.text("10s: ack p99", ms, 1, " ms")), "")
	row("payload bytes a sample, 1 s", "≤ 3", r.text("1s: payload bytes a sample", 1, 2, ""), "remote write 14.4")
	row("payload bytes a sample, 10 s", "≤ 1.2", r.text("10s: payload bytes a sample", 1, 2, ""), "remote write 6.6")
	const sockets = "bytes a sample on the socket with gRPC and HTTP/2, to the server and back, "
	row(sockets+"1 s", "", both(r.text("1s counted: socket bytes a sample", 1, 2, ""), r.text("1s counted: socket bytes a sample, answers", 1, 2, "")), "")
	row(sockets+"10 s", "", both(r.text("10s counted: socket bytes a sample", 1, 2, ""), r.text("10s counted: socket bytes a sample, answers", 1, 2, "")), "")
	row("agent CPU at 1 s, all default collectors, loopback probes ("+r.text("agent series", 1, 0, " series")+")", "≤ 1.5 ms/s", r.text("agent cpu", ms, 2, " ms/s"),
		"Beszel 1.4 (a few dozen values); Nezha 2.7; collectd 9.8; Netdata 14.3; node_exporter 14.7 and Prometheus agent 12.8 on top; OpenTelemetry Collector 30; Telegraf 30")
	row("agent RSS, and how much of it is no file's", "≤ 20 MiB", both(r.text("agent rss", mib, 1, " MiB"), r.text("agent anon", mib, 1, " MiB")),
		"collectd 6 MB; Beszel 14.5; Nezha 22; node_exporter 22 and Prometheus agent 89 on top; OpenTelemetry Collector 36; Netdata 67; Telegraf 167")
	row("agent "+kind, "≤ 15 MiB", agentSize, "")
	row("server "+kind, "", serverSize, "")
	row("server RSS, idle", "", r.text("1s: server rss idle", mib, 0, " MiB"), "")
	row("server RSS, 100 agents × 200 series", "", r.text("1s: server rss loaded", mib, 0, " MiB"), "")
	each := (r.median("idle agents: server rss loaded") - r.median("idle agents: server rss idle")) / float64(idleAgents.agents) / 1024
	row("server RSS a connected agent, of 1,000 with one series", "", fmt.Sprintf("%.0f KiB", each), "")
	row("from a change of the configuration to its being in force, 1,000 agents: p50, p99", "p99 ≤ 1 s",
		both(r.text("in force p50", ms, 0, " ms"), r.text("in force p99", ms, 0, " ms")), "Beszel fixed at 60 s; others restart")
	row("the same with the state of all 1,000 agents on one disk", "",
		both(r.text("on a disk: in force p50", ms, 0, " ms"), r.text("on a disk: in force p99", ms, 0, " ms")), "")
	row("a host's page over HTTP: 20 expressions, 1 h at 15 s", "", r.text("host page", ms, 1, " ms"), "")
	row("the overview over HTTP: 6 expressions, 100 agents, 5 min at 5 s", "", r.text("overview", ms, 1, " ms"), "")
	for _, ticks := range []string{"1", "10"} {
		encode, decode := "BenchmarkEncode/ticks="+ticks, "BenchmarkDecode/ticks="+ticks
		row("encoding and decoding a recorded host, "+ticks+" ticks a batch", "",
			both(r.text(encode+" ns/sample", 1, 1, " ns"), r.text(decode+" ns/sample", 1, 1, " ns a sample"))+", "+r.text(encode+" bytes/sample", 1, 2, " bytes"), "")
	}
	const spool = "spool: Benchmark"
	row("agent's spool, to memory and acknowledged in time", "", r.text(spool+"AppendAck ns/op", 1, 0, " ns a batch"), "")
	row("agent's spool, to disk with a flush: a batch of 250 samples, ten of them", "",
		both(r.text(spool+"Flush/batches=1 ns/op", 1e-6, 2, " ms"), r.text(spool+"Flush/batches=10 ns/op", 1e-6, 2, " ms")), "")
	row("agent's spool: to disk, a thousand batches a flush; replay, from the page cache", "",
		both(r.text(spool+"Flush/batches=1000 MB/s", 1, 0, " MB/s"), r.text(spool+"Replay MB/s", 1, 0, " MB/s")), "")
	row("1,000 agents after their server was killed and away for 10 s: from its port's opening until all are back, its peak RSS until all is stored, samples lost", "",
		both(r.text("storm: all back", 1, 1, " s"), r.text("storm: peak rss", mib, 0, " MiB"))+", 0", "")
	b.WriteString(`
The peers' figures were not measured in this run, but before it, on a machine
with 2 cores.

## How

- The server's load is ` + "`sonde bench agents --count 100 --series 200`" + `, in a process
  of its own, with ` + "`--submission-interval`" + ` 1s and 10s. A run in which a sample was
  lost counts for nothing: it fails. CPU is divided by the samples made durable
  within the same window.
- The 1,000 agents are ` + "`sonde bench agents --count 1000 --series 20`" + ` at a batch a
  second. They come back spread by their backoff, which is at most 5 s; the run
  fails when a sample is lost.
- The spool's figures are those of its Go benchmarks, on the disk of TMPDIR, with
  batches of 300 bytes that are already encoded.
- Bytes on sockets are counted by a TCP proxy in a run of its own.
- The agent runs with ` + "`--default-probes server,server-tcp,disk,sched`" + `: those that
  need no other host.
- Changes of the configuration are 20 of ` + "`sonde bench config --count 1000`" + `: whole
  agents in one process, over gRPC. Each has a change in force once it has checked
  it, flushed it to its state folder and changed its scheduler. The folders are in
  memory, since the agents of a fleet do not wait for each other's disks.
- Expressions of a page go out in one call, as the browser sends them.
- ` + "`QUICK=1 scripts/bench.sh`" + ` takes one short run of each, ` + "`PART=storm`" + ` one step alone.
`)
	return b.String(), nil
}

// machine describes where the figures come from.
func machine(ctx context.Context, b *bytes.Buffer) {
	fmt.Fprintf(b, "- machine: %s, %d cores, %.1f GiB of memory\n", cpuModel(), runtime.NumCPU(), memoryGiB())
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		fmt.Fprintf(b, "- kernel: %s %s\n", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]))
	}
	commit := output1(ctx, "git", "describe", "--always", "--dirty")
	fmt.Fprintf(b, "- %s, commit %s, %d runs\n", runtime.Version(), commit, *runs)
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Fprintf(b, "- load average at the end: %s\n", strings.Join(strings.Fields(string(load))[:3], " "))
	}
}

var (
	modelLine  = regexp.MustCompile(`(?m)^(?:model name|Model)\s*:\s*(.+)$`)
	memoryInfo = regexp.MustCompile(`(?m)^MemTotal:\s+(\d+) kB$`)
)

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	if m := modelLine.FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return runtime.GOARCH
}

func memoryGiB() float64 {
	text, _ := os.ReadFile("/proc/meminfo")
	m := memoryInfo.FindSubmatch(text)
	if m == nil {
		return 0
	}
	kb, _ := strconv.ParseFloat(string(m[1]), 64) // \d+
	return kb / (1 << 20)
}

// output1 is the one line that a command prints, or "unknown".
func output1(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// sizes are those of the images, where an engine has them, else of the binaries.
func sizes(ctx context.Context) (agent, server, kind string) {
	image := func(name string) (string, bool) {
		bytes, err := strconv.ParseFloat(output1(ctx, "docker", "image", "inspect", "--format", "{{.Size}}", name), 64)
		return fmt.Sprintf("%.1f MiB", bytes*mib), err == nil
	}
	agent, haveAgent := image("sonde-agent")
	server, haveServer := image("sonde")
	if haveAgent && haveServer {
		return agent, server, "image, unpacked"
	}
	file := func(name string) string {
		st, err := os.Stat(filepath.Join(*dir, name))
		if err != nil {
			return "unknown"
		}
		return fmt.Sprintf("%.1f MiB", float64(st.Size())*mib)
	}
	return file("sonde-agent"), file("sonde") + ", without the web application", "binary, stripped"
}

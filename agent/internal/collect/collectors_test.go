package collect

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
	"sonde.dev/sonde/internal/metricname"
)

var update = flag.Bool("update", false, "write the golden files anew")

func fixture(name string) procfs.FS {
	dir := filepath.Join("..", "procfs", "testdata", name)
	return procfs.FS{Proc: dir + "/proc", Sys: dir + "/sys", Root: dir + "/root"}
}

// fixtureCollectors are the collectors over recorded trees, with a statfs that
// answers for every mountpoint but the one on the network.
func fixtureCollectors() []Collector {
	collectors := Host(fixture("host"), fixture("v2"))
	for _, c := range collectors {
		if f, ok := c.(*filesystem); ok {
			f.statfs = func(mountpoint string) (procfs.Filesystem, error) {
				if mountpoint == "/srv/archive" {
					return procfs.Filesystem{}, os.ErrDeadlineExceeded
				}
				n := float64(len(mountpoint))
				return procfs.Filesystem{SizeBytes: 1000 * n, FreeBytes: 500 * n, AvailableBytes: 400 * n, Files: 100, FilesFree: 50}, nil
			}
		}
	}
	return collectors
}

// ownValues are the values that the agent adds.
var ownValues = []Value{
	{"sonde_agent_batches_pending", "", func() float64 { return 2 }},
	{"sonde_agent_bytes_sent_total", "", func() float64 { return 4096 }},
	{"sonde_agent_samples_dropped_total", "full", func() float64 { return 1200 }},
	{"sonde_agent_samples_dropped_total", "aged", func() float64 { return 0 }},
	{"sonde_agent_dropped_first_timestamp_seconds", "full", func() float64 { return 1_795_442_000 }},
	{"sonde_agent_dropped_first_timestamp_seconds", "aged", math.NaN},
	{"sonde_agent_dropped_last_timestamp_seconds", "full", func() float64 { return 1_795_442_300 }},
	{"sonde_agent_dropped_last_timestamp_seconds", "aged", math.NaN},
	{"sonde_agent_samples_refused_total", "", func() float64 { return 0 }},
	{"sonde_agent_reconnects_total", "", func() float64 { return 1 }},
	{"sonde_agent_spool_bytes", "", func() float64 { return 8192 }},
	{"sonde_agent_spool_oldest_seconds", "", func() float64 { return 1.5 }},
	{"sonde_agent_spool_degraded", "", func() float64 { return 0 }},
	{"sonde_agent_config_changes_total", "", func() float64 { return 3 }},
	{"sonde_agent_config_rejections_total", "", func() float64 { return 1 }},
}

var testTime = time.UnixMilli(1_795_442_500_000)

func collect(t *testing.T, c Collector) (sample.Tick, bool) {
	t.Helper()
	var row Row
	if err := c.Collect(testTime, &row); err != nil {
		t.Fatalf("%s: %v", c.Name(), err)
	}
	tick, ok, err := row.tick(testTime.UnixMilli())
	if err != nil {
		t.Fatalf("%s: %v", c.Name(), err)
	}
	return tick, ok
}

// render writes the float series of a tick as lines of name{labels} value.
func render(tick sample.Tick) []string {
	var lines []string
	for i, s := range tick.Schema.Series {
		lines = append(lines, fmt.Sprintf("%s %v", renderSeries(s), tick.Floats[i]))
	}
	return lines
}

func renderSeries(s sample.Series) string {
	var labels []string
	for _, l := range s.Labels {
		labels = append(labels, fmt.Sprintf("%s=%q", l.Name, l.Value))
	}
	if labels == nil {
		return s.Name
	}
	return s.Name + "{" + strings.Join(labels, ",") + "}"
}

func TestGolden(t *testing.T) {
	var lines []string
	for _, c := range fixtureCollectors() {
		tick, _ := collect(t, c)
		lines = append(lines, render(tick)...)
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	path := filepath.Join("testdata", "host.golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(lines); len(slices.Compact(lines)) != n {
		t.Error("a series stands twice")
	}
}

// Every series that is emitted is in the table, and everything in the table is
// emitted, but for what the probes measure.
func TestMetricNames(t *testing.T) {
	emitted := make(map[string]map[string]bool) // labels by name
	add := func(s sample.Series) {
		if emitted[s.Name] == nil {
			emitted[s.Name] = make(map[string]bool)
		}
		for _, l := range s.Labels {
			emitted[s.Name][l.Name] = true
		}
	}
	scheduler := NewScheduler(quiet, nil, fixtureCollectors()...)
	scheduler.Add(NewSelf(fixture("v2"), scheduler, "1.2.3", ownValues...))
	scheduler.entries[0].ignored.Store(3)
	for _, e := range scheduler.entries {
		tick, _ := collect(t, e.collector)
		for _, s := range tick.Schema.Series {
			add(s)
			if !slices.IsSortedFunc(s.Labels, func(a, b sample.Label) int { return strings.Compare(a.Name, b.Name) }) {
				t.Errorf("%s: labels are not sorted", renderSeries(s))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(emitted)) {
		metric, ok := metricname.Lookup(name)
		if !ok {
			t.Errorf("%s is emitted and not in the table", name)
			continue
		}
		if got := slices.Sorted(maps.Keys(emitted[name])); name != "node_os_info" && !slices.Equal(got, metric.Labels) {
			t.Errorf("%s has the labels %q, in the table %q", name, got, metric.Labels)
		}
	}
	for _, metric := range metricname.All() {
		if emitted[metric.Name] == nil && !strings.HasPrefix(metric.Name, "sonde_probe_") {
			t.Errorf("%s is in the table and not emitted", metric.Name)
		}
	}
}

// Without sysfs, PSI, IPv6 or a container, what is left is still measured.
func TestOldKernel(t *testing.T) {
	old := fixture("old")
	for _, test := range []struct {
		collector Collector
		want      []string
	}{
		{newDisk(old), []string{"mmcblk0", "sda"}},
		{newNetwork(old), []string{"eth0"}},
	} {
		tick, _ := collect(t, test.collector)
		devices := make(map[string]bool)
		for _, s := range tick.Schema.Series {
			devices[s.Labels[0].Value] = true
		}
		if diff := cmp.Diff(test.want, slices.Sorted(maps.Keys(devices))); diff != "" {
			t.Errorf("%s: devices (-want +got):\n%s", test.collector.Name(), diff)
		}
	}
	tick, _ := collect(t, newSockstat(old))
	for _, s := range tick.Schema.Series {
		if strings.Contains(s.Name, "6_") {
			t.Errorf("%s without IPv6", s.Name)
		}
	}
}

// files writes a tree of files and returns its root.
func files(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, content)
	return dir
}

func write(t *testing.T, dir string, content map[string]string) {
	t.Helper()
	for name, text := range content {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const statRest = "intr 1\nctxt 1\nbtime 1\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n"

// The schema is the same one while the series are, and another when they change.
func TestSchemaIdentity(t *testing.T) {
	dir := files(t, map[string]string{
		"stat":      "cpu0 1 1 1 1 1 1 1 1\n" + statRest,
		"net/dev":   "a\nb\neth0: 1 0 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n",
		"diskstats": "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n",
		"meminfo":   "MemTotal: 10 kB\nMemFree: 5 kB\n",
	})
	fs := procfs.FS{Proc: dir, Sys: dir, Root: dir}
	collectors := []Collector{newCPU(fs), newNetwork(fs), newDisk(fs), newMemory(fs)}
	before := make([]*sample.Schema, len(collectors))
	for i, c := range collectors {
		first, _ := collect(t, c)
		second, _ := collect(t, c)
		if first.Schema != second.Schema {
			t.Errorf("%s: a new schema for the same series", c.Name())
		}
		if &first.Floats[0] == &second.Floats[0] {
			t.Errorf("%s: two ticks share their values", c.Name())
		}
		before[i] = second.Schema
	}
	write(t, dir, map[string]string{
		"stat":      "cpu0 1 1 1 1 1 1 1 1\ncpu1 1 1 1 1 1 1 1 1\n" + statRest,
		"net/dev":   "a\nb\neth1: 1 0 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n",
		"diskstats": "8 0 sda 1 2 3 4 5 6 7 8 9 10 11 0 0 0 0\n",
		"meminfo":   "MemTotal: 10 kB\nMemAvailable: 7 kB\nMemFree: 5 kB\n",
	})
	for i, c := range collectors {
		tick, _ := collect(t, c)
		if tick.Schema == before[i] {
			t.Errorf("%s: the same schema for other series", c.Name())
		}
	}
	write(t, dir, map[string]string{"net/dev": "a\nb\n"})
	if tick, ok := collect(t, collectors[1]); ok {
		t.Errorf("a tick without series: %v", tick)
	}
}

// Idle time that the kernel takes back a little must not look like a restart.
func TestCPUTimeTakenBack(t *testing.T) {
	dir := files(t, nil)
	c := newCPU(procfs.FS{Proc: dir})
	for _, test := range []struct{ ticks, want float64 }{{5000, 50}, {4990, 50}, {5010, 50.1}, {100, 1}} {
		write(t, dir, map[string]string{"stat": fmt.Sprintf("cpu0 0 0 0 %v 0 0 0 0\n", test.ticks) + statRest})
		tick, _ := collect(t, c)
		if tick.Floats[3] != test.want {
			t.Errorf("%v ticks: %v s, want %v", test.ticks, tick.Floats[3], test.want)
		}
	}
}

func TestManyDevices(t *testing.T) {
	var text strings.Builder
	text.WriteString("a\nb\n")
	for i := range maxDevices + 7 {
		fmt.Fprintf(&text, "veth%d: 1 0 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n", i)
	}
	c := newNetwork(procfs.FS{Proc: files(t, map[string]string{"net/dev": text.String()})})
	var row Row
	if err := c.Collect(testTime, &row); err != nil {
		t.Fatal(err)
	}
	if row.ignored != 7 || len(row.floats) != maxDevices*len(networkCounters) {
		t.Errorf("%d ignored and %d values", row.ignored, len(row.floats))
	}
}

// A tick allocates its own values and nothing else, on a large machine too.
func TestAllocations(t *testing.T) {
	var stat strings.Builder
	for i := range 256 {
		fmt.Fprintf(&stat, "cpu%d 1 2 3 4 5 6 7 8 9 10\n", i)
	}
	large := procfs.FS{Proc: files(t, map[string]string{"stat": stat.String() + statRest})}
	for _, c := range append(fixtureCollectors(), newCPU(large)) {
		if c.Interval() > time.Second {
			continue
		}
		row := new(Row)
		n := testing.AllocsPerRun(10, func() {
			*row = Row{}
			if err := c.Collect(testTime, row); err != nil {
				t.Fatal(err)
			}
		})
		if n != 1 {
			t.Errorf("%s: %v allocations a tick", c.Name(), n)
		}
		if len(row.floats) != row.schema.Floats() {
			t.Errorf("%s: %d values for %d series", c.Name(), len(row.floats), row.schema.Floats())
		}
	}
}

// A name that cannot be a label is left out and counted; the others stay.
func TestNamesThatAreNoLabels(t *testing.T) {
	long := strings.Repeat("x", maxLabel+1)
	dir := files(t, map[string]string{
		"1/net/dev": "a\nb\neth\xff: 1 0 0 0 0 0 0 0 20 2 0 0 0 0 0 0\neth0: 1 0 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n",
		"diskstats": "8 0 sd\xff 1 2 3 4 5 6 7 8 9 10 11\n8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n",
		"1/mounts":  "/dev/sda1 /" + long + " ext4 rw 0 0\n/dev/sda2 /\xff ext4 rw 0 0\n/dev/sda3 / ext4 rw 0 0\n",
	})
	fs := procfs.FS{Proc: dir, Sys: dir + "/none", Root: "/"}
	for _, test := range []struct {
		collector Collector
		ignored   int
	}{{newNetwork(fs), 1}, {newDisk(fs), 1}, {newFilesystem(fs), 2}} {
		var row Row
		if err := test.collector.Collect(testTime, &row); err != nil {
			t.Fatal(err)
		}
		devices := make(map[string]bool)
		for _, s := range row.schema.Series {
			devices[s.Labels[0].Value] = true
		}
		if row.ignored != test.ignored || len(devices) != 1 {
			t.Errorf("%s: %d ignored, devices %v", test.collector.Name(), row.ignored, devices)
		}
	}
}

func TestProcessesBeyondLimit(t *testing.T) {
	c := newProcesses(fixture("host"))
	c.limit = 5
	tick, _ := collect(t, c)
	if diff := cmp.Diff([]string{"node_processes_pids 6"}, render(tick)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFacts(t *testing.T) {
	got := Facts(fixture("host"), fixture("v2"))
	want := HostFacts{
		Hostname: "rack7-node3", OS: got.OS, Arch: got.Arch, Kernel: "6.18.44",
		OSRelease: "Debian GNU/Linux 12 (bookworm)", CPUModel: "AMD EPYC", CPUCount: 3,
		MemoryBytes: got.MemoryBytes, Container: "docker", BootedAt: time.Unix(1795442416, 0),
	}
	if diff := cmp.Diff(want, got); diff != "" || got.MemoryBytes == 0 || got.OS != "linux" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

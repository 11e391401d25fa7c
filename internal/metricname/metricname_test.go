package metricname

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

// kernelNamed are the counters that node_exporter names as the kernel does, and
// so without "_total".
var kernelNamed = regexp.MustCompile(`^node_(vmstat|netstat)_`)

// otherUnits are the metrics of other programs in other than base units; their
// names do not end in a unit.
var otherUnits = []string{"container_spec_cpu_period", "container_spec_cpu_quota"}

func TestNames(t *testing.T) {
	valid := regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	label := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	seen := make(map[string]bool)
	for _, m := range All() {
		bad := func(format string, args ...any) {
			t.Helper()
			t.Errorf("%s: %s", m.Name, fmt.Sprintf(format, args...))
		}
		if seen[m.Name] {
			bad("stands twice")
		}
		seen[m.Name] = true
		if !valid.MatchString(m.Name) {
			bad("not a metric's name")
		}
		total := strings.HasSuffix(m.Name, "_total")
		switch m.Type {
		case Counter:
			if !total && !kernelNamed.MatchString(m.Name) {
				bad("a counter without _total")
			}
		case Gauge, Histogram:
			if total {
				bad("_total on a %s", m.Type)
			}
		default:
			bad("type %q", m.Type)
		}
		base := strings.TrimSuffix(m.Name, "_total")
		switch m.Unit {
		case "seconds", "bytes":
			// Some names have what is measured behind the unit, as bytes_sent.
			if !strings.HasSuffix(base, "_"+m.Unit) && !strings.Contains(base, "_"+m.Unit+"_") {
				bad("the unit %s is not in the name", m.Unit)
			}
		case "":
			if strings.HasSuffix(base, "_seconds") || strings.HasSuffix(base, "_bytes") {
				bad("a unit in the name that the table does not have")
			}
		default:
			bad("%s is not a base unit", m.Unit)
		}
		for _, unit := range []string{"milliseconds", "ms", "microseconds", "kilobytes", "percent"} {
			if strings.Contains(base+"_", "_"+unit+"_") {
				bad("%s is not a base unit", unit)
			}
		}
		if strings.Contains(m.Help, "icroseconds") && !slices.Contains(otherUnits, m.Name) {
			bad("microseconds are not a base unit")
		}
		if m.Help == "" || !strings.HasSuffix(m.Help, ".") || strings.Contains(m.Help, "\n") {
			bad("help %q is not one sentence", m.Help)
		}
		if !slices.IsSorted(m.Labels) {
			bad("labels %q are not sorted", m.Labels)
		}
		for _, name := range m.Labels {
			if !label.MatchString(name) || slices.Contains([]string{"agent", "instance", "job"}, name) {
				bad("label %q", name)
			}
		}
	}
}

func TestLookup(t *testing.T) {
	got, ok := Lookup("node_filesystem_avail_bytes")
	want := Metric{
		Name: "node_filesystem_avail_bytes", Type: Gauge, Unit: "bytes",
		Labels: []string{"device", "fstype", "mountpoint"},
		Help:   "Free space for those who are not root.",
	}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("Lookup: ok %v, difference (-want +got):\n%s", ok, diff)
	}
	got.Labels[0] = "changed"
	if again, _ := Lookup(want.Name); again.Labels[0] != "device" {
		t.Error("a caller changed the table")
	}
	if m, ok := Lookup("node_filesystem_avail"); ok {
		t.Errorf("Lookup of a name that is not there gave %v", m)
	}
	for _, m := range All() {
		if found, ok := Lookup(m.Name); !ok || found.Name != m.Name {
			t.Errorf("Lookup(%q) = %v, %v", m.Name, found, ok)
		}
	}
}

const docs = "../../docs/metrics.md"

func TestDocs(t *testing.T) {
	want := markdown()
	if *update {
		if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("docs/metrics.md is not current; run go generate ./internal/metricname (-file +table):\n%s", diff)
	}
}

func markdown() string {
	var b strings.Builder
	b.WriteString(`# Metrics

<!-- Made from internal/metricname by go generate. Do not edit. -->

Every metric that the agent emits. The server adds the labels ` + "`agent`, `instance` and `job`" + ` to each series.
Names that begin with ` + "`node_`" + ` are those of node_exporter, with ` + "`container_`" + ` those of cAdvisor (of the agent's
own control group), so that dashboards and alerts written for them keep working. A value that a kernel does not
give is absent, not zero.

Left out are:

- block devices that are no disk (loop, ram, zram, floppy) and partitions;
- file systems that hold no files of people or are the space of another one (proc, sysfs, devtmpfs, cgroup, overlay,
  squashfs, …), those beneath /dev, /proc and /sys, and those of single containers, pods and services (beneath
  /var/lib/docker, /var/lib/containers/storage, /var/lib/kubelet/pods, /run/containerd, /run/credentials);
- of mounts on one mountpoint, those hidden by the last;
- devices and file systems beyond 256 of a collector; ` + "`sonde_agent_collector_ignored`" + ` says how many.

| name | type | labels | meaning |
| --- | --- | --- | --- |
`)
	for _, m := range All() {
		labels := ""
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, labels, m.Help)
	}
	return b.String()
}

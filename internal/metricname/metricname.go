// Package metricname is the one table of every metric that Sonde's agent emits:
// its name, type, unit, labels and a help text. The collectors and probes are
// tested against it, the server answers metadata requests from it, and
// docs/metrics.md is made from it.
//
// Names are those of node_exporter and cAdvisor where meaning, unit and labels
// are the same. It says nothing of labels that the server adds to all series.
package metricname

import (
	"slices"
	"strings"
)

//go:generate go test -run TestDocs -update

// Type is what the values of a metric are.
type Type string

const (
	Counter   Type = "counter"   // only grows, until what counts it restarts
	Gauge     Type = "gauge"     // goes up and down
	Histogram Type = "histogram" // native, cumulative
)

// Metric describes the series of one name.
type Metric struct {
	Name   string
	Type   Type
	Unit   string   // base unit in the plural, as "seconds"; empty for counts
	Labels []string // sorted
	Help   string   // one sentence
}

// table is sorted by name.
var table = func() []Metric {
	all := slices.Concat(own, host, disks, filesystems, memory, networks, netstat, sockstat, container)
	slices.SortFunc(all, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return all
}()

// Lookup returns the metric of a name.
func Lookup(name string) (Metric, bool) {
	i, found := find(name)
	if !found {
		return Metric{}, false
	}
	return clone(table[i]), true
}

// TypeOf returns the type of the metric of a name.
func TypeOf(name string) (Type, bool) {
	i, found := find(name)
	if !found {
		return "", false
	}
	return table[i].Type, true
}

func find(name string) (int, bool) {
	return slices.BinarySearchFunc(table, name, func(m Metric, name string) int {
		return strings.Compare(m.Name, name)
	})
}

// All returns every metric, sorted by name.
func All() []Metric {
	all := slices.Clone(table)
	for i := range all {
		all[i] = clone(all[i])
	}
	return all
}

// clone keeps callers from changing the table.
func clone(m Metric) Metric {
	m.Labels = slices.Clone(m.Labels)
	return m
}

// group makes the metrics of one prefix and set of labels.
func group(prefix string, labels []string, metrics ...Metric) []Metric {
	for i := range metrics {
		metrics[i].Name = prefix + metrics[i].Name
		metrics[i].Labels = labels
	}
	return metrics
}

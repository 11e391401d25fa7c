package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// results are the figures of some runs, by name.
type results map[string][]float64

func (r results) add(name string, v float64) { r[name] = append(r[name], v) }

func (r results) merge(more results) {
	for name, values := range more {
		r[name] = append(r[name], values...)
	}
}

// prefixed returns r with its names behind prefix.
func (r results) prefixed(prefix string) results {
	out := make(results, len(r))
	for name, values := range r {
		out[prefix+name] = values
	}
	return out
}

// median of a figure, NaN when there is none.
func (r results) median(name string) float64 { return median(r[name]) }

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	if n == 0 {
		return math.NaN()
	}
	return (v[(n-1)/2] + v[n/2]) / 2
}

// text is the median of a figure times scale, with the unit, and the least and
// the most of all runs. A figure that was left out is a dash.
func (r results) text(name string, scale float64, digits int, unit string) string {
	return text(r[name], scale, digits, unit)
}

func text(values []float64, scale float64, digits int, unit string) string {
	if len(values) == 0 {
		return "–"
	}
	s := fmt.Sprintf("%.*f%s", digits, median(values)*scale, unit)
	if least, most := slices.Min(values), slices.Max(values); least != most {
		s += fmt.Sprintf(" (%.*f–%.*f)", digits, least*scale, digits, most*scale)
	}
	return s
}

// ratio is how many times as much the peer's figure is as ours: the median of
// the rounds' ratios, with the least and the most.
func (r results) ratio(peer, ours string) string {
	var ratios []float64
	for i := range min(len(r[peer]), len(r[ours])) {
		ratios = append(ratios, r[peer][i]/r[ours][i])
	}
	return text(ratios, 1, 1, "×")
}

// sum adds two figures, round by round, under a name of its own.
func (r results) sum(name, a, b string) {
	for i := range min(len(r[a]), len(r[b])) {
		r.add(name, r[a][i]+r[b][i])
	}
}

// both joins two figures of one row.
func both(a, b string) string { return strings.Join([]string{a, b}, ", ") }

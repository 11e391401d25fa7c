package main

import (
	"fmt"
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

// median of a figure; there must be one.
func (r results) median(name string) float64 {
	v := slices.Sorted(slices.Values(r[name]))
	n := len(v)
	if n == 0 {
		panic("no figure is called " + name)
	}
	return (v[(n-1)/2] + v[n/2]) / 2
}

// text is the median of a figure times scale, with the unit, and the least and
// the most of all runs.
func (r results) text(name string, scale float64, digits int, unit string) string {
	v := r[name]
	m := r.median(name)
	s := fmt.Sprintf("%.*f%s", digits, m*scale, unit)
	if least, most := slices.Min(v), slices.Max(v); len(v) > 1 && least != most {
		s += fmt.Sprintf(" (%.*f–%.*f)", digits, least*scale, digits, most*scale)
	}
	return s
}

// both joins two figures of one row.
func both(a, b string) string { return strings.Join([]string{a, b}, ", ") }

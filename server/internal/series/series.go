// Package series is the domain of samples on the server: what a store of
// samples takes and what it answers for.
//
// An agent sends its samples as rows of a schema, an ordered list of series. A
// [Target] is such a schema made ready to append; [Rows] are ticks of it, one
// column a series; a [Write] is what is appended and acknowledged as one. An
// [Appender] says when a Write is durable, which is when the agent may forget
// it. The stores themselves are packages of their own.
//
// The package does not parse what agents send and does not judge clocks: a
// store takes a sample from the future, and the one who calls it must not
// offer one.
package series

import (
	"github.com/prometheus/prometheus/model/labels"

	"sonde.dev/sonde/internal/wire"
)

// Series is one series of a schema: its full label set, the metric's name
// among it, and whether its samples are histograms rather than floats.
type Series struct {
	Labels    labels.Labels
	Histogram bool
}

// Column is a series of a Target as a store sees it.
type Column struct {
	Labels labels.Labels
	// Ref is the store's own handle of the series, zero while it has none.
	Ref uint64
}

// Target is the schema of one agent made ready to append: labels, and the
// handles a store has found for them, so that only the first append of a
// series looks it up by its labels.
//
// A Target may be used by many Writes, at the same time too; its handles belong
// to the store that it was last appended to.
type Target struct {
	floats     []Column
	histograms []Column
	owner      any
}

// NewTarget makes a Target of the series, which it copies.
func NewTarget(series []Series) *Target {
	t := &Target{}
	for _, s := range series {
		if s.Histogram {
			t.histograms = append(t.histograms, Column{Labels: s.Labels})
		} else {
			t.floats = append(t.floats, Column{Labels: s.Labels})
		}
	}
	return t
}

// Floats returns the number of float series.
func (t *Target) Floats() int { return len(t.floats) }

// Histograms returns the number of histogram series.
func (t *Target) Histograms() int { return len(t.histograms) }

// Columns is for stores. It returns the float and the histogram series, each in
// the order of the schema, for the store to read and to keep its handles in;
// handles that another owner has left are cleared first. Only the one goroutine
// of a store that appends may call it and use what it returns.
func (t *Target) Columns(owner any) (floats, histograms []Column) {
	if t.owner != owner {
		for i := range t.floats {
			t.floats[i].Ref = 0
		}
		for i := range t.histograms {
			t.histograms[i].Ref = 0
		}
		t.owner = owner
	}
	return t.floats, t.histograms
}

// Rows are len(Times) ticks of a Target, column-major: the value of the c-th
// float series at Times[k] is Floats[c*len(Times)+k], and likewise for the
// histogram series.
type Rows struct {
	Target *Target
	// Times are milliseconds since 1970, strictly increasing.
	Times  []int64
	Floats []float64
	// Histograms hold the absolute cumulative counts of a recorder, as
	// described at [wire.Histogram].
	Histograms []wire.Histogram
}

// Samples returns the number of samples in the rows.
func (r *Rows) Samples() int { return len(r.Floats) + len(r.Histograms) }

package query

import (
	"context"
	"fmt"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
)

// Heatmap is the answer to an expression that yields one native histogram a
// step.
type Heatmap struct {
	Columns  []HeatmapColumn // one a step
	Warnings []string
}

// HeatmapColumn is the histogram of one step. Counts[j] is the count of bucket
// First+j, which at resolution r holds the values in
// (2^((First+j-1)/2^r), 2^((First+j)/2^r)]. The zero HeatmapColumn says that
// there was no sample.
type HeatmapColumn struct {
	Resolution int32 // -4 to 8
	First      int32
	Counts     []float32
	Zero       float32
	Total      float32
}

// Heatmap evaluates an expression that yields at most one native histogram a
// step over a range. Buckets of negative values are left out, with a warning.
// Errors are *Error.
func (e *Engine) Heatmap(ctx context.Context, req RangeRequest) (*Heatmap, error) {
	steps, err := req.Steps()
	if err != nil {
		return nil, err
	}
	res, err := e.Eval(ctx, req.request())
	if err != nil {
		return nil, err
	}
	defer res.Close()

	matrix, ok := res.Value.(promql.Matrix)
	if !ok {
		return nil, errorf(Internal, "a range query yielded a %s", res.Value.Type())
	}
	out := &Heatmap{Columns: make([]HeatmapColumn, steps), Warnings: warnings(res.Warnings, req.Expr)}
	if len(matrix) == 0 {
		return out, nil
	}
	if len(matrix) > 1 {
		return nil, errorf(BadExpr, "the expression yields %d series, a heatmap shows one; put sum( ) around it", len(matrix))
	}
	if len(matrix[0].Floats) > 0 {
		return nil, errorf(BadExpr, "the expression yields numbers, a heatmap needs native histograms")
	}

	start, step := req.Start.UnixMilli(), req.Step.Milliseconds()
	left, total := 0.0, 0
	for _, p := range matrix[0].Histograms {
		if histogram.IsCustomBucketsSchema(p.H.Schema) {
			return nil, errorf(BadExpr, "the expression yields histograms of custom buckets, a heatmap needs exponential ones")
		}
		column := newHeatmapColumn(p.H)
		if total += len(column.Counts); total > e.opts.MaxValues {
			return nil, errorf(TooLarge, "the answer has more than %d buckets; ask for a longer step", e.opts.MaxValues)
		}
		for _, n := range p.H.NegativeBuckets {
			left += n
		}
		out.Columns[(p.T-start)/step] = column
	}
	if left > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("%g negative values were left out", left))
	}
	return out, nil
}

// newHeatmapColumn lays the spans of h out as one run of buckets, without empty
// ones at its ends.
func newHeatmapColumn(h *histogram.FloatHistogram) HeatmapColumn {
	column := HeatmapColumn{Resolution: h.Schema, Zero: float32(h.ZeroCount), Total: float32(h.Count)}
	first, last, found := int32(0), int32(0), false
	for it := h.PositiveBucketIterator(); it.Next(); {
		b := it.At()
		if b.Count == 0 {
			continue
		}
		if !found {
			first, found = b.Index, true
		}
		last = b.Index
	}
	if !found {
		return column
	}
	column.First, column.Counts = first, make([]float32, last-first+1)
	for it := h.PositiveBucketIterator(); it.Next(); {
		if b := it.At(); b.Count != 0 {
			column.Counts[b.Index-first] = float32(b.Count)
		}
	}
	return column
}

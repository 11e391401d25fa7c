package query

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// RangeRequest is an expression at evenly spaced times.
type RangeRequest struct {
	Expr string
	// Start and End are inclusive; the last step is the last not after End.
	Start, End time.Time
	Step       time.Duration // at least 1 ms; at most MaxSteps a range
	Lookback   time.Duration // as in Request
	Hold       time.Duration // as in Request
}

// Steps is the number of steps of the range. Errors are *Error.
func (r RangeRequest) Steps() (int, error) {
	req := r.request()
	if r.Step <= 0 {
		return 0, errorf(BadRange, "the step must be at least a millisecond")
	}
	if err := req.check(); err != nil {
		return 0, err
	}
	steps := int(r.End.Sub(r.Start)/r.Step) + 1
	if steps > MaxSteps {
		return 0, errorf(BadRange, "the range has %d steps, at most %d are allowed; ask for a longer step", steps, MaxSteps)
	}
	return steps, nil
}

func (r RangeRequest) request() Request {
	return Request{Expr: r.Expr, Start: r.Start, End: r.End, Step: r.Step, Lookback: r.Lookback, Hold: r.Hold}
}

// Matrix is the answer to an expression over a range.
type Matrix struct {
	Steps    int
	Columns  []Column // in the order of their labels
	Warnings []string
}

// Column is one series over the steps of a range: as many values as steps, NaN
// where there is no sample.
type Column struct {
	Labels labels.Labels
	Values []float64
}

// Range evaluates an expression at evenly spaced times. Samples that are
// histograms are left out, with a warning. Errors are *Error.
func (e *Engine) Range(ctx context.Context, req RangeRequest) (*Matrix, error) {
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
	if n := len(matrix) * steps; n > e.opts.MaxValues {
		return nil, errorf(TooLarge, "the answer has %d values, at most %d are allowed; ask for fewer series or a longer step", n, e.opts.MaxValues)
	}
	out := &Matrix{
		Steps:    steps,
		Columns:  make([]Column, 0, len(matrix)),
		Warnings: warnings(res.Warnings, req.Expr),
	}
	start, step := req.Start.UnixMilli(), req.Step.Milliseconds()
	histograms := 0
	for _, s := range matrix {
		if len(s.Histograms) > 0 {
			histograms++
		}
		if len(s.Floats) == 0 {
			continue
		}
		column := Column{Labels: s.Metric, Values: make([]float64, steps)}
		next := 0
		for _, p := range s.Floats {
			at := int((p.T - start) / step)
			for ; next < at; next++ {
				column.Values[next] = math.NaN()
			}
			column.Values[at] = p.F
			next = at + 1
		}
		for ; next < steps; next++ {
			column.Values[next] = math.NaN()
		}
		out.Columns = append(out.Columns, column)
	}
	out.Warnings = appendHistogramsLeftOut(out.Warnings, histograms)
	return out, nil
}

package query

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/annotations"
)

// Vector is the answer to an expression at one time. It is immutable: callers
// may share it.
type Vector struct {
	Time     time.Time
	Series   []labels.Labels
	Values   []float64 // as many as Series
	Warnings []string
}

// InstantRequest is an expression at one time.
type InstantRequest struct {
	Expr     string
	Time     time.Time
	Lookback time.Duration // as in Request
	Hold     time.Duration // as in Request
	// Scope, when not empty, allows the answer to be shared: calls of one scope
	// with the same expression, time, lookback and hold within a few seconds get
	// the answer of the first. Choose it so that all its callers ask when the
	// same samples are stored.
	Scope string
}

// Instant evaluates an expression at one time. A scalar is a series without
// labels. Series are in the order that the expression gives them (sort, topk);
// those of a shared answer in the order of their labels. Samples that are
// histograms are left out, with a warning. Errors are *Error.
func (e *Engine) Instant(ctx context.Context, req InstantRequest) (*Vector, error) {
	if req.Scope == "" {
		return e.instant(ctx, req)
	}
	return e.shared.do(ctx, req, e.metrics.shared.Inc, func() (*Vector, error) {
		v, err := e.instant(ctx, req)
		if err == nil {
			v.sort()
		}
		return v, err
	})
}

func (e *Engine) instant(ctx context.Context, req InstantRequest) (*Vector, error) {
	res, err := e.Eval(ctx, Request{
		Expr:     req.Expr,
		Start:    req.Time,
		End:      req.Time,
		Lookback: req.Lookback,
		Hold:     req.Hold,
	})
	if err != nil {
		return nil, err
	}
	defer res.Close()

	out := &Vector{Time: req.Time, Warnings: warnings(res.Warnings, req.Expr)}
	switch v := res.Value.(type) {
	case promql.Scalar:
		out.Series, out.Values = []labels.Labels{labels.EmptyLabels()}, []float64{v.V}
	case promql.Vector:
		out.Series = make([]labels.Labels, 0, len(v))
		out.Values = make([]float64, 0, len(v))
		for _, s := range v {
			if s.H == nil {
				out.Series = append(out.Series, s.Metric)
				out.Values = append(out.Values, s.F)
			}
		}
		out.Warnings = appendHistogramsLeftOut(out.Warnings, len(v)-len(out.Values))
	default:
		return nil, errorf(BadExpr, "the expression yields a %s, a number or an instant vector is needed", res.Value.Type())
	}
	return out, nil
}

// sort orders the series by their labels.
func (v *Vector) sort() {
	if slices.IsSortedFunc(v.Series, labels.Compare) {
		return
	}
	order := make([]int, len(v.Series))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return labels.Compare(v.Series[a], v.Series[b]) })
	series, values := make([]labels.Labels, len(order)), make([]float64, len(order))
	for to, from := range order {
		series[to], values[to] = v.Series[from], v.Values[from]
	}
	v.Series, v.Values = series, values
}

// warnings are what people should know of an answer.
func warnings(a annotations.Annotations, expr string) []string {
	if len(a) == 0 {
		return nil
	}
	warned, _ := a.AsStrings(expr, shownErrors, 1)
	slices.Sort(warned)
	return warned
}

func appendHistogramsLeftOut(warnings []string, n int) []string {
	if n == 0 {
		return warnings
	}
	return append(warnings, fmt.Sprintf("%d series hold histograms, which are no numbers, and were left out; use histogram_quantile, histogram_avg or another function of histograms", n))
}

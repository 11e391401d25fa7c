package query

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/prometheus/prometheus/util/stats"
)

// Request is one expression at one time, or at evenly spaced times.
type Request struct {
	// PromQL of at most MaxExprBytes.
	Expr string
	// Start and End are inclusive; equal for an instant.
	Start, End time.Time
	// Step is at least a millisecond; 0 for an instant.
	Step time.Duration
	// Lookback is how long a sample stands for its series; 0: by the series' own
	// pace.
	Lookback time.Duration
	// Hold is how long the newest sample of a series stands for it at least,
	// when Lookback is 0.
	Hold time.Duration
	// StepStats asks for Stats by step.
	StepStats bool
}

// Result is an answer in the engine's own terms. It is valid until Close.
type Result struct {
	Value    parser.Value
	Warnings annotations.Annotations
	query    promql.Query
}

// Close gives the memory of the result back.
func (r *Result) Close() { r.query.Close() }

// Stats says what the query took.
func (r *Result) Stats() *stats.Statistics { return r.query.Stats() }

// Eval evaluates a request. The caller closes the result. Errors are *Error.
func (e *Engine) Eval(ctx context.Context, req Request) (*Result, error) {
	method := "instant"
	if req.Step > 0 {
		method = "range"
	}
	var res *Result
	err := e.run(ctx, method, req.Expr, func(ctx context.Context) (samples int64, err error) {
		res, err = e.eval(ctx, req)
		if err != nil {
			return 0, err
		}
		return res.Stats().Samples.TotalSamples, nil
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

func (e *Engine) eval(ctx context.Context, req Request) (*Result, error) {
	if err := req.check(); err != nil {
		return nil, err
	}
	if req.Lookback == 0 {
		req.Lookback = e.opts.Lookback
	}
	plan := e.plan(req)
	source := source{Queryable: plan.storage}
	lookback := req.Lookback
	if lookback == 0 {
		lookback = plan.lookback()
		source.pace = &pace{hold: req.Hold.Milliseconds(), longest: lookback.Milliseconds(), first: max(FirstHold, plan.window).Milliseconds()}
	}

	opts := promql.NewPrometheusQueryOpts(req.StepStats, lookback)
	var query promql.Query
	var err error
	if req.Step > 0 {
		query, err = e.promql.NewRangeQuery(ctx, source, opts, plan.expr, req.Start, req.End, req.Step)
	} else {
		query, err = e.promql.NewInstantQuery(ctx, source, opts, plan.expr, req.Start)
	}
	if err != nil {
		return nil, parseError(err)
	}
	res := query.Exec(ctx)
	if res.Err != nil {
		query.Close()
		return nil, evaluationError(res.Err)
	}
	if n := values(res.Value); n > e.opts.MaxValues {
		query.Close()
		return nil, errorf(TooLarge, "the answer has %d values, at most %d are allowed; ask for fewer series or a longer step", n, e.opts.MaxValues)
	}
	return &Result{Value: res.Value, Warnings: res.Warnings, query: query}, nil
}

func (r *Request) check() error {
	if err := checkExpr(r.Expr); err != nil {
		return err
	}
	if !representable(r.Start) || !representable(r.End) {
		return errorf(BadRange, "times must lie between the years 1678 and 2262")
	}
	if r.Lookback < 0 || r.Hold < 0 {
		return errorf(BadRange, "the lookback must not be negative")
	}
	if r.Step == 0 && !r.End.Equal(r.Start) {
		return errorf(BadRange, "the step must be at least a millisecond")
	}
	if r.Step == 0 {
		return nil
	}
	if r.Step < time.Millisecond {
		return errorf(BadRange, "the step must be at least a millisecond")
	}
	if r.End.Before(r.Start) {
		return errorf(BadRange, "the end must not be before the start")
	}
	if r.End.Sub(r.Start)/r.Step > MaxSteps {
		return errorf(BadRange, "the range has more than %d steps; ask for a longer step", MaxSteps)
	}
	return nil
}

func checkExpr(expr string) error {
	if len(expr) > MaxExprBytes {
		return errorf(BadExpr, "the expression has %d bytes, at most %d are allowed", len(expr), MaxExprBytes)
	}
	return nil
}

var (
	earliest = time.Unix(0, math.MinInt64)
	latest   = time.Unix(0, math.MaxInt64)
)

// representable is whether the engine, which counts nanoseconds in an int64,
// can tell the time.
func representable(t time.Time) bool {
	return !t.Before(earliest) && !t.After(latest)
}

// values counts the numbers of a value; a histogram counts each bucket.
func values(v parser.Value) (n int) {
	switch v := v.(type) {
	case promql.Matrix:
		for _, s := range v {
			n += len(s.Floats)
			for _, h := range s.Histograms {
				n += len(h.H.PositiveBuckets) + len(h.H.NegativeBuckets) + 1
			}
		}
	case promql.Vector:
		n = len(v)
		for _, s := range v {
			if s.H != nil {
				n += len(s.H.PositiveBuckets) + len(s.H.NegativeBuckets)
			}
		}
	default:
		n = 1
	}
	return n
}

// run is the frame of every query: its time, its turn, its count, its line in
// the log.
func (e *Engine) run(ctx context.Context, method, expr string, f func(context.Context) (samples int64, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	start := time.Now()

	var samples int64
	err := e.gate.enter(ctx)
	if err == nil {
		samples, err = func() (int64, error) {
			defer e.gate.leave()
			return f(ctx)
		}()
	}

	took := time.Since(start)
	outcome := "ok"
	if err != nil {
		outcome = kindOf(err).String()
	}
	e.metrics.queries.WithLabelValues(method, outcome).Inc()
	e.metrics.duration.WithLabelValues(method).Observe(took.Seconds())
	e.metrics.samples.Add(float64(samples))

	level := slog.LevelDebug
	switch {
	case outcome == Internal.String():
		level = slog.LevelError
	case took > slowQuery:
		level = slog.LevelWarn
	}
	if e.opts.Logger.Enabled(ctx, level) {
		attrs := []slog.Attr{
			slog.String("method", method),
			slog.String("expr", expr[:min(len(expr), loggedExpr)]),
			slog.Duration("duration", took),
			slog.Int64("samples", samples),
			slog.String("outcome", outcome),
		}
		if err != nil {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		e.opts.Logger.LogAttrs(ctx, level, "query", attrs...)
	}
	return err
}

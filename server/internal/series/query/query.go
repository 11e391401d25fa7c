// Package query evaluates PromQL over any [storage.Queryable].
//
// It promises that no query takes the server down: the samples a query may
// hold, its time, its steps, the length of its expression, the values of its
// answer, the queries that run at once and those that wait are bounded, each
// bound is counted, and each failure is an [*Error] whose [Kind] tells callers
// what to do. It does not promise fairness between callers, and it cannot
// interrupt a storage that ignores its context.
//
// # How long a sample stands for its series
//
// PromQL lets a sample stand for its series until the next one, for at most the
// lookback: 5 minutes in Prometheus, where a target that disappears gets a
// staleness marker. Agents push, so nobody writes a marker for one that falls
// silent, and with 5 minutes its line would go on for 5 minutes. A short
// lookback for everything would tear holes into series that are sampled slowly.
//
// So a query that names no lookback is evaluated by each series' own pace: a
// sample stands for twice the interval between the samples before it and a
// second more (one sample may be missed: 3 s at an interval of 1 s, 21 s at
// 10 s), and never longer than 5 minutes. A sample whose interval is not known,
// the first after a gap, stands for [FirstHold]. Behind the newest sample of a
// series a gap is not certain, as the next batch may be on its way; Hold says
// how long that sample stands at least. Series slower than a sample in
// 2.5 minutes need last_over_time, as in Prometheus.
//
// The pace concerns instant selectors (node_load1) only. A range selector
// (rate(x[10s])) sees the samples of its range, as ever. A query with a lookback
// is evaluated as Prometheus does.
//
// # Long ranges
//
// Over a store with [series.Tiers] a query reads the coarsest samples that give
// the same answer as those taken, as far as that can be told from its
// expression: rate, increase and resets of counters and of histograms, and
// avg_, min_, max_, sum_ and count_over_time of gauges, over ranges of a window
// or more; and metrics by themselves when a step is a window or more, where a
// gauge is then the mean of its last window. Where ranges do not begin and end
// with windows, they must be ten times as long, as those at both ends count
// whole or not at all. Everything else reads samples as taken; of times from
// which none are kept, every query reads what tiers have.
package query

import (
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"sonde.dev/sonde/server/internal/series"
)

const (
	// MaxExprBytes is the length of an expression or of a series selector.
	MaxExprBytes = 16 << 10
	// MaxExprs is the number of expressions of one request.
	MaxExprs = 64
	// MaxSteps is the number of steps of a range.
	MaxSteps = 11_000
	// MaxLookback bounds how long a sample can stand for its series when the
	// query names no lookback.
	MaxLookback = 5 * time.Minute
	// FirstHold is how long a sample stands for its series when nothing is known
	// of the series' pace.
	FirstHold = 15 * time.Second

	slowQuery   = time.Second
	loggedExpr  = 200
	shownErrors = 10
)

// Options bound an [Engine]. A zero field means its default.
type Options struct {
	// MaxSamples is how many samples one query may hold in memory; a histogram
	// counts as many as it weighs. Default 10 million (160 MB).
	MaxSamples int
	// MaxValues is how many values one answer may have, over all its series and
	// steps. Default 4 million (32 MB).
	MaxValues int
	// Timeout is for one query, waiting for its turn included. Default 30 s.
	Timeout time.Duration
	// MaxConcurrent is how many queries run at once. Default twice the
	// processors, 4 to 32.
	MaxConcurrent int
	// MaxWaiting is how many queries may wait for their turn. Default 512.
	MaxWaiting int
	// Lookback applies to every query that names none, in place of the series'
	// own pace. Default 0: the pace.
	Lookback time.Duration
	// Tiers are coarser forms of the samples, for long ranges. Default: none.
	Tiers series.Tiers
	// Logger gets one line a query: debug, or warn when it took over a second.
	// Default: nothing is logged.
	Logger *slog.Logger
	// Registerer gets the metrics sonde_query_… and the engine's
	// prometheus_engine_…. Default: they are not exposed.
	Registerer prometheus.Registerer
}

func (o Options) withDefaults() Options {
	if o.MaxSamples == 0 {
		o.MaxSamples = 10_000_000
	}
	if o.MaxValues == 0 {
		o.MaxValues = 4_000_000
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxConcurrent == 0 {
		o.MaxConcurrent = min(max(2*runtime.GOMAXPROCS(0), 4), 32)
	}
	if o.MaxWaiting == 0 {
		o.MaxWaiting = 512
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Engine evaluates queries over one storage. It is safe for concurrent use and
// needs no Close.
type Engine struct {
	opts    Options
	storage storage.Queryable
	all     storage.Queryable // storage, and what only tiers have
	parser  parser.Parser
	promql  *promql.Engine
	gate    gate
	metrics *metrics
	shared  sharing
}

// New returns an engine over q. Errors of q are taken as failures of the
// storage; those that wrap [ErrUnavailable] as such that pass.
func New(q storage.Queryable, opts Options) (*Engine, error) {
	opts = opts.withDefaults()
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"samples", int64(opts.MaxSamples)},
		{"values", int64(opts.MaxValues)},
		{"timeout", int64(opts.Timeout)},
		{"concurrent queries", int64(opts.MaxConcurrent)},
		{"waiting queries", int64(opts.MaxWaiting)},
	} {
		if limit.value < 0 {
			return nil, fmt.Errorf("query engine: the limit of %s is negative", limit.name)
		}
	}
	p := parser.NewParser(parser.Options{})
	e := &Engine{
		opts:    opts,
		storage: q,
		all:     q,
		parser:  p,
		metrics: newMetrics(),
		gate:    newGate(opts.MaxConcurrent, opts.MaxWaiting),
	}
	if opts.Tiers != nil {
		e.all = opts.Tiers.At(0)
	}
	e.shared.init()
	if err := e.metrics.register(opts.Registerer, &e.gate); err != nil {
		return nil, fmt.Errorf("query engine: %w", err)
	}
	e.promql = promql.NewEngine(promql.EngineOpts{
		Logger:               opts.Logger,
		Reg:                  opts.Registerer,
		MaxSamples:           opts.MaxSamples,
		Timeout:              opts.Timeout,
		LookbackDelta:        MaxLookback,
		EnableAtModifier:     true,
		EnableNegativeOffset: true,
		EnablePerStepStats:   true,
		NoStepSubqueryIntervalFn: func(int64) int64 {
			return time.Second.Milliseconds()
		},
		Parser: p,
	})
	return e, nil
}

// MaxValues is how many values one answer may have.
func (e *Engine) MaxValues() int { return e.opts.MaxValues }

// Format returns an expression laid out for people. Errors are *Error.
func (e *Engine) Format(expr string) (string, error) {
	if err := checkExpr(expr); err != nil {
		return "", err
	}
	parsed, err := e.parser.ParseExpr(expr)
	if err != nil {
		return "", parseError(err)
	}
	return parsed.Pretty(0), nil
}

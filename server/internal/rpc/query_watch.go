package rpc

import (
	"context"
	"fmt"
	"slices"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/timestamppb"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/series/query"
)

const (
	minWatchStep = 100 * time.Millisecond
	maxWatchStep = 7 * 24 * time.Hour
	maxWatches   = 4096
)

// Watch implements QueryService.
func (q *Queries) Watch(ctx context.Context, req *sondev1.WatchRequest, stream *connect.ServerStream[sondev1.WatchResponse]) error {
	return q.watch(ctx, req, stream.Send)
}

// watch sends the steps of one watch until ctx ends, send fails or the server
// stops. send does not keep the message.
func (q *Queries) watch(ctx context.Context, req *sondev1.WatchRequest, send func(*sondev1.WatchResponse) error) error {
	if err := checkExprs(req.Exprs); err != nil {
		return err
	}
	for i, expr := range req.Exprs {
		if len(expr) > query.MaxExprBytes {
			return fleet.Errorf(fleet.Invalid, "expression %d has %d bytes, at most %d are allowed", i+1, len(expr), query.MaxExprBytes)
		}
	}
	if req.StepMs < minWatchStep.Milliseconds() || req.StepMs > maxWatchStep.Milliseconds() {
		return fleet.Errorf(fleet.Invalid, "step_ms is %d, it must be %d to %d", req.StepMs, minWatchStep.Milliseconds(), maxWatchStep.Milliseconds())
	}
	if !q.watches.enter() {
		return fleet.Errorf(fleet.Limit, "%d watches are open already, try again later", maxWatches)
	}
	defer q.watches.leave()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(q.stopping, cancel)()

	w := newWatch(q.engine, req)
	clock := &stepClock{progress: q.progress, agent: req.FollowAgent, step: req.StepMs}
	step := time.Duration(req.StepMs) * time.Millisecond
	for {
		at, skipped, err := clock.wait(ctx)
		if err != nil {
			return q.watchEnd(err)
		}
		res, err := w.evaluate(ctx, at)
		if err != nil {
			return q.watchEnd(err)
		}
		began := time.Now()
		if err := send(res); err != nil {
			return q.watchEnd(err)
		}
		if time.Since(began) >= step {
			// The reader is slow: what it has missed is not sent late.
			skipped += clock.catchUp()
		}
		q.watches.sent(skipped)
	}
}

// watchEnd is the error a watch ends with.
func (q *Queries) watchEnd(err error) error {
	if q.stopping.Err() != nil {
		return fleet.Errorf(fleet.Unavailable, "the server is stopping")
	}
	return err
}

// watch is the state of one watch: what its reader has been told.
type watch struct {
	engine *query.Engine
	exprs  []string
	hold   time.Duration
	scope  string

	vectors []*query.Vector // of the step
	errs    []error
	known   [][]labels.Labels // series that the reader knows, by expression
	told    []bool            // whether it knows them
	res     sondev1.WatchResponse
}

func newWatch(engine *query.Engine, req *sondev1.WatchRequest) *watch {
	n := len(req.Exprs)
	w := &watch{
		engine:  engine,
		exprs:   req.Exprs,
		scope:   "agent " + req.FollowAgent,
		vectors: make([]*query.Vector, n),
		errs:    make([]error, n),
		known:   make([][]labels.Labels, n),
		told:    make([]bool, n),
	}
	if req.FollowAgent == "" {
		w.scope, w.hold = "clock", liveHold
	}
	w.res.Results = make([]*sondev1.WatchResult, n)
	for i := range w.res.Results {
		w.res.Results[i] = &sondev1.WatchResult{}
	}
	w.res.ServerTime = &timestamppb.Timestamp{}
	return w
}

// evaluate returns the message of a step, valid until the next call. An
// expression that fails is part of it; an error means that ctx ended.
func (w *watch) evaluate(ctx context.Context, step int64) (*sondev1.WatchResponse, error) {
	var group errgroup.Group
	group.SetLimit(exprsAtOnce)
	for i, expr := range w.exprs {
		group.Go(func() error {
			w.vectors[i], w.errs[i] = w.engine.Instant(ctx, query.InstantRequest{
				Expr: expr, Time: time.UnixMilli(step), Hold: w.hold, Scope: w.scope,
			})
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i := range w.exprs {
		w.fill(i)
	}
	now := time.Now()
	w.res.TimeMs = step
	w.res.ServerTime.Seconds, w.res.ServerTime.Nanos = now.Unix(), int32(now.Nanosecond())
	return &w.res, nil
}

// fill sets the result of expression i.
func (w *watch) fill(i int) {
	res := w.res.Results[i]
	res.Series, res.SeriesChanged, res.Values, res.Error = nil, false, nil, ""
	if err := w.errs[i]; err != nil {
		res.Error = exprError(err)
		w.known[i], w.told[i] = nil, false
		return
	}
	vector := w.vectors[i]
	res.Values = vector.Values
	if !w.told[i] || !slices.EqualFunc(w.known[i], vector.Series, labels.Equal) {
		res.Series, res.SeriesChanged = seriesLabels(vector.Series), true
		w.told[i] = true
	}
	w.known[i] = vector.Series
}

// watchMetrics count watches and bound them.
type watchMetrics struct {
	places  chan struct{}
	steps   prometheus.Counter
	skipped prometheus.Counter
	refused prometheus.Counter
}

func newWatchMetrics(r prometheus.Registerer) (*watchMetrics, error) {
	m := &watchMetrics{
		places: make(chan struct{}, maxWatches),
		steps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sonde_watch_steps_total", Help: "Steps sent to watches.",
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sonde_watch_steps_skipped_total", Help: "Steps that watches missed because reader or server were too slow.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sonde_watch_refused_total", Help: "Watches that were refused because too many were open.",
		}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.steps, m.skipped, m.refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sonde_watch_open", Help: "Watches that are open.",
		}, func() float64 { return float64(len(m.places)) }),
	} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

func (m *watchMetrics) enter() bool {
	select {
	case m.places <- struct{}{}:
		return true
	default:
		m.refused.Inc()
		return false
	}
}

func (m *watchMetrics) leave() { <-m.places }

func (m *watchMetrics) sent(skipped int64) {
	m.steps.Inc()
	m.skipped.Add(float64(skipped))
}

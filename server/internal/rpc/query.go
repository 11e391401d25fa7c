package rpc

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/errgroup"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/series/query"
)

const (
	// exprsAtOnce is how many expressions of one request are evaluated at the
	// same time, so that one page does not take all turns of the engine.
	exprsAtOnce = 4
	// liveHold is for answers about now that follow no agent: the newest sample
	// of an agent that submits every ten seconds may be that old.
	liveHold = 15 * time.Second

	defaultListed = 1_000
	maxListed     = 10_000
)

// Queries serves QueryService. Its methods are safe for concurrent use; Close
// ends the watches.
type Queries struct {
	engine   *query.Engine
	progress Progress
	watches  *watchMetrics

	stopping context.Context
	stop     context.CancelFunc
}

var _ sondev1connect.QueryServiceHandler = (*Queries)(nil)

// NewQueries returns the handler of QueryService. Its metrics go to r, which
// may be nil.
func NewQueries(engine *query.Engine, progress Progress, r prometheus.Registerer) (*Queries, error) {
	watches, err := newWatchMetrics(r)
	if err != nil {
		return nil, fmt.Errorf("query service: %w", err)
	}
	stopping, stop := context.WithCancel(context.Background())
	return &Queries{engine: engine, progress: progress, watches: watches, stopping: stopping, stop: stop}, nil
}

// Close ends every watch with UNAVAILABLE, those to come too. It does not wait
// for them: the HTTP server does.
func (q *Queries) Close() { q.stop() }

// Query implements QueryService.
func (q *Queries) Query(ctx context.Context, req *sondev1.QueryRequest) (*sondev1.QueryResponse, error) {
	at := time.Now()
	if req.TimeMs != 0 {
		at = time.UnixMilli(req.TimeMs)
	}
	vector, err := q.engine.Instant(ctx, query.InstantRequest{Expr: req.Expr, Time: at, Hold: liveHold})
	if err != nil {
		return nil, err
	}
	return &sondev1.QueryResponse{
		TimeMs:   at.UnixMilli(),
		Series:   seriesLabels(vector.Series),
		Values:   vector.Values,
		Warnings: vector.Warnings,
	}, nil
}

// QueryRange implements QueryService.
func (q *Queries) QueryRange(ctx context.Context, req *sondev1.QueryRangeRequest) (*sondev1.QueryRangeResponse, error) {
	if err := checkExprs(req.Exprs); err != nil {
		return nil, err
	}
	of := rangeOf(req.StartMs, req.EndMs, req.StepMs)
	steps, err := of.Steps()
	if err != nil {
		return nil, err
	}
	results := make([]*sondev1.Matrix, len(req.Exprs))
	var values atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(exprsAtOnce)
	for i, expr := range req.Exprs {
		group.Go(func() error {
			of := of
			of.Expr = expr
			m, err := q.engine.Range(ctx, of)
			if err != nil {
				return atExpr(err, i, len(req.Exprs))
			}
			if n := values.Add(int64(len(m.Columns) * m.Steps)); n > int64(q.engine.MaxValues()) {
				return fleet.Errorf(fleet.Limit,
					"the answers have more than %d values together; ask for fewer series or a longer step", q.engine.MaxValues())
			}
			results[i] = matrix(m)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return &sondev1.QueryRangeResponse{
		StartMs: req.StartMs,
		StepMs:  req.StepMs,
		Steps:   int32(steps),
		Results: results,
	}, nil
}

// QueryHeatmap implements QueryService.
func (q *Queries) QueryHeatmap(ctx context.Context, req *sondev1.QueryHeatmapRequest) (*sondev1.QueryHeatmapResponse, error) {
	of := rangeOf(req.StartMs, req.EndMs, req.StepMs)
	of.Expr = req.Expr
	heatmap, err := q.engine.Heatmap(ctx, of)
	if err != nil {
		return nil, err
	}
	cells := make([]sondev1.HeatmapColumn, len(heatmap.Columns))
	columns := make([]*sondev1.HeatmapColumn, len(heatmap.Columns))
	for i, c := range heatmap.Columns {
		columns[i] = &cells[i]
		columns[i].Resolution = c.Resolution
		columns[i].FirstBucket = c.First
		columns[i].Counts = c.Counts
		columns[i].ZeroCount = c.Zero
		columns[i].TotalCount = c.Total
	}
	return &sondev1.QueryHeatmapResponse{
		StartMs:  req.StartMs,
		StepMs:   req.StepMs,
		Columns:  columns,
		Warnings: heatmap.Warnings,
	}, nil
}

// ListSeries implements QueryService.
func (q *Queries) ListSeries(ctx context.Context, req *sondev1.ListSeriesRequest) (*sondev1.ListSeriesResponse, error) {
	of, err := lookupOf(req.Selectors, req.StartMs, req.EndMs, req.Limit)
	if err != nil {
		return nil, err
	}
	found, err := q.engine.Series(ctx, of)
	if err != nil {
		return nil, err
	}
	return &sondev1.ListSeriesResponse{Series: seriesLabels(found.Items), Truncated: found.Truncated}, nil
}

// ListLabelValues implements QueryService.
func (q *Queries) ListLabelValues(ctx context.Context, req *sondev1.ListLabelValuesRequest) (*sondev1.ListLabelValuesResponse, error) {
	of, err := lookupOf(req.Selectors, req.StartMs, req.EndMs, req.Limit)
	if err != nil {
		return nil, err
	}
	found, err := q.engine.LabelValues(ctx, req.Label, of)
	if err != nil {
		return nil, err
	}
	return &sondev1.ListLabelValuesResponse{Values: found.Items, Truncated: found.Truncated}, nil
}

func rangeOf(startMS, endMS, stepMS int64) query.RangeRequest {
	return query.RangeRequest{
		Start: time.UnixMilli(startMS),
		End:   time.UnixMilli(endMS),
		// Beyond what a Duration holds it is one step either way.
		Step: time.Duration(min(stepMS, int64(time.Duration(1<<63-1)/time.Millisecond))) * time.Millisecond,
	}
}

func lookupOf(selectors []string, startMS, endMS int64, limit int32) (query.LookupRequest, error) {
	if limit < 0 || limit > maxListed {
		return query.LookupRequest{}, fleet.Errorf(fleet.Invalid, "limit is %d, it must be 0 to %d", limit, maxListed)
	}
	if limit == 0 {
		limit = defaultListed
	}
	of := query.LookupRequest{Selectors: selectors, Limit: int(limit)}
	if startMS != 0 || endMS != 0 {
		of.Start, of.End = time.UnixMilli(startMS), time.UnixMilli(endMS)
	}
	return of, nil
}

func checkExprs(exprs []string) error {
	if n := len(exprs); n < 1 || n > query.MaxExprs {
		return fleet.Errorf(fleet.Invalid, "%d expressions are given, it must be 1 to %d", n, query.MaxExprs)
	}
	return nil
}

func seriesLabels(series []labels.Labels) []*sondev1.SeriesLabels {
	out := make([]*sondev1.SeriesLabels, len(series))
	for i, s := range series {
		out[i] = &sondev1.SeriesLabels{Labels: s.Map()}
	}
	return out
}

func matrix(m *query.Matrix) *sondev1.Matrix {
	out := &sondev1.Matrix{Series: make([]*sondev1.Column, len(m.Columns)), Warnings: m.Warnings}
	for i, c := range m.Columns {
		out.Series[i] = &sondev1.Column{
			Labels: &sondev1.SeriesLabels{Labels: c.Labels.Map()},
			Values: c.Values,
		}
	}
	return out
}

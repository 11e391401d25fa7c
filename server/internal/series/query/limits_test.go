package query_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"sonde.dev/sonde/server/internal/series/query"
)

func kind(err error) query.Kind {
	var e *query.Error
	if !errors.As(err, &e) {
		panic(fmt.Sprintf("%v (%T) is not a *query.Error", err, err))
	}
	return e.Kind
}

func TestBadRequests(t *testing.T) {
	s := newStore(t)
	for i := range 20 {
		s.floats(labels.FromStrings("__name__", "m", "cpu", fmt.Sprint(i), "side", "left"), seconds(0, 20, 1)...)
		s.floats(labels.FromStrings("__name__", "m", "cpu", fmt.Sprint(i), "side", "right"), seconds(0, 20, 1)...)
	}
	e := newEngine(t, s, query.Options{MaxSamples: 500, MaxValues: 300})
	second := query.RangeRequest{Start: at(0), End: at(20), Step: time.Second}
	with := func(expr string, change func(*query.RangeRequest)) query.RangeRequest {
		r := second
		r.Expr = expr
		if change != nil {
			change(&r)
		}
		return r
	}

	tests := []struct {
		name string
		req  query.RangeRequest
		kind query.Kind
		text string
	}{
		{"syntax", with("sum(m", nil), query.BadExpr, "1:6: parse error: unclosed left parenthesis"},
		{"empty", with("", nil), query.BadExpr, "no expression found in input"},
		{"type", with("m[5s]", nil), query.BadExpr, "invalid expression type"},
		{"length", with("m"+strings.Repeat(" ", query.MaxExprBytes), nil), query.BadExpr, "16385 bytes"},
		{"match", with(`m{cpu="1"} * on(cpu) m{cpu="1"}`, nil), query.Evaluation, "many-to-many matching not allowed"},
		{"samples", with("sum(rate(m[20s]))", nil), query.TooManySamples, "too many samples"},
		{"values", with(`m{cpu=~"1.|2"}`, nil), query.TooLarge, "at most 300"},
		{"steps", with("1", func(r *query.RangeRequest) { r.End = at(11_000) }), query.BadRange, "11001 steps"},
		{"many more steps", with("1", func(r *query.RangeRequest) { r.End = at(11_001) }), query.BadRange, "more than 11000 steps"},
		{"no step", with("1", func(r *query.RangeRequest) { r.Step = 0 }), query.BadRange, "at least a millisecond"},
		{"tiny step", with("1", func(r *query.RangeRequest) { r.Step = 1 }), query.BadRange, "at least a millisecond"},
		{"end before start", with("1", func(r *query.RangeRequest) { r.End = at(-1) }), query.BadRange, "before the start"},
		{"year 3000", with("1", func(r *query.RangeRequest) { r.End = time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC) }), query.BadRange, "2262"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := e.Range(t.Context(), tt.req)
			if err == nil || kind(err) != tt.kind || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %v with %q", err, tt.kind, tt.text)
			}
		})
	}

	t.Run("position", func(t *testing.T) {
		var got *query.Error
		if err := instant(e, t.Context(), "m + nope(m)", at(1)); !errors.As(err, &got) || got.Start != 4 || got.End != 8 {
			t.Errorf("got %+v, want the position of nope", got)
		}
	})
	t.Run("string", func(t *testing.T) {
		if err := instant(e, t.Context(), `"text"`, at(1)); kind(err) != query.BadExpr {
			t.Errorf("got %v, want a bad expression", err)
		}
	})
}

func TestNegativeLimits(t *testing.T) {
	if _, err := query.New(newStore(t), query.Options{MaxSamples: -1}); err == nil {
		t.Error("a negative limit was accepted")
	}
}

// slow is a storage that answers when its release is closed.
type slow struct {
	storage.Queryable
	release chan struct{}
}

func (s slow) Querier(mint, maxt int64) (storage.Querier, error) {
	return slowQuerier{storage.NoopQuerier(), s.release}, nil
}

type slowQuerier struct {
	storage.Querier
	release chan struct{}
}

func (q slowQuerier) Select(ctx context.Context, _ bool, _ *storage.SelectHints, _ ...*labels.Matcher) storage.SeriesSet {
	select {
	case <-q.release:
		return storage.EmptySeriesSet()
	case <-ctx.Done():
		return storage.ErrSeriesSet(ctx.Err())
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, slow{}, query.Options{Timeout: 5 * time.Second})
		start := time.Now()
		if err := instant(e, t.Context(), "m", at(0)); kind(err) != query.Timeout {
			t.Errorf("got %v, want a timeout", err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %v, want 5 s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := instant(e, ctx, "m", at(0)); kind(err) != query.Canceled {
			t.Errorf("got %v, want canceled", err)
		}
	})
}

func TestConcurrencyAndWaitingAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		registry := prometheus.NewPedanticRegistry()
		e := newEngine(t, slow{release: release}, query.Options{
			MaxConcurrent: 2, MaxWaiting: 3, Timeout: time.Minute, Registerer: registry,
		})
		results := make(chan error, 5)
		for range 5 {
			go func() { results <- instant(e, t.Context(), "m", at(0)) }()
		}
		synctest.Wait()
		gauges := `
# HELP sonde_query_running Queries that run now.
# TYPE sonde_query_running gauge
sonde_query_running 2
# HELP sonde_query_waiting Queries that wait for their turn now.
# TYPE sonde_query_waiting gauge
sonde_query_waiting 3
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(gauges), "sonde_query_running", "sonde_query_waiting"); err != nil {
			t.Error(err)
		}
		if err := instant(e, t.Context(), "m", at(0)); kind(err) != query.Busy {
			t.Errorf("sixth query: got %v, want busy", err)
		}
		close(release)
		for range 5 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		outcomes := `
# HELP sonde_query_queries_total Queries by method and outcome; the outcome is ok or the kind of the error.
# TYPE sonde_query_queries_total counter
sonde_query_queries_total{method="instant",outcome="busy"} 1
sonde_query_queries_total{method="instant",outcome="ok"} 5
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(outcomes), "sonde_query_queries_total"); err != nil {
			t.Error(err)
		}
	})
}

func TestWaitingTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e := newEngine(t, slow{release: release}, query.Options{MaxConcurrent: 1, Timeout: time.Minute})
		done := make(chan error)
		go func() { done <- instant(e, t.Context(), "m", at(0)) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := instant(e, ctx, "m", at(0)); kind(err) != query.Timeout {
			t.Errorf("got %v, want a timeout", err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// broken is a storage that fails, when opened or when read.
type broken struct{ opening, reading error }

func (b broken) Querier(int64, int64) (storage.Querier, error) {
	return brokenQuerier{storage.NoopQuerier(), b.reading}, b.opening
}

type brokenQuerier struct {
	storage.Querier
	err error
}

func (q brokenQuerier) Select(context.Context, bool, *storage.SelectHints, ...*labels.Matcher) storage.SeriesSet {
	return storage.ErrSeriesSet(q.err)
}

func TestStorageFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		storage broken
		want    query.Kind
	}{
		"opening":     {broken{opening: errors.New("disk on fire")}, query.Internal},
		"reading":     {broken{reading: errors.New("disk on fire")}, query.Internal},
		"closed":      {broken{opening: tsdb.ErrClosed}, query.Unavailable},
		"unavailable": {broken{reading: fmt.Errorf("far store: %w", query.ErrUnavailable)}, query.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, tt.storage, query.Options{})
			if err := instant(e, t.Context(), "m", at(0)); kind(err) != tt.want {
				t.Errorf("got %v (%v), want %v", err, kind(err), tt.want)
			}
			if _, err := e.Series(t.Context(), query.LookupRequest{Selectors: []string{"m"}}); kind(err) != tt.want {
				t.Errorf("series: got %v (%v), want %v", err, kind(err), tt.want)
			}
		})
	}
}

func TestQueryLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		release := make(chan struct{})
		e := newEngine(t, slow{release: release}, query.Options{
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		time.AfterFunc(2*time.Second, func() { close(release) })
		expr := "m" + strings.Repeat(" ", 300)
		for range 2 { // slow, then quick and below the level
			if err := instant(e, t.Context(), expr, at(0)); err != nil {
				t.Fatal(err)
			}
		}
		line := log.String()
		for _, want := range []string{"level=WARN", "method=instant", "duration=2s", "outcome=ok", "samples=0"} {
			if !strings.Contains(line, want) {
				t.Errorf("no %s in %q", want, line)
			}
		}
		if strings.Count(line, "\n") != 1 || len(line) > 400 {
			t.Errorf("want one line with the expression cut, got %q", line)
		}
	})
}

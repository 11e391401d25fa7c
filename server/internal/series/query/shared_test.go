package query_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"sonde.dev/sonde/server/internal/series/query"
)

// counted counts the evaluations that reach the storage, each of which takes a
// second.
type counted struct{ n *atomic.Int64 }

func (c counted) Querier(int64, int64) (storage.Querier, error) {
	return countedQuerier{storage.NoopQuerier(), c.n}, nil
}

type countedQuerier struct {
	storage.Querier
	n *atomic.Int64
}

func (q countedQuerier) Select(ctx context.Context, _ bool, _ *storage.SelectHints, _ ...*labels.Matcher) storage.SeriesSet {
	q.n.Add(1)
	select {
	case <-time.After(time.Second):
		return storage.EmptySeriesSet()
	case <-ctx.Done():
		return storage.ErrSeriesSet(ctx.Err())
	}
}

func TestSharing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		e := newEngine(t, counted{&n}, query.Options{MaxConcurrent: 100})
		ask := func(ctx context.Context, expr, scope string) chan error {
			done := make(chan error, 1)
			go func() {
				_, err := e.Instant(ctx, query.InstantRequest{Expr: expr, Time: at(0), Scope: scope})
				done <- err
			}()
			synctest.Wait()
			return done
		}
		check := func(what string, want int64, asked ...chan error) {
			t.Helper()
			for _, done := range asked {
				if err := <-done; err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			if got := n.Swap(0); got != want {
				t.Errorf("%s: evaluated %d times, want %d", what, got, want)
			}
		}

		ctx := t.Context()
		check("at the same time", 1, ask(ctx, "m", "a"), ask(ctx, "m", "a"), ask(ctx, "m", "a"))
		check("a little later", 0, ask(ctx, "m", "a"))
		check("another scope, another expression, no scope", 4,
			ask(ctx, "m", "b"), ask(ctx, "m2", "a"), ask(ctx, "m", ""), ask(ctx, "m", ""))
		time.Sleep(6 * time.Second)
		check("much later", 1, ask(ctx, "m", "a"))

		leaving, leave := context.WithCancel(ctx)
		first := ask(leaving, "m3", "a")
		second := ask(ctx, "m3", "a")
		third := ask(ctx, "m3", "a")
		leave()
		if err := <-first; kind(err) != query.Canceled {
			t.Errorf("the one who left got %v", err)
		}
		check("the one who evaluates leaves", 2, second, third)

		following, leave := context.WithCancel(ctx)
		first = ask(ctx, "m4", "a")
		second = ask(following, "m4", "a")
		leave()
		if err := <-second; kind(err) != query.Canceled {
			t.Errorf("the one who left got %v", err)
		}
		check("one who waits leaves", 1, first)
	})
}

func TestSharedAnswersAreBounded(t *testing.T) {
	e := newEngine(t, storage.QueryableFunc(func(int64, int64) (storage.Querier, error) {
		return storage.NoopQuerier(), nil
	}), query.Options{})
	for i := range 10_000 {
		if _, err := e.Instant(t.Context(), query.InstantRequest{Expr: fmt.Sprint(i), Time: at(0), Scope: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := e.SharedAnswers(); n > 4096 {
		t.Errorf("%d answers are kept, want at most 4096", n)
	}
}

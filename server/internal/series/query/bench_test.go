package query_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"sonde.dev/sonde/server/internal/series/query"
)

// hour is an hour of samples at each second: 60 series of numbers, 2 of
// histograms.
func hour(b *testing.B) *query.Engine {
	s := newStore(b)
	for i := range 60 {
		s.floats(labels.FromStrings("__name__", "m", "cpu", fmt.Sprint(i), "group", fmt.Sprint(i/20)), seconds(0, 3600, 1)...)
	}
	for i := range 2 {
		s.latency(labels.FromStrings("__name__", "h", "target", fmt.Sprint(i)), 3600)
	}
	return newEngine(b, s, query.Options{})
}

func BenchmarkInstant20Series(b *testing.B) {
	e := hour(b)
	for name, req := range map[string]query.InstantRequest{
		"pace":     {Expr: `m{group="1"}`},
		"lookback": {Expr: `m{group="1"}`, Lookback: query.MaxLookback},
		"rate":     {Expr: `rate(m{group="1"}[10s])`},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			req.Time = at(3600)
			for b.Loop() {
				if v, err := e.Instant(context.Background(), req); err != nil || len(v.Values) != 20 {
					b.Fatal(v, err)
				}
			}
		})
	}
	b.Run("shared", func(b *testing.B) {
		b.ReportAllocs()
		req := query.InstantRequest{Expr: `m{group="1"}`, Time: at(3600), Scope: "a"}
		for b.Loop() {
			if v, err := e.Instant(context.Background(), req); err != nil || len(v.Values) != 20 {
				b.Fatal(v, err)
			}
		}
	})
}

func BenchmarkRange1hOf60Series(b *testing.B) {
	e := hour(b)
	for name, req := range map[string]query.RangeRequest{
		"pace":     {Expr: "m"},
		"lookback": {Expr: "m", Lookback: query.MaxLookback},
		"rate":     {Expr: "rate(m[10s])"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			req.Start, req.End, req.Step = at(10), at(3600), time.Second
			for b.Loop() {
				if m, err := e.Range(context.Background(), req); err != nil || len(m.Columns) != 60 {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHeatmap600Steps(b *testing.B) {
	e := hour(b)
	b.ReportAllocs()
	for b.Loop() {
		h, err := e.Heatmap(context.Background(), query.RangeRequest{
			Expr: "sum(increase(h[6s]))", Start: at(6), End: at(3600), Step: 6 * time.Second,
		})
		if err != nil || len(h.Columns) != 600 {
			b.Fatal(err)
		}
	}
}

package query_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/labels"

	"sonde.dev/sonde/server/internal/series/query"
)

func TestInstant(t *testing.T) {
	s := newStore(t)
	s.floats(labels.FromStrings("__name__", "m", "cpu", "1"), seconds(0, 10, 1)...)
	s.floats(labels.FromStrings("__name__", "m", "cpu", "0"), seconds(0, 9, 1)...)
	s.latency(labels.FromStrings("__name__", "h"), 10)
	e := newEngine(t, s, query.Options{})

	tests := []struct {
		name, expr string
		scope      string
		want       query.Vector
	}{
		{"scalar", "1 + 2", "", query.Vector{Series: []labels.Labels{{}}, Values: []float64{3}}},
		{"order of the expression", "sort_desc(m)", "", query.Vector{
			Series: []labels.Labels{labels.FromStrings("__name__", "m", "cpu", "1"), labels.FromStrings("__name__", "m", "cpu", "0")},
			Values: []float64{10, 9},
		}},
		{"order of the labels when shared", "sort_desc(m)", "all", query.Vector{
			Series: []labels.Labels{labels.FromStrings("__name__", "m", "cpu", "0"), labels.FromStrings("__name__", "m", "cpu", "1")},
			Values: []float64{9, 10},
		}},
		{"nothing", "absent_metric", "", query.Vector{}},
		{"quantile of a histogram", "histogram_count(increase(h[5s]))", "", query.Vector{
			Series: []labels.Labels{{}}, Values: []float64{15},
		}},
		{"histogram left out", "h", "", query.Vector{
			Warnings: []string{"1 series hold histograms, which are no numbers, and were left out; use histogram_quantile, histogram_avg or another function of histograms"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := e.Instant(t.Context(), query.InstantRequest{Expr: tt.expr, Time: at(10), Scope: tt.scope})
			if err != nil {
				t.Fatal(err)
			}
			got.Time = time.Time{}
			if diff := cmp.Diff(&tt.want, got, cmpopts.EquateEmpty(), cmp.Comparer(labels.Equal)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestRange(t *testing.T) {
	s := newStore(t)
	series := labels.FromStrings("__name__", "m")
	s.floats(series, 1, 2, 3, 4, 10, 11, 12)
	e := newEngine(t, s, query.Options{})

	got, err := e.Range(t.Context(), query.RangeRequest{Expr: "m", Start: at(0), End: at(12.5), Step: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	none := math.NaN()
	want := &query.Matrix{Steps: 13, Columns: []query.Column{{
		Labels: series,
		Values: []float64{none, 1, 2, 3, 4, 4, 4, none, none, none, 10, 11, 12},
	}}}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs(), cmpopts.EquateEmpty(), cmp.Comparer(labels.Equal)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestHeatmap(t *testing.T) {
	s := newStore(t)
	s.latency(labels.FromStrings("__name__", "h", "target", "a"), 10)
	s.latency(labels.FromStrings("__name__", "h", "target", "b"), 10)
	s.floats(labels.FromStrings("__name__", "m"), seconds(0, 10, 1)...)
	e := newEngine(t, s, query.Options{})

	ask := func(expr string) (*query.Heatmap, error) {
		return e.Heatmap(t.Context(), query.RangeRequest{Expr: expr, Start: at(5), End: at(25), Step: 5 * time.Second})
	}
	got, err := ask("sum(increase(h[5s]))")
	if err != nil {
		t.Fatal(err)
	}
	// Two series, each with 1 and 2 values a second in buckets 2 and 5.
	full := query.HeatmapColumn{Resolution: 4, First: 2, Counts: []float32{10, 0, 0, 20}, Total: 30}
	want := &query.Heatmap{Columns: []query.HeatmapColumn{full, full, {}, {}, {}}}
	near := cmpopts.EquateApprox(1e-6, 0)
	if diff := cmp.Diff(want, got, near, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	for expr, want := range map[string]string{
		"increase(h[5s])": "2 series",
		"m":               "needs native histograms",
	} {
		_, err := ask(expr)
		if kind(err) != query.BadExpr || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want a bad expression with %q", expr, err, want)
		}
	}
}

func TestLookup(t *testing.T) {
	s := newStore(t)
	for _, name := range []string{"a", "b", "c"} {
		s.floats(labels.FromStrings("__name__", name, "device", "sd"+name), 1)
	}
	e := newEngine(t, s, query.Options{})
	ctx := t.Context()

	series, err := e.Series(ctx, query.LookupRequest{Selectors: []string{"a", `{device=~"sd[ab]"}`}})
	if err != nil {
		t.Fatal(err)
	}
	if len(series.Items) != 2 || series.Truncated {
		t.Errorf("series: got %v, want the union, a and b", series)
	}
	if cut, err := e.Series(ctx, query.LookupRequest{Selectors: []string{`{device!=""}`}, Limit: 2}); err != nil || len(cut.Items) != 2 || !cut.Truncated {
		t.Errorf("series with a limit: got %v, %v; want two, truncated", cut, err)
	}

	values, err := e.LabelValues(ctx, "device", query.LookupRequest{Selectors: []string{"c", "a"}})
	if diff := cmp.Diff(&query.Lookup[string]{Items: []string{"sda", "sdc"}}, values, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("values: %v (-want +got)\n%s", err, diff)
	}
	values, err = e.LabelValues(ctx, "device", query.LookupRequest{Limit: 1})
	if diff := cmp.Diff(&query.Lookup[string]{Items: []string{"sda"}, Truncated: true}, values, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("values with a limit: %v (-want +got)\n%s", err, diff)
	}
	names, err := e.LabelNames(ctx, query.LookupRequest{Start: at(0), End: at(2)})
	if diff := cmp.Diff(&query.Lookup[string]{Items: []string{"__name__", "device"}}, names, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("names: %v (-want +got)\n%s", err, diff)
	}

	for name, req := range map[string]query.LookupRequest{
		"no selector":    {},
		"matches all":    {Selectors: []string{`{device=~".*"}`}},
		"does not parse": {Selectors: []string{"{"}},
		"too many":       {Selectors: make([]string, query.MaxExprs+1)},
	} {
		if _, err := e.Series(ctx, req); kind(err) != query.BadExpr {
			t.Errorf("%s: got %v, want a bad expression", name, err)
		}
	}
	if _, err := e.LabelNames(ctx, query.LookupRequest{Start: at(2), End: at(1)}); kind(err) != query.BadRange {
		t.Errorf("end before start: got %v, want a bad range", err)
	}
}

// instant is the shortest way to ask.
func instant(e *query.Engine, ctx context.Context, expr string, time time.Time) error {
	_, err := e.Instant(ctx, query.InstantRequest{Expr: expr, Time: time})
	return err
}

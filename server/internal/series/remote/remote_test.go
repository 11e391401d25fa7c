package remote_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"sonde.dev/sonde/internal/wire"
	"sonde.dev/sonde/server/internal/series"
	"sonde.dev/sonde/server/internal/series/query"
	"sonde.dev/sonde/server/internal/series/remote"
)

func open(t *testing.T, o remote.Options) *remote.Store {
	t.Helper()
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := remote.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (p *process) open(t *testing.T) *remote.Store {
	return open(t, remote.Options{WriteURL: p.url() + p.kind.write, ReadURL: p.url(), Histograms: p.kind.histograms})
}

type outcome struct {
	result series.Result
	err    error
}

// write appends rows and returns what became of them.
func write(t *testing.T, s series.Appender, rows ...series.Rows) outcome {
	t.Helper()
	done := make(chan outcome, 1)
	err := s.Append(t.Context(), &series.Write{Rows: rows, Done: func(r series.Result, err error) { done <- outcome{r, err} }})
	if err != nil {
		t.Fatal(err)
	}
	return <-done
}

func target(n int, histogram bool) *series.Target {
	var all []series.Series
	for i := range n {
		all = append(all, series.Series{Labels: labels.FromStrings("__name__", "m", "i", fmt.Sprint(i), "q", `"é\`)})
	}
	if histogram {
		all = append(all, series.Series{Labels: labels.FromStrings("__name__", "h"), Histogram: true})
	}
	return series.NewTarget(all)
}

// ticks are k times a second apart, the last a minute ago.
func ticks(k int) []int64 {
	out := make([]int64, k)
	last := time.Now().Unix()*1000 - 60_000
	for i := range out {
		out[i] = last - int64(k-1-i)*1000
	}
	return out
}

func engine(t *testing.T, s *remote.Store) *query.Engine {
	e, err := query.New(s.Queryable(), query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// value evaluates an expression that yields one number.
func value(t *testing.T, e *query.Engine, expr string, at int64) (float64, error) {
	v, err := e.Instant(t.Context(), query.InstantRequest{Expr: expr, Time: time.UnixMilli(at)})
	if err != nil {
		return 0, err
	}
	if len(v.Values) != 1 {
		return 0, fmt.Errorf("%s yields %d values", expr, len(v.Values))
	}
	return v.Values[0], nil
}

func wantValue(t *testing.T, e *query.Engine, expr string, at int64, want float64) {
	t.Helper()
	until(t, expr, func() error {
		got, err := value(t, e, expr, at)
		if err == nil && got != want {
			err = fmt.Errorf("got %v, want %v", got, want)
		}
		return err
	})
}

func TestSamplesComeBack(t *testing.T) {
	eachKind(t, func(t *testing.T, p *process) {
		s := p.open(t)
		times := ticks(100)
		rows := series.Rows{Target: target(3, true), Times: times}
		for c := range 3 {
			for i := range times {
				rows.Floats = append(rows.Floats, float64(i)/3+float64(c))
			}
		}
		for i := range times {
			n := uint64(i + 1)
			rows.Histograms = append(rows.Histograms, wire.Histogram{
				Count: 6 * n, Sum: float64(n), Zero: n, First: -100, Buckets: []uint64{2 * n, 0, 3 * n},
			})
		}
		samples := uint64(rows.Samples())
		if got := write(t, s, rows); got.err != nil || got.result.Stored != samples || got.result.Refused != nil {
			t.Fatalf("got %+v, want %d stored", got, samples)
		}
		// Once more changes nothing. Debian's takes no histogram out of order.
		if p.kind.name == "prometheus" {
			numbers := rows
			numbers.Target, numbers.Histograms = target(3, false), nil
			samples = uint64(numbers.Samples())
			if got := write(t, s, numbers); got.err != nil || got.result.Stored != samples || got.result.Refused != nil {
				t.Errorf("again: got %+v, want %d stored", got, samples)
			}
		} else if got := write(t, s, rows); got.err != nil || got.result.Stored != samples || got.result.Refused != nil {
			t.Errorf("again: got %+v, want %d stored", got, samples)
		}
		e, last := engine(t, s), times[99]
		wantValue(t, e, `sum(count_over_time(m[100s]))`, last, 300)
		wantValue(t, e, `m{i="2"}`, last, 99.0/3+2)
		wantValue(t, e, `count_over_time(m{i="0"}[50s])`, times[50], 50)
		found, err := e.Series(t.Context(), query.LookupRequest{Selectors: []string{"h"}})
		if err != nil || len(found.Items) != 1 || found.Items[0].Get("__name__") != "h" {
			t.Errorf("series: %v, %v", found, err)
		}
		found, err = e.Series(t.Context(), query.LookupRequest{Selectors: []string{"m"}})
		if err != nil || len(found.Items) != 3 || found.Items[0].Get("q") != `"é\` {
			t.Errorf("series: %v, %v", found, err)
		}
		values, err := e.LabelValues(t.Context(), "i", query.LookupRequest{Start: time.UnixMilli(times[0]), End: time.UnixMilli(last)})
		if err != nil || !slices.Equal(values.Items, []string{"0", "1", "2"}) {
			t.Errorf("values: %v, %v", values, err)
		}
		wantValue(t, e, `histogram_count(h)`, last, 600)
		wantValue(t, e, `histogram_count(increase(h[10s]))`, last, 60)
		heat, err := e.Heatmap(t.Context(), query.RangeRequest{
			Expr: "h", Start: time.UnixMilli(times[99]), End: time.UnixMilli(last), Step: time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		c := heat.Columns[0]
		if c.Resolution != 4 || c.First != -100 || !slices.Equal(c.Counts, []float32{200, 0, 300}) || c.Zero != 100 || c.Total != 600 {
			t.Errorf("heatmap: %+v", c)
		}
	})
}

func TestRefusedSamplesAreCounted(t *testing.T) {
	eachKind(t, func(t *testing.T, p *process) {
		if p.kind.name == "victoria-metrics" {
			t.Skip("refuses nothing; the last of two values wins")
		}
		s := p.open(t)
		times := ticks(10)
		rows := series.Rows{Target: target(2, false), Times: times, Floats: make([]float64, 20)}
		if got := write(t, s, rows); got.err != nil || got.result.Stored != 20 {
			t.Fatalf("%+v", got)
		}
		rows.Floats = slices.Clone(rows.Floats)
		rows.Floats[9] = 7 // a second value for the newest sample of series 0
		got := write(t, s, rows)
		if got.err != nil || got.result.Stored != 19 || len(got.result.Refused) != 1 || got.result.Refused[0].Samples != 1 ||
			got.result.Refused[0].Reason != series.Conflict {
			t.Errorf("conflict: %+v", got)
		}
		rows.Times = []int64{times[9] - (8 * 24 * time.Hour).Milliseconds()}
		rows.Floats = []float64{1, 2}
		got = write(t, s, rows)
		if got.err != nil || got.result.Stored != 0 || len(got.result.Refused) != 1 || got.result.Refused[0].Samples != 2 ||
			got.result.Refused[0].Reason != series.TooOld {
			t.Errorf("too old: %+v", got)
		}
	})
}

// Each tick that was acknowledged is in the store exactly once, though the store
// dies again and again under load and what was not acknowledged is sent anew.
func TestStoreDiesUnderLoad(t *testing.T) {
	eachKind(t, func(t *testing.T, p *process) {
		s := p.open(t)
		const callers, perTick = 4, 50
		times := ticks(200)
		var acked atomic.Int64
		finished := make(chan int, callers)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for c := range callers {
			var all []series.Series
			for i := range perTick {
				all = append(all, series.Series{Labels: labels.FromStrings("__name__", "m", "caller", fmt.Sprint(c), "i", fmt.Sprint(i))})
			}
			target := series.NewTarget(all)
			go func() {
				defer func() { finished <- c }()
				for i := 0; i < len(times) && ctx.Err() == nil; {
					done := make(chan outcome, 1)
					w := &series.Write{
						Rows: []series.Rows{{Target: target, Times: times[i : i+1], Floats: make([]float64, perTick)}},
						Done: func(r series.Result, err error) { done <- outcome{r, err} },
					}
					if err := s.Append(ctx, w); err != nil {
						return
					}
					got := <-done
					if got.err != nil {
						continue // it is sent again, as an agent does
					}
					if got.result.Stored != perTick {
						t.Errorf("caller %d: %+v", c, got.result)
						return
					}
					acked.Add(1)
					i++
				}
			}()
		}
		for round := range 3 {
			// The load goes on while the store is down.
			until(t, "ticks are acknowledged", func() error {
				if n := acked.Load(); n < int64(round+1)*callers*20 {
					return fmt.Errorf("%d are", n)
				}
				return nil
			})
			p.stop(p.kind.stop)
			p.start()
		}
		for range callers {
			<-finished
		}
		if acked.Load() != callers*int64(len(times)) {
			t.Fatalf("%d ticks were acknowledged", acked.Load())
		}
		e, last := engine(t, s), times[len(times)-1]
		wantValue(t, e, `sum(count_over_time(m[200s]))`, last, callers*perTick*200)
		wantValue(t, e, `count(count_over_time(m[200s]) == 200)`, last, callers*perTick)
	})
}

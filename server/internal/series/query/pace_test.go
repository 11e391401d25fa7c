package query_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/labels"

	"sonde.dev/sonde/server/internal/series/query"
)

// TestPace asks for a value each second and says which sample stood for the
// series then: the value of a sample is its time.
func TestPace(t *testing.T) {
	const none = -1
	run := func(value float64, n int) []float64 { return slices.Repeat([]float64{value}, n) }
	tests := []struct {
		name     string
		samples  []float64
		from, to float64
		lookback time.Duration
		hold     time.Duration
		want     []float64
	}{
		{
			name:    "each second, one missed",
			samples: []float64{0, 1, 2, 3, 5, 6}, from: 0, to: 6,
			want: []float64{0, 1, 2, 3, 3, 5, 6},
		},
		{
			name:    "each second, a gap, and the end",
			samples: []float64{0, 1, 2, 3, 10, 11}, from: 2, to: 16,
			want: slices.Concat([]float64{2, 3, 3, 3}, run(none, 4), []float64{10, 11, 11, 11}, run(none, 3)),
		},
		{
			name:    "each ten seconds",
			samples: seconds(0, 60, 10), from: 55, to: 83,
			want: slices.Concat(run(50, 5), run(60, 21), run(none, 3)),
		},
		{
			name:    "one sample",
			samples: []float64{5}, from: 4, to: 22,
			want: slices.Concat(run(none, 1), run(5, 15), run(none, 3)),
		},
		{
			name:    "the end is held",
			samples: []float64{0, 1, 2, 3, 4}, from: 3, to: 12, hold: 6 * time.Second,
			want: slices.Concat([]float64{3}, run(4, 6), run(none, 3)),
		},
		{
			name:    "a gap is not held",
			samples: []float64{0, 1, 2, 10}, from: 2, to: 10, hold: time.Minute,
			want: slices.Concat(run(2, 3), run(none, 5), []float64{10}),
		},
		{
			name:    "from each second to each ten",
			samples: []float64{0, 1, 2, 12, 22, 32, 42}, from: 22, to: 42,
			want: slices.Concat(run(22, 10), run(32, 10), run(42, 1)),
		},
		{
			name:    "one sample behind a gap, and silence again",
			samples: []float64{0, 1, 2, 60}, from: 58, to: 66,
			want: slices.Concat(run(none, 2), run(60, 3), run(none, 4)),
		},
		{
			name:    "with a lookback, as Prometheus does",
			samples: []float64{0, 1, 2, 10}, from: 2, to: 16, lookback: 5 * time.Second,
			want: slices.Concat(run(2, 5), run(none, 3), run(10, 5), run(none, 2)),
		},
		{
			name: "dead for minutes does not come back",
			// At each of these steps the oldest sample that can be seen is another.
			samples: seconds(0, 10, 1), from: 295, to: 315,
			want: run(none, 21),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			s.floats(labels.FromStrings("__name__", "m"), tt.samples...)
			e := newEngine(t, s, query.Options{})

			got := make([]float64, 0, len(tt.want))
			for second := tt.from; second <= tt.to; second++ {
				v, err := e.Instant(t.Context(), query.InstantRequest{Expr: "m", Time: at(second), Lookback: tt.lookback, Hold: tt.hold})
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, append(v.Values, none)[0])
			}
			if tt.name == "a gap is not held" {
				// An instant does not know of samples after it.
				got = nil
			} else if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("instants (-want +got)\n%s", diff)
			}

			m, err := e.Range(t.Context(), query.RangeRequest{
				Expr: "m", Start: at(tt.from), End: at(tt.to), Step: time.Second, Lookback: tt.lookback, Hold: tt.hold,
			})
			if err != nil {
				t.Fatal(err)
			}
			want := slices.Clone(tt.want)
			for i, v := range want {
				if v == none {
					want[i] = math.NaN()
				}
			}
			column := make([]float64, len(want))
			for i := range column {
				column[i] = math.NaN()
			}
			if len(m.Columns) > 0 {
				column = m.Columns[0].Values
			}
			if diff := cmp.Diff(want, column, cmpopts.EquateNaNs()); diff != "" {
				t.Errorf("range (-want +got)\n%s", diff)
			}
		})
	}
}

// TestPaceOfLongSteps crosses the samples in strides longer than the lookback.
func TestPaceOfLongSteps(t *testing.T) {
	s := newStore(t)
	s.floats(labels.FromStrings("__name__", "m"), append(seconds(0, 600, 1), seconds(1200, 1800, 1)...)...)
	e := newEngine(t, s, query.Options{})
	m, err := e.Range(t.Context(), query.RangeRequest{Expr: "m", Start: at(0), End: at(2400), Step: 400 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	none := math.NaN()
	want := []float64{0, 400, none, 1200, 1600, none, none}
	if diff := cmp.Diff(want, m.Columns[0].Values, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

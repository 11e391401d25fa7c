package rollup

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// A window that a tier has of a gauge stays as it is; others are added before,
// between and behind.
func TestGaugeKeepsWindows(t *testing.T) {
	of := func(s ...sample) chunkenc.Iterator { return storage.NewListSeriesIterator(samples(s)) }
	taken := points{main: of(sample{t: 3, f: 1}, sample{t: 7, f: 3}, sample{t: 12, f: 8}, sample{t: 25, f: 5}, sample{t: 31, f: 6})}
	kept := points{
		main:  of(sample{t: 19, f: 40}, sample{t: 39, f: 60}, sample{t: 59, f: 70}),
		count: of(sample{t: 19, f: 9}, sample{t: 39, f: 9}, sample{t: 59, f: 9}),
		min:   of(sample{t: 19, f: 38}, sample{t: 39, f: 58}, sample{t: 59, f: 68}),
		max:   of(sample{t: 19, f: 42}, sample{t: 39, f: 62}, sample{t: 59, f: 72}),
	}
	var r reduced
	if err := r.gauge(&taken, &kept, 10); err != nil {
		t.Fatal(err)
	}
	var got []point
	for i, s := range r.main {
		got = append(got, point{s.t, s.f, r.count[i].f, r.min[i].f, r.max[i].f})
	}
	want := []point{
		{9, 2, 2, 1, 3},
		{19, 40, 9, 38, 42},
		{29, 5, 1, 5, 5},
		{39, 60, 9, 58, 62},
		{59, 70, 9, 68, 72},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(point{})); diff != "" {
		t.Error(diff)
	}
}

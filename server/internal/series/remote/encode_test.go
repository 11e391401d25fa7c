package remote

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"sonde.dev/sonde/internal/wire"
)

// A body has nothing of the one that was made before it in the same memory.
func TestBodyIsOfItsRunsOnly(t *testing.T) {
	h := wire.Histogram{Count: 6, Sum: 1.5, Zero: 1, First: -3, Buckets: []uint64{2, 3}}
	large := []run{
		{labels: labels.FromStrings("__name__", "a", "host", "x", "other", "y"), times: []int64{1, 2, 3}, floats: []float64{1, 2, 3}},
		{labels: labels.FromStrings("__name__", "b", "host", "x"), times: []int64{1, 2}, histograms: []wire.Histogram{h, h}},
		{labels: labels.FromStrings("__name__", "c"), times: []int64{1}, floats: []float64{1}},
	}
	small := []run{
		{labels: labels.FromStrings("__name__", "d"), times: []int64{4}, histograms: []wire.Histogram{h}},
		{labels: labels.FromStrings("__name__", "e", "host", "z"), times: []int64{4}, floats: []float64{4}},
	}
	for _, v1 := range []bool{false, true} {
		t.Run(fmt.Sprintf("v1=%v", v1), func(t *testing.T) {
			used, fresh := newEncoder(v1), newEncoder(v1)
			encode := func(e *encoder, runs []run) []byte {
				body, _, err := e.encode(runs)
				if err != nil {
					t.Fatal(err)
				}
				return body
			}
			before := encode(&used, large)
			kept := bytes.Clone(before)
			if got, want := encode(&used, small), encode(&fresh, small); !bytes.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			if !bytes.Equal(before, kept) {
				t.Error("the body before has changed")
			}
		})
	}
}

func TestRequestsHaveEachSampleOnce(t *testing.T) {
	var runs []run
	next := int64(0)
	for _, k := range []int{1, 3, requestWeight - 4, 2, 5 * requestWeight / 2, 7, requestWeight, 1} {
		r := run{times: make([]int64, k), floats: make([]float64, k)}
		for i := range k {
			r.times[i], r.floats[i] = next, float64(next)
			next++
		}
		runs = append(runs, r)
	}
	var seen int64
	for _, request := range requests(runs) {
		weight := 0
		for _, r := range request {
			weight += r.weight()
			for i := range r.times {
				if r.times[i] != seen || r.floats[i] != float64(seen) {
					t.Fatalf("sample %d is %v at %d", seen, r.floats[i], r.times[i])
				}
				seen++
			}
		}
		if weight > requestWeight || weight == 0 {
			t.Errorf("a request weighs %d", weight)
		}
	}
	if seen != next {
		t.Errorf("%d samples, want %d", seen, next)
	}
}

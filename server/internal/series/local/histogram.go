package local

import (
	"errors"
	"math"

	"github.com/prometheus/prometheus/model/histogram"

	"sonde.dev/sonde/internal/wire"
)

const (
	// schema is the resolution that agents record with: 16 buckets a power of 2.
	schema = 4
	// zeroThreshold is the width of the zero bucket: 2^-30 s is less than 1 ns.
	zeroThreshold = 1.0 / (1 << 30)
	// slabHistograms and slabBuckets size the slabs of an arena.
	slabHistograms = 16
	slabBuckets    = 1024
)

var errCountTooHigh = errors.New("histogram counts more than the store can hold")

// arena makes the TSDB's histograms of ours. The TSDB keeps some of what it is
// given for as long as it likes (the newest of each series, and those out of
// order until their chunk is full), so nothing may be used again; the arena
// takes memory in slabs instead, which the garbage collector frees once the
// TSDB holds nothing of them.
type arena struct {
	histograms []histogram.Histogram
	spans      []histogram.Span
	deltas     []int64
}

// convert returns src with its buckets as the TSDB wants them: one span, each
// bucket as the difference to the one before. Empty buckets stay: a chunk takes
// one bit for each and needs no recoding when they fill.
func (a *arena) convert(src *wire.Histogram) (*histogram.Histogram, error) {
	if len(a.histograms) == cap(a.histograms) {
		a.histograms = make([]histogram.Histogram, 0, slabHistograms)
		a.spans = make([]histogram.Span, 0, slabHistograms)
	}
	n := len(src.Buckets)
	if len(a.deltas)+n > cap(a.deltas) {
		a.deltas = make([]int64, 0, max(slabBuckets, n))
	}
	a.histograms = append(a.histograms, histogram.Histogram{
		Schema:        schema,
		ZeroThreshold: zeroThreshold,
		ZeroCount:     src.Zero,
		Count:         src.Count,
		Sum:           src.Sum,
	})
	h := &a.histograms[len(a.histograms)-1]
	if n == 0 {
		return h, nil
	}
	s := len(a.spans)
	a.spans = append(a.spans, histogram.Span{Offset: src.First, Length: uint32(n)})
	h.PositiveSpans = a.spans[s : s+1 : s+1]
	d := len(a.deltas)
	var before int64
	for _, count := range src.Buckets {
		if count > math.MaxInt64 {
			return nil, errCountTooHigh
		}
		a.deltas = append(a.deltas, int64(count)-before)
		before = int64(count)
	}
	h.PositiveBuckets = a.deltas[d : d+n : d+n]
	return h, nil
}

package remote

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// sampled is a series of the query API's answer.
type sampled struct {
	Metric     labels.Labels `json:"metric"`
	Values     []sample      `json:"values"`
	Histograms []sample      `json:"histograms"`
}

// between leaves out the samples that are not within start and end, and what
// stands there twice: some stores keep a sample that is sent again beside the
// first.
func (s *sampled) between(start, end int64) {
	outside := func(v sample) bool { return v.t < start || v.t > end }
	same := func(a, b sample) bool { return a.t == b.t }
	s.Values = slices.CompactFunc(slices.DeleteFunc(s.Values, outside), same)
	s.Histograms = slices.CompactFunc(slices.DeleteFunc(s.Histograms, outside), same)
}

// Labels implements storage.Series.
func (s *sampled) Labels() labels.Labels { return s.Metric }

// Iterator implements storage.Series.
func (s *sampled) Iterator(reuse chunkenc.Iterator) chunkenc.Iterator {
	all := s.Values
	if len(s.Histograms) > 0 {
		all = slices.Concat(s.Values, s.Histograms)
		slices.SortStableFunc(all, func(a, b sample) int { return int(a.t - b.t) })
	}
	return storage.NewListSeriesIterator(list(all))
}

type list []sample

func (l list) Get(i int) chunks.Sample { return l[i] }
func (l list) Len() int                { return len(l) }

// sample implements chunks.Sample.
type sample struct {
	t int64
	f float64
	h *histogram.FloatHistogram
}

func (s sample) T() int64                      { return s.t }
func (s sample) ST() int64                     { return 0 }
func (s sample) F() float64                    { return s.f }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return s.h }
func (s sample) Copy() chunks.Sample {
	if s.h != nil {
		s.h = s.h.Copy()
	}
	return s
}

func (s sample) Type() chunkenc.ValueType {
	if s.h != nil {
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}

// UnmarshalJSON reads [seconds, "value"] or [seconds, {histogram}].
func (s *sample) UnmarshalJSON(b []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 || len(pair[1]) < 2 {
		return errNoSample
	}
	t, err := strconv.ParseFloat(string(pair[0]), 64)
	if err != nil {
		return err
	}
	s.t = int64(math.Round(t * 1000))
	if pair[1][0] == '"' {
		s.f, err = strconv.ParseFloat(string(pair[1][1:len(pair[1])-1]), 64)
		return err
	}
	var h jsonHistogram
	if err := json.Unmarshal(pair[1], &h); err != nil {
		return err
	}
	s.h, err = h.histogram()
	return err
}

type jsonHistogram struct {
	Count   float64              `json:"count,string"`
	Sum     float64              `json:"sum,string"`
	Buckets [][4]json.RawMessage `json:"buckets"`
}

// The kinds of bounds of a bucket.
const (
	openLeft  = "0"
	openRight = "1"
	closed    = "3"
)

// histogram finds the resolution and the indices of the buckets from their
// bounds, which is all that the query API says. Empty buckets are not in it; a
// histogram without any has the finest resolution, so that it makes no other
// coarser.
func (j *jsonHistogram) histogram() (*histogram.FloatHistogram, error) {
	h := &histogram.FloatHistogram{Schema: 8, Count: j.Count, Sum: j.Sum, ZeroThreshold: zeroThreshold}
	found := false
	var positive, negative []bucket
	for _, b := range j.Buckets {
		var v [3]float64
		for i := range v {
			var text string
			err := json.Unmarshal(b[i+1], &text)
			if err == nil {
				v[i], err = strconv.ParseFloat(text, 64)
			}
			if err != nil {
				return nil, fmt.Errorf("bucket of a histogram: %w", err)
			}
		}
		lower, upper, count := v[0], v[1], v[2]
		kind := string(b[0])
		if kind == closed || lower <= 0 && upper >= 0 {
			h.ZeroThreshold, h.ZeroCount = upper, count
			continue
		}
		if kind == openRight {
			lower, upper = -upper, -lower
		}
		resolution := math.Round(-math.Log2(math.Log2(upper / lower)))
		if !(lower > 0 && upper > lower) || resolution < -4 || resolution > 8 {
			return nil, fmt.Errorf("bucket of a histogram: (%v, %v] is not of an exponential one", lower, upper)
		}
		h.Schema, found = int32(resolution), true
		index := int32(math.Round(math.Ldexp(math.Log2(upper), int(resolution))))
		if kind == openLeft {
			positive = append(positive, bucket{index, count})
		} else {
			negative = append(negative, bucket{index, count})
		}
	}
	if !found {
		return h, h.Validate()
	}
	h.PositiveSpans, h.PositiveBuckets = spans(positive)
	h.NegativeSpans, h.NegativeBuckets = spans(negative)
	return h, h.Validate()
}

type bucket struct {
	index int32
	count float64
}

func spans(buckets []bucket) (spans []histogram.Span, counts []float64) {
	slices.SortFunc(buckets, func(a, b bucket) int { return int(a.index) - int(b.index) })
	next := int32(0)
	for i, b := range buckets {
		if gap := b.index - next; i == 0 || gap > 0 {
			spans = append(spans, histogram.Span{Offset: gap})
		}
		spans[len(spans)-1].Length++
		counts = append(counts, b.count)
		next = b.index + 1
	}
	return spans, counts
}

type seriesSet struct {
	series []sampled
	at     int
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.series) }
func (s *seriesSet) At() storage.Series                { return &s.series[s.at] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

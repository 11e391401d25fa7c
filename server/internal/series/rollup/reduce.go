package rollup

import (
	"errors"
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// sample is a float, or a histogram when h is set.
type sample struct {
	t int64
	f float64
	h *histogram.Histogram
}

func (s *sample) T() int64                      { return s.t }
func (s *sample) ST() int64                     { return 0 }
func (s *sample) F() float64                    { return s.f }
func (s *sample) H() *histogram.Histogram       { return s.h }
func (s *sample) FH() *histogram.FloatHistogram { return nil }

func (s *sample) Type() chunkenc.ValueType {
	if s.h != nil {
		return chunkenc.ValHistogram
	}
	return chunkenc.ValFloat
}

func (s *sample) Copy() chunks.Sample {
	c := *s
	if s.h != nil {
		c.h = s.h.Copy()
	}
	return &c
}

// samples implement storage.Samples.
type samples []sample

func (s samples) Get(i int) chunks.Sample { return &s[i] }
func (s samples) Len() int                { return len(s) }

// reduced is what becomes of one series.
type reduced struct {
	// main has a gauge's means, or a counter's last samples of windows and those
	// on both sides of a reset.
	main samples
	// first has a counter's first samples of windows.
	first samples
	// count, min and max are of a gauge.
	count, min, max samples
}

func (r *reduced) reset() {
	r.main, r.first, r.count, r.min, r.max = r.main[:0], r.first[:0], r.count[:0], r.min[:0], r.max[:0]
}

// bounds are those of the window, of the given length, that t is in.
func bounds(t, window int64) (from, to int64) {
	from = t - t%window
	if t < from {
		from -= window
	}
	return from, from + window
}

// point is a gauge's value, or what a finer tier made of several.
type point struct {
	t                     int64
	mean, count, min, max float64
}

// points read a gauge, as taken or of a tier.
type points struct {
	main, count, min, max chunkenc.Iterator // the last three are nil for samples as taken
}

// next returns the next point that is a float.
func (p *points) next() (point, bool) {
	for {
		switch p.main.Next() {
		case chunkenc.ValNone:
			return point{}, false
		case chunkenc.ValFloat:
		default:
			continue
		}
		t, v := p.main.At()
		out := point{t: t, mean: v, count: 1, min: v, max: v}
		if p.count != nil {
			out.count, out.min, out.max = at(p.count, t, 1), at(p.min, t, v), at(p.max, t, v)
		}
		return out, true
	}
}

// at returns the value at t, which all iterators of a gauge have, or else.
func at(it chunkenc.Iterator, t int64, otherwise float64) float64 {
	if it.Seek(t) != chunkenc.ValFloat {
		return otherwise
	}
	if found, v := it.At(); found == t {
		return v
	}
	return otherwise
}

func (p *points) err() error {
	errs := []error{p.main.Err()}
	if p.count != nil {
		errs = append(errs, p.count.Err(), p.min.Err(), p.max.Err())
	}
	return errors.Join(errs...)
}

// add adds a gauge's window.
func (r *reduced) add(p point) {
	r.main = append(r.main, sample{t: p.t, f: p.mean})
	r.count = append(r.count, sample{t: p.t, f: p.count})
	r.min = append(r.min, sample{t: p.t, f: p.min})
	r.max = append(r.max, sample{t: p.t, f: p.max})
}

// gauge reduces a gauge. The windows that kept has are as they are there.
func (r *reduced) gauge(p, kept *points, window int64) error {
	was, more := kept.next()
	// through adds what kept has up to t, and is whether it has t.
	through := func(t int64) (had bool) {
		for ; more && was.t <= t; was, more = kept.next() {
			r.add(was)
			had = was.t == t
		}
		return had
	}
	var to int64
	var sum, count, least, most float64
	flush := func() {
		if t := to - 1; count > 0 && !through(t) {
			r.add(point{t: t, mean: sum / count, count: count, min: least, max: most})
		}
	}
	for {
		q, ok := p.next()
		if !ok {
			break
		}
		if count == 0 || q.t >= to {
			flush()
			_, to = bounds(q.t, window)
			sum, count, least, most = 0, 0, q.min, q.max
		}
		sum += q.mean * q.count
		count += q.count
		least, most = min(least, q.min), max(most, q.max)
	}
	flush()
	through(math.MaxInt64)
	return errors.Join(p.err(), kept.err())
}

// counter reduces a counter or a cumulative histogram.
func (r *reduced) counter(it chunkenc.Iterator, window int64) error {
	var first, last sample // of the window; their histograms are r's own
	var to int64
	begun, kept := false, false // kept: last is in main already
	flush := func() {
		if !begun {
			return
		}
		if !kept {
			r.main = append(r.main, last.own())
		}
		// What main has need not be there twice.
		if first.t != r.mainSince(to-window) {
			r.first = append(r.first, first)
		}
	}
	var spare *histogram.Histogram
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		var s sample
		switch kind {
		case chunkenc.ValFloat:
			s.t, s.f = it.At()
		case chunkenc.ValHistogram:
			s.t, s.h = it.AtHistogram(spare)
			spare = nil
		default:
			continue // agents send none
		}
		switch {
		case !begun || s.t >= to:
			flush()
			_, to = bounds(s.t, window)
			begun, kept = true, false
			first = s.own()
		case fell(&last, &s):
			if !kept {
				r.main = append(r.main, last.own())
			}
			r.main = append(r.main, s.own())
			kept = true
		default:
			kept = false
		}
		spare, last = last.h, s
	}
	flush()
	return it.Err()
}

// mainSince returns the time of the earliest sample in main from t on.
func (r *reduced) mainSince(t int64) int64 {
	i := len(r.main)
	for i > 0 && r.main[i-1].t >= t {
		i--
	}
	return r.main[i].t
}

// own returns the sample with a histogram of its own, that says nothing of what
// came before it.
func (s *sample) own() sample {
	c := *s
	if s.h != nil {
		c.h = s.h.Copy()
		c.h.CounterResetHint = histogram.UnknownCounterReset
	}
	return c
}

// fell is whether a counter was reset between two samples.
func fell(before, after *sample) bool {
	switch {
	case before.h == nil && after.h == nil:
		return after.f < before.f
	case before.h == nil || after.h == nil:
		return true
	}
	switch after.h.CounterResetHint {
	case histogram.CounterReset:
		return true
	case histogram.NotCounterReset:
		return false
	}
	return after.h.ToFloat(nil).DetectReset(before.h.ToFloat(nil))
}

var _ storage.Samples = samples(nil)

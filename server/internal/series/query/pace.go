package query

import (
	"math"
	"time"

	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// pace says how long samples stand for their series, in milliseconds.
type pace struct {
	// hold is for the newest sample of a series, at least.
	hold int64
	// longest is for all, at most.
	longest int64
	// first is for a sample of which it is not known how soon the next should
	// come.
	first int64
}

// standing returns how long a sample stands for its series when the samples
// before it came with the given interval; 0 is unknown.
func (p *pace) standing(interval int64) int64 {
	if interval == 0 {
		return p.first
	}
	return min(2*interval+time.Second.Milliseconds(), p.longest)
}

// millis are milliseconds since 1970. The name keeps go vet from taking Seek for
// that of io.Seeker.
type millis = int64

// pacedIterator puts a staleness marker behind every sample that stands no
// longer and has no follower.
type pacedIterator struct {
	chunkenc.Iterator
	pace *pace
	end  int64 // milliseconds

	started  bool
	last     int64 // time of the newest sample read
	gap      int64 // between the newest two; 0 when there is one
	interval int64 // the lesser of the newest two gaps; 0 when unknown

	atMarker bool // the iterator stands at a marker, before the sample read
	marker   int64
	kind     chunkenc.ValueType // of the sample read
	ended    bool               // the last marker was given
}

func (it *pacedIterator) Next() chunkenc.ValueType {
	switch {
	case it.atMarker:
		// The sample behind the marker was read before.
		it.atMarker = false
		return it.kind
	case it.ended:
		return chunkenc.ValNone
	}
	stands := it.pace.standing(it.interval)
	it.kind = it.Iterator.Next()
	if it.kind == chunkenc.ValNone {
		return it.finish(stands)
	}
	before, started := it.last, it.started
	it.read()
	if started && it.last-before > stands {
		it.atMarker, it.marker = true, before+stands
		return chunkenc.ValFloat
	}
	return it.kind
}

// read takes note of the sample at which the inner iterator stands.
func (it *pacedIterator) read() {
	t := it.Iterator.AtT()
	if it.started {
		gap := t - it.last
		it.interval = gap
		if it.gap > 0 {
			it.interval = min(gap, it.gap)
		}
		it.gap = gap
	}
	it.started, it.last = true, t
}

// finish gives the marker behind the last sample, if it lies within what the
// query can see.
func (it *pacedIterator) finish(stands int64) chunkenc.ValueType {
	it.ended = true
	marker := it.last + max(stands, it.pace.hold)
	if !it.started || marker > it.end || it.Iterator.Err() != nil {
		return chunkenc.ValNone
	}
	it.atMarker, it.marker, it.kind = true, marker, chunkenc.ValNone
	return chunkenc.ValFloat
}

func (it *pacedIterator) Seek(t millis) chunkenc.ValueType {
	switch {
	case it.atMarker && it.marker >= t:
		return chunkenc.ValFloat
	case it.atMarker:
		it.atMarker = false
		if it.kind == chunkenc.ValNone || it.last >= t {
			return it.kind
		}
	case it.started && !it.ended && it.last >= t:
		return it.kind
	}
	if it.ended {
		return chunkenc.ValNone
	}
	if it.started && t-it.last <= 2*it.pace.standing(it.interval) {
		// Near: walk, so that the pace stays known.
		for {
			kind := it.Next()
			if kind == chunkenc.ValNone || it.AtT() >= t {
				return kind
			}
		}
	}
	stands := it.pace.standing(it.interval)
	it.kind = it.Iterator.Seek(t)
	if it.kind == chunkenc.ValNone {
		if it.started && it.last+max(stands, it.pace.hold) < t {
			it.ended = true
			return chunkenc.ValNone
		}
		return it.finish(stands)
	}
	it.started, it.gap, it.interval = false, 0, 0
	it.read()
	return it.kind
}

func (it *pacedIterator) AtT() int64 {
	if it.atMarker {
		return it.marker
	}
	return it.Iterator.AtT()
}

func (it *pacedIterator) At() (int64, float64) {
	if it.atMarker {
		return it.marker, math.Float64frombits(value.StaleNaN)
	}
	return it.Iterator.At()
}

func (it *pacedIterator) AtST() int64 {
	if it.atMarker {
		return 0
	}
	return it.Iterator.AtST()
}

package wire

import "math"

// distribution is the state of one distribution series, but for its sum.
type distribution struct {
	last Histogram
	// cursor is the index of the first bucket that changed last.
	cursor int64
	// The numbers of a histogram by their kind; see FORMAT.md, "Histograms".
	zero, changes, jump, gap, increment context
}

// contextRate is the weight with which the contexts of histograms learn.
const contextRate = 4

// contextual writes u with the parameter that c has learned.
func (w *bitWriter) contextual(u uint64, c *context) {
	w.number(u, c.parameter())
	c.learn(u, contextRate)
}

// encode writes one histogram but for its sum.
func (d *distribution) encode(w *bitWriter, h *Histogram) {
	last := &d.last
	reshaped := h.First != last.First || len(h.Buckets) != len(last.Buckets)
	w.bit(reshaped)
	if reshaped {
		w.number(zigzag(int64(h.First)-int64(last.First)), shapeParameter)
		w.number(uint64(len(h.Buckets)), shapeParameter)
		last.reshape(h.First, len(h.Buckets))
	}
	w.contextual(zigzag(int64(h.Zero-last.Zero)), &d.zero)
	last.Zero = h.Zero
	changes := 0
	for i, n := range h.Buckets {
		if n != last.Buckets[i] {
			changes++
		}
	}
	w.contextual(uint64(changes), &d.changes)
	at := int64(-1)
	for i, n := range h.Buckets {
		if n == last.Buckets[i] {
			continue
		}
		if at < 0 {
			cursor := int64(h.First) + int64(i)
			w.contextual(zigzag(cursor-d.cursor), &d.jump)
			d.cursor = cursor
		} else {
			w.contextual(uint64(int64(i)-at-1), &d.gap)
		}
		at = int64(i)
		w.contextual(zigzag(int64(n-last.Buckets[i])-1), &d.increment)
		last.Buckets[i] = n
	}
}

// contextual reads what bitWriter.contextual wrote.
func (r *bitReader) contextual(c *context) uint64 {
	u := r.number(c.parameter())
	c.learn(u, contextRate)
	return u
}

// decode reads one histogram into d.last, but for its sum.
func (d *distribution) decode(r *bitReader) error {
	last := &d.last
	if r.bit() {
		first := int64(last.First) + unzigzag(r.number(shapeParameter))
		n := r.number(shapeParameter)
		if r.over() {
			return r.malformed("")
		}
		if n > MaxBuckets {
			return r.tooLarge("buckets of a histogram", n, MaxBuckets)
		}
		if first < math.MinInt32 || first+int64(n) > math.MaxInt32 {
			return r.malformed("%d buckets from %d on", n, first)
		}
		last.reshape(int32(first), int(n))
		last.Count = last.Zero
		for _, n := range last.Buckets {
			last.Count += n
		}
	}
	zero := uint64(unzigzag(r.contextual(&d.zero)))
	last.Zero += zero
	last.Count += zero
	if last.Zero > MaxCount {
		return r.malformed("count of the zero bucket is %d", last.Zero)
	}
	changes := r.contextual(&d.changes)
	if changes > uint64(len(last.Buckets)) {
		return r.malformed("%d of %d buckets change", changes, len(last.Buckets))
	}
	at := int64(0)
	for i := range changes {
		if i == 0 {
			d.cursor += unzigzag(r.contextual(&d.jump))
			at = d.cursor - int64(last.First)
		} else {
			at += int64(r.contextual(&d.gap)) + 1
		}
		if at < 0 || at >= int64(len(last.Buckets)) {
			return r.malformed("bucket %d of %d", at, len(last.Buckets))
		}
		increment := uint64(unzigzag(r.contextual(&d.increment)) + 1)
		last.Buckets[at] += increment
		last.Count += increment
		if last.Buckets[at] > MaxCount {
			return r.malformed("count of bucket %d is %d", at+int64(last.First), last.Buckets[at])
		}
	}
	if r.over() {
		return r.malformed("")
	}
	return nil
}

// reshape makes the buckets of h the n from first on. Those that were there
// keep their counts, those that were not have none, the others are dropped.
func (h *Histogram) reshape(first int32, n int) {
	old := h.Buckets
	shift := int64(first) - int64(h.First)
	h.First = first
	if shift >= 0 {
		old = old[min(shift, int64(len(old))):]
		kept := copy(h.Buckets[:min(len(old), n)], old)
		h.Buckets = resize(h.Buckets, n)
		clear(h.Buckets[kept:])
		return
	}
	lead := int(min(-shift, int64(n)))
	kept := min(len(old), n-lead)
	h.Buckets = resize(h.Buckets, max(n, len(old)))
	copy(h.Buckets[lead:lead+kept], h.Buckets[:kept])
	h.Buckets = h.Buckets[:n]
	clear(h.Buckets[:lead])
	clear(h.Buckets[lead+kept:])
}

package wire

// history is what encoder and decoder both remember of the blocks of one schema
// of a stream. Standalone blocks begin with an empty one.
type history struct {
	// time is that of the last tick and step what it was later than the tick
	// before; ticks is whether there was any.
	time, step int64
	// columns are those of the float series, and after them the sums of the
	// distributions.
	columns       []column
	distributions []distribution
}

// distribution is the state of one distribution series, but for its sum.
type distribution struct {
	last Histogram
	// cursor is the index of the first bucket that changed last.
	cursor int64
	// The numbers of a histogram by their kind; see FORMAT.md, "Histograms".
	zero, changes, jump, gap, increment context
}

// reset makes h the empty history of s.
func (h *history) reset(s *Schema) {
	h.time, h.step = 0, 0
	n := s.floats + s.distributions
	h.columns = resize(h.columns, n)
	for i := range h.columns {
		h.columns[i] = fresh(one)
	}
	h.distributions = resize(h.distributions, s.distributions)
	for i := range h.distributions {
		d := &h.distributions[i]
		*d = distribution{last: Histogram{Buckets: d.last.Buckets[:0]}}
	}
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

// resize returns s with n elements; the first are those of s.
func resize[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s[:n]
	}
	grown := make([]T, n)
	copy(grown, s)
	return grown
}

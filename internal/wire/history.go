package wire

// history is what encoder and decoder both remember of the blocks of one schema
// of a stream. Standalone blocks begin with an empty one.
type history struct {
	schema *Schema
	// begun is whether there was a block.
	begun bool
	// time is that of the last tick, and step how much later it was than the
	// tick before it.
	time, step int64
	// columns are those of the float series, and after them the sums of the
	// distributions.
	columns       []column
	distributions []distribution
	// kept counts the buckets there is memory for in distributions.
	kept int
}

// reset makes h the empty history of s. The first time is relative to base.
func (h *history) reset(s *Schema, base int64) {
	h.schema, h.begun = s, false
	h.time, h.step = base, 0
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

// resize returns s with n elements; the first are those of s.
func resize[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s[:n]
	}
	grown := make([]T, n)
	copy(grown, s)
	return grown
}

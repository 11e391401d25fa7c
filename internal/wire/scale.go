package wire

import (
	"math"
	"slices"
)

// scale turns the values of b into integers and settles the unit of each column.
func (h *encoderHistory) scale(b *Block, s *scratch) {
	ticks := len(b.Times)
	s.integers = resize(s.integers, len(h.columns)*ticks)
	s.changed = resize(s.changed, len(h.columns))
	for c := range h.columns {
		if ticks == 1 && c < b.Schema.floats && math.Float64bits(b.Floats[c]) == math.Float64bits(h.values[c]) {
			s.integers[c], s.changed[c] = h.columns[c].last, false
			continue
		}
		var values []float64
		if at := c - b.Schema.floats; at < 0 {
			values = b.Floats[c*ticks : (c+1)*ticks]
		} else {
			s.sums = s.sums[:0]
			for k := range ticks {
				s.sums = append(s.sums, b.Distributions[at*ticks+k].Sum)
			}
			values = s.sums
		}
		s.changed[c] = h.scaleColumn(c, values, s.integers[c*ticks:(c+1)*ticks])
	}
}

// rawPatience is after how many blocks a column of raw bits is tried in other
// units again.
const rawPatience = 100

// scaleColumn writes the integers of column c to dst and reports whether its
// unit changed.
func (h *encoderHistory) scaleColumn(c int, values []float64, dst []int64) bool {
	col := &h.columns[c]
	changed := false
	if h.settled[c] == 0 || col.unit == rawBits && h.settled[c] > rawPatience {
		if slices.ContainsFunc(values, func(v float64) bool { return math.Float64bits(v) != 0 }) {
			h.settled[c] = 1
			if u := chooseUnit(values); u != col.unit {
				*col, changed = fresh(u), true
			}
		}
	}
	if col.unit == rawBits {
		h.settled[c]++
	}
	before, integer := h.values[c], col.last
	valid := !changed
	for k, v := range values {
		if valid && math.Float64bits(v) == math.Float64bits(before) {
			dst[k] = integer
			continue
		}
		var exact bool
		if integer, exact = col.unit.integer(v); !exact {
			*col, changed = fresh(chooseUnit(values)), true
			for k, v := range values {
				dst[k], _ = col.unit.integer(v)
			}
			break
		}
		dst[k], before, valid = integer, v, true
	}
	h.values[c] = values[len(values)-1]
	return changed
}

// encodeUnits writes the units of the columns, or those that changed.
func (h *history) encodeUnits(w *bitWriter, s *scratch) {
	if !h.begun {
		before := one
		for c := range h.columns {
			u := h.columns[c].unit
			w.bit(u != before)
			if u != before {
				w.bits(uint64(u), 4)
			}
			before = u
		}
		return
	}
	changes := slices.Contains(s.changed, true)
	w.bit(changes)
	if !changes {
		return
	}
	for c, changed := range s.changed {
		w.bit(changed)
		if changed {
			w.bits(uint64(h.columns[c].unit), 4)
		}
	}
}

// decodeUnits reads what encodeUnits wrote.
func (h *history) decodeUnits(r *bitReader) error {
	if h.begun && !r.bit() {
		return nil
	}
	before := one
	for c := range h.columns {
		if r.bit() {
			before = unit(r.bits(4))
			if before >= units {
				return r.malformed("unknown unit %d", before)
			}
			h.columns[c] = fresh(before)
		} else if !h.begun {
			h.columns[c].unit = before
		}
	}
	return nil
}

package wire

import (
	"math"
	"slices"
	"sync"
)

// The first byte of a payload: the version of the format and its form.
const (
	headerStream     = 0x10
	headerStandalone = 0x11
)

// Parameters of the numbers that have no context.
const (
	blocksParameter  = 4
	ordinalParameter = 3
	ticksParameter   = 0
	timeParameter    = 8
	shapeParameter   = 4
)

// Encoder writes the payloads of one live stream. What it writes is relative to
// what it wrote before, so every payload must reach the decoder, in order; after
// a lost one begin a new stream with a new Encoder. It is not safe for
// concurrent use.
//
// Before the first payload with blocks of a schema, the peer must be given the
// schema. The memory of an Encoder grows with the schemas it sees.
type Encoder struct {
	ordinals  map[uint64]int
	histories []*encoderHistory
	scratch   scratch
}

// encoderHistory is a history with what only the encoder needs.
type encoderHistory struct {
	history
	// values are the last of each column.
	values []float64
	// settled columns had a value other than 0: their unit was chosen with
	// reason. It counts the blocks since, to look again at raw columns.
	settled []uint8
}

// scratch is memory that is used again for each block.
type scratch struct {
	integers []int64
	changed  []bool
	sums     []float64
}

// NewEncoder returns the encoder of a new stream.
func NewEncoder() *Encoder {
	return &Encoder{ordinals: make(map[uint64]int)}
}

// Encode appends the payload of a batch of blocks to dst. A *[BlockError] leaves
// the stream as it was, and nothing appended.
func (e *Encoder) Encode(dst []byte, blocks []Block) ([]byte, error) {
	if err := validate(blocks); err != nil {
		return dst, err
	}
	w := bitWriter{buf: append(dst, headerStream)}
	w.number(uint64(len(blocks)), blocksParameter)
	base := int64(0)
	for i := range blocks {
		b := &blocks[i]
		ordinal, known := e.ordinals[b.Schema.hash]
		if known {
			w.number(uint64(ordinal)+1, ordinalParameter)
		} else {
			ordinal = len(e.histories)
			e.ordinals[b.Schema.hash] = ordinal
			e.histories = append(e.histories, newEncoderHistory(b.Schema))
			w.number(0, ordinalParameter)
			w.bits(b.Schema.hash, 64)
		}
		e.histories[ordinal].encode(&w, b, !known, base, &e.scratch)
		base = b.Times[0]
	}
	return w.finish(), nil
}

// standaloneState is what EncodeStandalone works in.
type standaloneState struct {
	history encoderHistory
	scratch scratch
}

var standalonePool = sync.Pool{New: func() any { return new(standaloneState) }}

// EncodeStandalone appends a payload that needs nothing but its schemas to be
// decoded. It is safe for concurrent use. The error is a *[BlockError].
func EncodeStandalone(dst []byte, blocks []Block) ([]byte, error) {
	if err := validate(blocks); err != nil {
		return dst, err
	}
	state := standalonePool.Get().(*standaloneState)
	defer standalonePool.Put(state)
	w := bitWriter{buf: append(dst, headerStandalone)}
	w.number(uint64(len(blocks)), blocksParameter)
	base := int64(0)
	for i := range blocks {
		b := &blocks[i]
		w.bits(b.Schema.hash, 64)
		state.history.reset(b.Schema)
		state.history.encode(&w, b, true, base, &state.scratch)
		base = b.Times[0]
	}
	return w.finish(), nil
}

func newEncoderHistory(s *Schema) *encoderHistory {
	h := new(encoderHistory)
	h.reset(s)
	return h
}

func (h *encoderHistory) reset(s *Schema) {
	h.history.reset(s)
	h.values = resize(h.values, len(h.columns))
	clear(h.values)
	h.settled = resize(h.settled, len(h.columns))
	clear(h.settled)
}

// encode writes the block behind its schema.
func (h *encoderHistory) encode(w *bitWriter, b *Block, absolute bool, base int64, s *scratch) {
	ticks := len(b.Times)
	w.number(uint64(ticks-1), ticksParameter)
	if absolute {
		h.time = base
	}
	h.encodeTimes(w, b.Times, absolute)
	h.scale(b, s)
	h.encodeUnits(w, absolute, s)
	for c := range b.Schema.floats {
		h.columns[c].encode(w, s.integers[c*ticks:(c+1)*ticks])
	}
	for c := range h.distributions {
		at := b.Schema.floats + c
		h.columns[at].encode(w, s.integers[at*ticks:(at+1)*ticks])
		for k := range ticks {
			h.distributions[c].encode(w, &b.Distributions[c*ticks+k])
		}
	}
}

// encodeTimes writes the times of a block.
func (h *history) encodeTimes(w *bitWriter, times []int64, absolute bool) {
	first := times[0] - (h.time + h.step)
	step := h.step
	if len(times) > 1 {
		step = times[1] - times[0]
	}
	regular := true
	for k := 2; k < len(times); k++ {
		regular = regular && times[k]-times[k-1] == step
	}
	expected := first == 0 && regular && step == h.step
	w.bit(!expected)
	if expected {
		h.time = times[len(times)-1]
		return
	}
	w.bit(!regular)
	if absolute {
		w.length(zigzag(first))
	} else {
		w.number(zigzag(first), timeParameter)
		h.step += first
	}
	if regular {
		if len(times) > 1 {
			w.number(uint64(step), timeParameter)
			h.step = step
		}
		h.time = times[len(times)-1]
		return
	}
	h.time = times[0]
	for _, t := range times[1:] {
		w.number(zigzag(t-h.time-h.step), timeParameter)
		h.step = t - h.time
		h.time = t
	}
}

// scale turns the values of b into integers and settles the unit of each column.
func (h *encoderHistory) scale(b *Block, s *scratch) {
	ticks := len(b.Times)
	s.integers = resize(s.integers, len(h.columns)*ticks)
	s.changed = resize(s.changed, len(h.columns))
	for c := range h.columns {
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
func (h *history) encodeUnits(w *bitWriter, absolute bool, s *scratch) {
	if absolute {
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
	any := slices.Contains(s.changed, true)
	w.bit(any)
	if !any {
		return
	}
	for c, changed := range s.changed {
		w.bit(changed)
		if changed {
			w.bits(uint64(h.columns[c].unit), 4)
		}
	}
}

// encode writes one column of a block.
func (c *column) encode(w *bitWriter, integers []int64) {
	if len(integers) > 1 {
		still := true
		for _, m := range integers {
			still = still && m == c.last
		}
		w.bit(!still)
		if still {
			return
		}
	}
	if !c.begun {
		w.length(zigzag(integers[0]))
		c.last, c.begun = integers[0], true
		integers = integers[1:]
	}
	for _, m := range integers {
		difference := m - c.last
		expected, k := c.expect()
		w.number(zigzag(difference-expected), k)
		c.advance(difference)
	}
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

package wire

import "sync"

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
	// ordinals are positions in histories, from 1, by the hash of the schema.
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
		ordinal := e.ordinals[b.Schema.hash]
		w.number(uint64(ordinal), ordinalParameter)
		if ordinal == 0 {
			w.bits(b.Schema.hash, 64)
			begun := new(encoderHistory)
			begun.reset(b.Schema, base)
			e.histories = append(e.histories, begun)
			ordinal = len(e.histories)
			e.ordinals[b.Schema.hash] = ordinal
		}
		e.histories[ordinal-1].encode(&w, b, &e.scratch)
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
		state.history.reset(b.Schema, base)
		state.history.encode(&w, b, &state.scratch)
		base = b.Times[0]
	}
	return w.finish(), nil
}

func (h *encoderHistory) reset(s *Schema, base int64) {
	h.history.reset(s, base)
	h.values = resize(h.values, len(h.columns))
	clear(h.values)
	h.settled = resize(h.settled, len(h.columns))
	clear(h.settled)
}

// encode writes the block behind its schema.
func (h *encoderHistory) encode(w *bitWriter, b *Block, s *scratch) {
	ticks := len(b.Times)
	w.number(uint64(ticks-1), ticksParameter)
	h.encodeTimes(w, b.Times)
	h.scale(b, s)
	h.encodeUnits(w, s)
	h.begun = true
	if floats := h.columns[:b.Schema.floats]; ticks == 1 {
		for c := range floats {
			floats[c].put(w, s.integers[c])
		}
	} else {
		for c := range floats {
			floats[c].encode(w, s.integers[c*ticks:(c+1)*ticks])
		}
	}
	for c := range h.distributions {
		at := b.Schema.floats + c
		h.columns[at].encode(w, s.integers[at*ticks:(at+1)*ticks])
		for k := range ticks {
			h.distributions[c].encode(w, &b.Distributions[c*ticks+k])
		}
	}
}

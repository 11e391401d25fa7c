package wire

import (
	"fmt"
	"slices"
)

// Decoder reads the payloads of one stream, standalone ones among them. It is
// not safe for concurrent use.
//
// After an error in a payload that is not standalone the state of the stream is
// lost: the Decoder refuses all further ones with the same error, while
// standalone ones still decode.
type Decoder struct {
	limits  Limits
	schemas map[uint64]*Schema
	series  int
	// histories are those of the stream, in the order of their first blocks.
	histories []*history
	// standalone is that of the standalone block at hand.
	standalone history
	// buf is the payload at hand, sums are those of the distribution at hand.
	buf  []byte
	sums []float64
	// kept counts the buckets that histories remember.
	kept int
	// err is the first error of a stream payload.
	err error
}

// NewDecoder returns the decoder of a new stream.
func NewDecoder(limits Limits) *Decoder {
	return &Decoder{limits: limits, schemas: make(map[uint64]*Schema)}
}

// AddSchema makes s known to the payloads that follow. Adding it again changes
// nothing. The error is a *[LimitError].
func (d *Decoder) AddSchema(s *Schema) error {
	if _, known := d.schemas[s.hash]; known {
		return nil
	}
	if len(d.schemas) >= d.limits.Schemas {
		return &LimitError{What: "schemas", Got: uint64(len(d.schemas)) + 1, Limit: uint64(d.limits.Schemas)}
	}
	if n := d.series + len(s.series); n > d.limits.Series {
		return &LimitError{What: "series", Got: uint64(n), Limit: uint64(d.limits.Series)}
	}
	d.schemas[s.hash] = s
	d.series += len(s.series)
	return nil
}

// Decode reads payload into dst, whose memory it uses again: what dst held
// before is gone, and what it holds is valid until the next Decode into it. It
// does not keep payload.
//
// It guarantees the structure: the lengths of a block fit its schema, times
// increase strictly, histograms keep to the bounds of [Histogram]. After an
// error dst has no blocks. The error is a *[FormatError], an
// *[UnknownSchemaError] or a *[LimitError].
func (d *Decoder) Decode(payload []byte, dst *Batch) error {
	dst.Blocks = dst.Blocks[:0]
	dst.times = dst.times[:0]
	dst.floats = dst.floats[:0]
	dst.distributions = dst.distributions[:0]
	dst.buckets = dst.buckets[:0]
	stream := len(payload) == 0 || payload[0] != headerStandalone
	if stream && d.err != nil {
		return d.err
	}
	err := d.decodePayload(payload, stream, dst)
	if err != nil {
		dst.Blocks = dst.Blocks[:0]
		if stream {
			d.err = err
		}
	}
	return err
}

func (d *Decoder) decodePayload(payload []byte, stream bool, dst *Batch) error {
	switch {
	case len(payload) > d.limits.PayloadBytes:
		return &LimitError{What: "bytes of a payload", Got: uint64(len(payload)), Limit: uint64(d.limits.PayloadBytes)}
	case len(payload) == 0:
		return &FormatError{Reason: "empty"}
	case stream && payload[0] != headerStream:
		return &FormatError{Reason: fmt.Sprintf("unknown form %#02x", payload[0])}
	}
	d.buf = append(append(d.buf[:0], payload...), make([]byte, readAhead)...)
	r := bitReader{buf: d.buf, pos: 8}
	if err := d.decode(&r, stream, dst); err != nil {
		return err
	}
	return r.end()
}

// end checks that the payload ends where its contents do.
func (r *bitReader) end() error {
	if r.over() {
		return r.malformed("truncated")
	}
	rest := uint(len(r.buf)-readAhead)*8 - r.pos
	if rest >= 8 || r.bits(rest) != 0 {
		return r.malformed("bytes behind the last block")
	}
	return nil
}

func (r *bitReader) malformed(format string, args ...any) error {
	if r.over() {
		return &FormatError{Offset: r.offset(), Reason: "truncated or malformed"}
	}
	return &FormatError{Offset: r.offset(), Reason: fmt.Sprintf(format, args...)}
}

func (r *bitReader) tooLarge(what string, got uint64, limit int) error {
	if r.over() {
		return r.malformed("")
	}
	return &LimitError{Offset: r.offset(), What: what, Got: got, Limit: uint64(limit)}
}

// decode reads the blocks of a payload.
func (d *Decoder) decode(r *bitReader, stream bool, dst *Batch) error {
	blocks := r.number(blocksParameter)
	if blocks > uint64(d.limits.Blocks) {
		return r.tooLarge("blocks", blocks, d.limits.Blocks)
	}
	base := int64(0)
	for range blocks {
		h, err := d.history(r, stream, base)
		if err != nil {
			return err
		}
		b, err := d.decodeBlock(r, h, dst)
		if err != nil {
			return err
		}
		dst.Blocks = append(dst.Blocks, b)
		base = b.Times[0]
	}
	return nil
}

// history reads which schema a block is of, and returns what the block is
// relative to.
func (d *Decoder) history(r *bitReader, stream bool, base int64) (*history, error) {
	if stream {
		if ordinal := r.number(ordinalParameter); ordinal > uint64(len(d.histories)) {
			return nil, r.malformed("schema %d of %d that began", ordinal, len(d.histories))
		} else if ordinal > 0 {
			return d.histories[ordinal-1], nil
		}
	}
	at := r.offset()
	hash := r.bits(64)
	s := d.schemas[hash]
	switch {
	case r.over():
		return nil, r.malformed("")
	case s == nil:
		return nil, &UnknownSchemaError{Offset: at, Hash: hash}
	case !stream:
		if d.standalone.kept > d.limits.Buckets {
			d.standalone = history{}
		}
		d.standalone.reset(s, base)
		return &d.standalone, nil
	case slices.ContainsFunc(d.histories, func(h *history) bool { return h.schema == s }):
		return nil, r.malformed("schema %016x begins twice", hash)
	}
	h := new(history)
	h.reset(s, base)
	d.histories = append(d.histories, h)
	return h, nil
}

// extend appends n elements to the arena and returns it and them. The elements
// hold what the arena held there before.
func extend[T any](arena []T, n int) (all, added []T) {
	at := len(arena)
	if at+n > cap(arena) {
		// What was handed out stays valid in the old array.
		arena = append(make([]T, 0, max(at+n, 2*cap(arena))), arena...)
	}
	all = arena[: at+n : cap(arena)]
	return all, all[at : at+n : at+n]
}

// decodeBlock reads a block behind its schema.
func (d *Decoder) decodeBlock(r *bitReader, h *history, dst *Batch) (b Block, err error) {
	s := h.schema
	more := r.number(ticksParameter)
	if more >= uint64(d.limits.Ticks) {
		return b, r.tooLarge("ticks of a block", more+1, d.limits.Ticks)
	}
	ticks := int(more) + 1
	floats, distributions := ticks*s.floats, ticks*s.distributions
	if n := len(dst.floats) + len(dst.distributions) + floats + distributions; n > d.limits.Samples {
		return b, r.tooLarge("samples", uint64(n), d.limits.Samples)
	}
	if r.over() {
		return b, r.malformed("")
	}
	b.Schema = s
	dst.times, b.Times = extend(dst.times, ticks)
	dst.floats, b.Floats = extend(dst.floats, floats)
	dst.distributions, b.Distributions = extend(dst.distributions, distributions)
	if err := h.decodeTimes(r, b.Times); err != nil {
		return b, err
	}
	if err := h.decodeUnits(r); err != nil {
		return b, err
	}
	h.begun = true
	if ticks == 1 {
		decodeRow(r, h.columns[:s.floats], b.Floats)
	} else {
		for c := range s.floats {
			h.columns[c].decode(r, b.Floats[c*ticks:(c+1)*ticks])
			if r.over() {
				break
			}
		}
	}
	if r.over() {
		return b, r.malformed("")
	}
	return b, d.decodeDistributions(r, &b, h, dst)
}

// decodeDistributions reads the distributions of a block.
func (d *Decoder) decodeDistributions(r *bitReader, b *Block, h *history, dst *Batch) error {
	ticks := len(b.Times)
	d.sums = resize(d.sums, ticks)
	for c := range h.distributions {
		h.columns[b.Schema.floats+c].decode(r, d.sums)
		for k := range ticks {
			last := &h.distributions[c].last
			kept := cap(last.Buckets)
			if err := h.distributions[c].decode(r); err != nil {
				return err
			}
			if err := d.keep(r, h, cap(last.Buckets)-kept); err != nil {
				return err
			}
			n := len(last.Buckets)
			if total := len(dst.buckets) + n; total > d.limits.Buckets {
				return r.tooLarge("buckets", uint64(total), d.limits.Buckets)
			}
			out := &b.Distributions[c*ticks+k]
			*out = *last
			dst.buckets, out.Buckets = extend(dst.buckets, n)
			copy(out.Buckets, last.Buckets)
			out.Sum = d.sums[k]
		}
	}
	return nil
}

// keep counts n buckets more that h remembers. What a stream remembers stays for
// as long as the stream, so it is bounded; what a standalone block needs is
// bounded by the buckets of its batch.
func (d *Decoder) keep(r *bitReader, h *history, n int) error {
	h.kept += n
	if h == &d.standalone {
		return nil
	}
	d.kept += n
	if d.kept > d.limits.Buckets {
		return r.tooLarge("buckets of the last histograms of a stream", uint64(d.kept), d.limits.Buckets)
	}
	return nil
}

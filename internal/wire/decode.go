package wire

import (
	"fmt"
	"math"
)

// Decoder reads the payloads of one stream, standalone ones among them. It is
// not safe for concurrent use.
//
// After an error in a stream payload its state is lost: it refuses all further
// stream payloads with that error, while standalone ones still decode.
type Decoder struct {
	limits  Limits
	schemas map[uint64]*Schema
	series  int
	// histories are those of the stream, in the order of their first blocks.
	histories  []*decoderHistory
	streamed   map[uint64]struct{}
	standalone history
	buf        []byte
	sums       []float64
	err        error
}

type decoderHistory struct {
	history
	schema *Schema
}

// NewDecoder returns the decoder of a new stream.
func NewDecoder(limits Limits) *Decoder {
	return &Decoder{
		limits:   limits,
		schemas:  make(map[uint64]*Schema),
		streamed: make(map[uint64]struct{}),
	}
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
	if len(payload) > d.limits.PayloadBytes {
		return &LimitError{What: "bytes of a payload", Got: uint64(len(payload)), Limit: uint64(d.limits.PayloadBytes)}
	}
	if len(payload) == 0 {
		return &FormatError{Reason: "empty"}
	}
	stream := payload[0] == headerStream
	if !stream && payload[0] != headerStandalone {
		return &FormatError{Reason: fmt.Sprintf("unknown form %#02x", payload[0])}
	}
	if stream && d.err != nil {
		return d.err
	}
	d.buf = append(append(d.buf[:0], payload...), make([]byte, readAhead)...)
	r := bitReader{buf: d.buf, pos: 8}
	err := d.decode(&r, stream, dst)
	if err == nil {
		err = r.end()
	}
	if err != nil {
		dst.Blocks = dst.Blocks[:0]
		if stream {
			d.err = err
		}
	}
	return err
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

func (d *Decoder) decode(r *bitReader, stream bool, dst *Batch) error {
	blocks := r.number(blocksParameter)
	if blocks > uint64(d.limits.Blocks) {
		return r.tooLarge("blocks", blocks, d.limits.Blocks)
	}
	base := int64(0)
	for range blocks {
		var h *history
		var s *Schema
		absolute := true
		if ordinal := uint64(0); !stream {
			if s = d.schemas[r.bits(64)]; s != nil {
				h = &d.standalone
				h.reset(s)
			}
		} else if ordinal = r.number(ordinalParameter); ordinal > uint64(len(d.histories)) {
			return r.malformed("block of schema %d of %d", ordinal, len(d.histories))
		} else if ordinal > 0 {
			h, s, absolute = &d.histories[ordinal-1].history, d.histories[ordinal-1].schema, false
		} else if s = d.schemas[r.bits(64)]; s != nil {
			if _, twice := d.streamed[s.hash]; twice {
				return r.malformed("schema %016x begins twice", s.hash)
			}
			d.streamed[s.hash] = struct{}{}
			begun := &decoderHistory{schema: s}
			begun.reset(s)
			d.histories = append(d.histories, begun)
			h = &begun.history
		}
		if s == nil {
			if r.over() {
				return r.malformed("")
			}
			at := bitReader{buf: r.buf, pos: r.pos - 64}
			return &UnknownSchemaError{Offset: at.offset(), Hash: at.bits(64)}
		}
		if err := d.decodeBlock(r, s, h, absolute, base, dst); err != nil {
			return err
		}
		base = dst.Blocks[len(dst.Blocks)-1].Times[0]
	}
	return nil
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

func (d *Decoder) decodeBlock(r *bitReader, s *Schema, h *history, absolute bool, base int64, dst *Batch) error {
	more := r.number(ticksParameter)
	if more >= uint64(d.limits.Ticks) {
		return r.tooLarge("ticks of a block", more+1, d.limits.Ticks)
	}
	ticks := int(more) + 1
	floats, distributions := ticks*s.floats, ticks*s.distributions
	if n := len(dst.floats) + len(dst.distributions) + floats + distributions; n > d.limits.Samples {
		return r.tooLarge("samples", uint64(n), d.limits.Samples)
	}
	if r.over() {
		return r.malformed("")
	}
	b := Block{Schema: s}
	dst.times, b.Times = extend(dst.times, ticks)
	dst.floats, b.Floats = extend(dst.floats, floats)
	dst.distributions, b.Distributions = extend(dst.distributions, distributions)
	if absolute {
		h.time = base
	}
	if err := h.decodeTimes(r, b.Times, absolute); err != nil {
		return err
	}
	if err := h.decodeUnits(r, absolute); err != nil {
		return err
	}
	for c := range s.floats {
		h.columns[c].decode(r, b.Floats[c*ticks:(c+1)*ticks])
		if r.over() {
			return r.malformed("")
		}
	}
	if err := d.decodeDistributions(r, &b, h, dst); err != nil {
		return err
	}
	dst.Blocks = append(dst.Blocks, b)
	return nil
}

// decodeTimes reads what encodeTimes wrote.
func (h *history) decodeTimes(r *bitReader, times []int64, absolute bool) error {
	regular := true
	first := int64(0)
	stepped := false
	var step int64
	if r.bit() {
		regular = !r.bit()
		if absolute {
			first = unzigzag(r.length())
		} else {
			first = unzigzag(r.number(timeParameter))
		}
		if regular && len(times) > 1 {
			step, stepped = int64(r.number(timeParameter)), true
		}
	}
	times[0] = h.time + h.step + first
	if !absolute {
		h.step += first
	}
	if stepped {
		h.step = step
	}
	h.time = times[0]
	for k := 1; k < len(times); k++ {
		if !regular {
			h.step += unzigzag(r.number(timeParameter))
		}
		times[k] = h.time + h.step
		if times[k] <= h.time {
			return r.malformed("time of tick %d is not after the one before", k)
		}
		h.time = times[k]
	}
	return nil
}

// decodeUnits reads what encodeUnits wrote.
func (h *history) decodeUnits(r *bitReader, absolute bool) error {
	if !absolute && !r.bit() {
		return nil
	}
	before := one
	for c := range h.columns {
		u := before
		if r.bit() {
			u = unit(r.bits(4))
			if u >= units {
				return r.malformed("unknown unit %d", u)
			}
			if !absolute {
				h.columns[c] = fresh(u)
			}
		}
		if absolute {
			h.columns[c].unit = u
			before = u
		}
	}
	return nil
}

// decode reads one column of a block.
func (c *column) decode(r *bitReader, values []float64) {
	if len(values) > 1 && !r.bit() {
		v := c.unit.value(c.last)
		for k := range values {
			values[k] = v
		}
		return
	}
	if !c.begun {
		c.last, c.begun = unzigzag(r.length()), true
		values[0] = c.unit.value(c.last)
		values = values[1:]
	}
	for i := range values {
		expected, k := c.expect()
		c.advance(unzigzag(r.number(k)) + expected)
		values[i] = c.unit.value(c.last)
	}
}

func (r *bitReader) contextual(c *context) uint64 {
	u := r.number(c.parameter())
	c.learn(u, contextRate)
	return u
}

// decodeDistributions reads the distributions of a block.
func (d *Decoder) decodeDistributions(r *bitReader, b *Block, h *history, dst *Batch) error {
	ticks := len(b.Times)
	d.sums = resize(d.sums, ticks)
	for c := range h.distributions {
		h.columns[b.Schema.floats+c].decode(r, d.sums)
		for k := range ticks {
			if err := h.distributions[c].decode(r); err != nil {
				return err
			}
			last := &h.distributions[c].last
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

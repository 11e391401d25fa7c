package wire

import (
	"encoding/binary"
	"math/bits"
)

// bitWriter appends bits to buf, the most significant first. Bits that do not
// fill a byte yet wait in acc.
type bitWriter struct {
	buf []byte
	acc uint64 // the low n bits are pending
	n   uint
}

// bits writes the low n bits of v, n ≤ 64; those above must be 0.
func (w *bitWriter) bits(v uint64, n uint) {
	if w.n+n < 64 {
		w.acc = w.acc<<n | v
		w.n += n
		return
	}
	rest := w.n + n - 64 // bits of v that do not fit into this word
	w.buf = binary.BigEndian.AppendUint64(w.buf, w.acc<<(n-rest)|v>>rest)
	w.acc = v & (1<<rest - 1)
	w.n = rest
}

// bit writes one bit.
func (w *bitWriter) bit(set bool) {
	if set {
		w.bits(1, 1)
	} else {
		w.bits(0, 1)
	}
}

// number writes u with parameter k: small numbers around 2^k are short, and any
// number is possible. See FORMAT.md, "Numbers".
func (w *bitWriter) number(u uint64, k uint) {
	// n zeros, a one, and the low m bits of u: all but its highest, unless that
	// is among the low k.
	n := uint(bits.Len64(u >> (k & 63)))
	m := n - atLeastOne(n) + k
	mask := uint64(1)<<(m&63) - 1
	if n+1+m <= 64 {
		w.bits(mask+1|u&mask, n+1+m)
		return
	}
	w.bits(0, n)
	w.bits(1, 1)
	w.bits(u&mask, m)
}

// atLeastOne returns 1 for n from 1 to 64 and 0 for 0, without a branch: which
// it is cannot be predicted.
func atLeastOne(n uint) uint { return (n + 63) >> 6 }

// length writes u as its length and then its bits.
func (w *bitWriter) length(u uint64) {
	switch n := uint(bits.Len64(u)); {
	case n == 0:
		w.bits(0, 6)
	case n < 63:
		w.bits(uint64(n), 6)
		w.bits(u&(1<<(n-1)-1), n-1)
	default:
		w.bits(63, 6)
		w.bits(u, 64)
	}
}

// finish fills the last byte with zeros and returns the whole.
func (w *bitWriter) finish() []byte {
	for w.n >= 8 {
		w.n -= 8
		w.buf = append(w.buf, byte(w.acc>>w.n))
	}
	if w.n > 0 {
		w.buf = append(w.buf, byte(w.acc<<(8-w.n)))
	}
	return w.buf
}

// readAhead is how many zero bytes must follow the payload in the buffer of a
// bitReader, so that it can always load a whole word.
const readAhead = 16

// bitReader reads what bitWriter wrote. Beyond the end it reads zeros; over
// tells that this happened. It never panics.
type bitReader struct {
	buf []byte // the payload and readAhead zeros
	pos uint   // in bits
	bad bool   // a number was malformed, or lay far beyond the end
}

// over reports whether more was read than there is.
func (r *bitReader) over() bool {
	return r.bad || r.pos > uint(len(r.buf)-readAhead)*8
}

// offset returns the byte the reader stands in.
func (r *bitReader) offset() int {
	return min(int(r.pos/8), len(r.buf)-readAhead)
}

// window returns the next 57 bits or more, the first one highest.
func (r *bitReader) window() uint64 {
	i := r.pos >> 3
	if i+8 > uint(len(r.buf)) {
		r.bad = true
		return 0
	}
	return binary.BigEndian.Uint64(r.buf[i:]) << (r.pos & 7)
}

// bits reads n bits, n ≤ 64.
func (r *bitReader) bits(n uint) uint64 {
	if n > 32 {
		high := r.bits(n - 32)
		return high<<32 | r.bits(32)
	}
	v := r.window() >> 32 >> (32 - n)
	r.pos += n
	return v
}

// bit reads one bit.
func (r *bitReader) bit() bool { return r.bits(1) == 1 }

// number reads what bitWriter.number wrote with the same k.
func (r *bitReader) number(k uint) uint64 {
	u, size := number(r.buf, r.pos, k)
	if size == 0 {
		return r.longNumber(k)
	}
	r.pos += size
	return u
}

// number returns the number at bit pos of buf and its size in bits; 0 when it
// is not certain to fit into one window.
func number(buf []byte, pos, k uint) (u uint64, size uint) {
	i := pos >> 3
	if i+8 > uint(len(buf)) {
		return 0, 0
	}
	w := binary.BigEndian.Uint64(buf[i:]) << (pos & 7)
	n := uint(bits.LeadingZeros64(w))
	high := atLeastOne(n)
	m := n - high + k
	if size = n + 1 + m; size > 57 {
		return 0, 0
	}
	return uint64(high)<<(m&63) | w<<((n+1)&63)>>1>>((63-m)&63), size
}

// longNumber is number for those that may not fit into one window.
func (r *bitReader) longNumber(k uint) uint64 {
	n := uint(0)
	for !r.bit() {
		if n++; n+k > 64 || r.bad {
			r.bad = true
			return 0
		}
	}
	if n == 0 {
		return r.bits(k)
	}
	m := n + k - 1
	return 1<<m | r.bits(m)
}

// length reads what bitWriter.length wrote.
func (r *bitReader) length() uint64 {
	switch n := uint(r.bits(6)); n {
	case 0:
		return 0
	case 63:
		return r.bits(64)
	default:
		return 1<<(n-1) | r.bits(n-1)
	}
}

// zigzag maps signed numbers to unsigned ones, small to small.
func zigzag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

// unzigzag is the inverse of zigzag.
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

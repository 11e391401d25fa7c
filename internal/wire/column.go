package wire

import "math/bits"

// context learns how long the numbers of one kind are, so that the parameter of
// the next one fits: the running mean of their lengths in bits, × 256.
type context uint16

// parameter returns the k with which the next number is written.
func (c context) parameter() uint {
	return uint(max(int(c)-contextBias, 0)) >> 8
}

// contextBias is how much shorter than the mean length, × 256, the parameter is.
const contextBias = 256

// learn takes u into account, with the weight 2^-rate.
func (c *context) learn(u uint64, rate uint) {
	*c += context((bits.Len64(u)<<8 - int(*c)) >> (rate & 63))
}

// column predicts one column of integers. Encoder and decoder keep the same one
// and so agree on each prediction without a word.
//
// There are two predictors: that the next integer is the last one, and that it
// lies one mean step beyond. Both are judged all the time by the length of what
// they leave over, and the one that has been better is used.
type column struct {
	last int64
	// step is the running mean of the differences, × 256.
	step int64
	// hold and drift judge the two predictors.
	hold, drift context
	unit        unit
	// age counts the integers seen, up to mature.
	age uint8
	// begun is whether there is a last integer to be relative to.
	begun bool
}

const (
	// mature is the age from which on a column learns at its slowest.
	mature = 12
	// unlearned are the contexts of a fresh column: hold is preferred.
	unlearnedHold  = 4 << 8
	unlearnedDrift = 5 << 8
	// maxStep bounds what is learned of a single difference.
	maxStep = 1 << 48
)

// fresh returns a column that has seen nothing.
func fresh(u unit) column {
	return column{unit: u, hold: unlearnedHold, drift: unlearnedDrift}
}

// expect returns the predicted difference to the last integer and the parameter
// for what the prediction leaves over.
func (c *column) expect() (difference int64, k uint) {
	if c.drift < c.hold {
		return (c.step + 128) >> 8, c.drift.parameter()
	}
	return 0, c.hold.parameter()
}

// advance moves the column on to last + difference and learns from it. A column
// that has not changed for long has nothing to learn from not changing again.
func (c *column) advance(difference int64) {
	if uint64(difference)|uint64(c.hold|c.drift) == 0 {
		return
	}
	c.last += difference
	rate := uint(1+c.age>>2) & 63
	if c.age < mature {
		c.age++
	}
	c.hold.learn(zigzag(difference), rate)
	c.drift.learn(zigzag(difference-(c.step+128)>>8), rate)
	c.step += (min(max(difference, -maxStep), maxStep)<<8 - c.step) >> rate
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
	for _, m := range integers {
		c.put(w, m)
	}
}

// put writes one integer.
func (c *column) put(w *bitWriter, m int64) {
	if !c.begun {
		w.length(zigzag(m))
		c.last, c.begun = m, true
		return
	}
	difference := m - c.last
	if uint64(difference)|uint64(c.hold|c.drift) == 0 {
		w.bits(1, 1) // what the rest would do for the many that stand still
		return
	}
	expected, k := c.expect()
	w.number(zigzag(difference-expected), k)
	c.advance(difference)
}

// decodeRow reads one value of each column.
func decodeRow(r *bitReader, columns []column, values []float64) {
	buf, pos := r.buf, r.pos // in registers
	for i := range values {
		c := &columns[i]
		expected, k := c.expect()
		u, size := number(buf, pos, k)
		if size > 0 && c.begun {
			pos += size
			c.advance(unzigzag(u) + expected)
		} else {
			r.pos = pos
			c.next(r)
			pos = r.pos
		}
		values[i] = c.unit.value(c.last)
	}
	r.pos = pos
}

// next reads one integer.
func (c *column) next(r *bitReader) {
	if !c.begun {
		c.last, c.begun = unzigzag(r.length()), true
		return
	}
	expected, k := c.expect()
	c.advance(unzigzag(r.number(k)) + expected)
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
	for k := range values {
		c.next(r)
		values[k] = c.unit.value(c.last)
	}
}

package sample

import (
	"math"
	"math/bits"
	"sync"
)

// The resolution is the same for all histograms: sixteen buckets a power of
// two (schema 4 of Prometheus' native histograms). Bucket i holds the values v
// with 2^((i-1)/16) < v ≤ 2^(i/16), so that the geometric middle of a bucket is
// within 2.2 % of every value in it.
const (
	// Resolution is the schema number of all histograms.
	Resolution = 4

	// ZeroThreshold is the largest value, in seconds, that is counted in Zero
	// and in no bucket: 2^-30 s, about a nanosecond, below the resolution of the
	// clocks that are read. Whoever stores or merges snapshots uses the same.
	ZeroThreshold = 0x1p-30

	// MaxValue is the largest value, in seconds, that a histogram takes: 2^16 s,
	// about 18 hours.
	MaxValue = 0x1p16

	perOctave   = 1 << Resolution
	firstBucket = -30*perOctave + 1 // the one whose lower bound is ZeroThreshold
	lastBucket  = 16 * perOctave    // the one whose upper bound is MaxValue
)

// bounds are the upper bounds of the buckets 0 to 15, and the sentinel 2. They
// are, to the last bit, twice those that Prometheus has for [0.5, 1).
var bounds = [perOctave + 1]float64{
	1, 2 * 0.5221368912137069, 2 * 0.5452538663326288, 2 * 0.5693943173783458,
	2 * 0.5946035575013605, 2 * 0.620928906036742, 2 * 0.6484197773255048, 2 * 0.6771277734684463,
	2 * 0.7071067811865475, 2 * 0.7384130729697496, 2 * 0.7711054127039704, 2 * 0.805245165974627,
	2 * 0.8408964152537144, 2 * 0.8781260801866495, 2 * 0.9170040432046711, 2 * 0.9576032806985735,
	2,
}

const (
	mantissaBits = 52
	mantissaMask = 1<<mantissaBits - 1
	cellBits     = 5
)

// An octave is cut into 32 cells of equal width. A cell is narrower than any
// bucket, so it contains at most one bound, and one comparison decides.
var (
	// cellBucket is the bucket, within its octave, of the start of each cell.
	cellBucket [1 << cellBits]uint8
	// boundMantissa is the mantissa of each of bounds; the sentinel's is beyond all.
	boundMantissa [perOctave + 1]uint64
)

func init() {
	for i, b := range bounds {
		boundMantissa[i] = math.Float64bits(b) & mantissaMask
	}
	boundMantissa[perOctave] = math.MaxUint64
	bucket := 0
	for cell := range cellBucket {
		start := 1 + float64(cell)/(1<<cellBits)
		for bounds[bucket] < start {
			bucket++
		}
		cellBucket[cell] = uint8(bucket)
	}
}

// bucketOf returns the bucket of v, which is a normal positive number.
func bucketOf(v float64) int {
	b := math.Float64bits(v)
	mantissa := b & mantissaMask
	bucket := int(cellBucket[mantissa>>(mantissaBits-cellBits)])
	if mantissa > boundMantissa[bucket] {
		bucket++
	}
	exponent := int(b>>mantissaBits) - 1023
	return exponent*perOctave + bucket
}

// Snapshot is what a [Histogram] had counted at one moment. It is immutable.
//
// All counts are absolute and cumulative since the histogram was made: neither
// deltas to the snapshot before nor running sums over the buckets. Count is
// Zero plus the sum of Buckets.
type Snapshot struct {
	Count uint64
	// Sum is the sum of all values, in seconds, each rounded to a nanosecond.
	Sum float64
	// Zero counts the values up to [ZeroThreshold].
	Zero uint64
	// First is the index of Buckets[0]; 0 when there are none. Neither the first
	// nor the last of Buckets is 0.
	First   int32
	Buckets []uint64
}

// Histogram counts durations in exponential buckets. It does not forget: its
// counts only grow. The zero Histogram is empty and ready; its size is fixed
// (6 KiB). It is safe for concurrent use and must not be copied.
type Histogram struct {
	mu    sync.Mutex
	count uint64
	// sum is in nanoseconds, so that the sums of snapshots are decimals of few
	// digits, which travel as small integers. Beyond 2^64, which is 584 years, it
	// stays where it is.
	sum  uint64
	zero uint64
	// low and high are the first and last position of counts that is in use;
	// meaningless while count equals zero.
	low, high int
	counts    [lastBucket - firstBucket + 1]uint64
	// last is the snapshot that was made last, good until count moves on.
	last Snapshot
}

// Record counts one duration in seconds. It reports whether it did: negative
// values, NaN, infinities and values beyond [MaxValue] are not counted at all.
func (h *Histogram) Record(seconds float64) bool {
	if !(seconds >= 0 && seconds <= MaxValue) {
		return false
	}
	ns := uint64(seconds*1e9 + 0.5)
	if seconds <= ZeroThreshold {
		h.mu.Lock()
		h.zero++
		h.count++
		h.add(ns)
		h.mu.Unlock()
		return true
	}
	i := bucketOf(seconds) - firstBucket
	h.mu.Lock()
	if h.count == h.zero {
		h.low, h.high = i, i
	}
	h.low, h.high = min(h.low, i), max(h.high, i)
	h.counts[i]++
	h.count++
	h.add(ns)
	h.mu.Unlock()
	return true
}

// add adds to the sum, under mu.
func (h *Histogram) add(ns uint64) {
	sum, carry := bits.Add64(h.sum, ns, 0)
	if carry != 0 {
		sum = math.MaxUint64
	}
	h.sum = sum
}

// Snapshot returns what was counted so far. As long as nothing is recorded it
// returns the same snapshot again, without allocating.
func (h *Histogram) Snapshot() Snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count == h.last.Count {
		return h.last
	}
	s := Snapshot{Count: h.count, Sum: float64(h.sum) / 1e9, Zero: h.zero}
	if h.count > h.zero {
		s.First = int32(h.low + firstBucket)
		s.Buckets = append(s.Buckets, h.counts[h.low:h.high+1]...)
	}
	h.last = s
	return s
}

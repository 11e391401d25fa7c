package load

import (
	"math"
	"time"

	"sonde.dev/sonde/agent/internal/sample"
)

// distribution is the sum of many snapshots.
type distribution struct {
	count   uint64
	buckets map[int32]uint64
	lowest  int32
	highest int32
}

func (d *distribution) merge(s sample.Snapshot) {
	if d.buckets == nil {
		d.buckets = make(map[int32]uint64)
		d.lowest, d.highest = math.MaxInt32, math.MinInt32
	}
	for i, n := range s.Buckets {
		if n == 0 {
			continue
		}
		b := s.First + int32(i)
		d.buckets[b] += n
		d.count += n
		d.lowest, d.highest = min(d.lowest, b), max(d.highest, b)
	}
}

// remove takes out what was merged into d before.
func (d *distribution) remove(earlier distribution) {
	for b, n := range earlier.buckets {
		d.buckets[b] -= n
	}
	d.count -= earlier.count
}

// quantile returns the upper bound of the bucket that the quantile q falls in.
func (d *distribution) quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(q * float64(d.count)))
	var seen uint64
	for b := d.lowest; b <= d.highest && d.count > 0; b++ {
		if seen += d.buckets[b]; seen >= rank {
			return time.Duration(math.Exp2(float64(b)/16) * float64(time.Second))
		}
	}
	return 0
}

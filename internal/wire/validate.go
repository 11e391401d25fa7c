package wire

import (
	"fmt"
	"math"
)

// validate returns a *BlockError for the first block that cannot be encoded.
func validate(blocks []Block) error {
	for i := range blocks {
		if reason := blocks[i].invalid(); reason != "" {
			return &BlockError{Block: i, Reason: reason}
		}
	}
	return nil
}

// invalid says what is wrong with b, or nothing.
func (b *Block) invalid() string {
	if b.Schema == nil {
		return "no schema"
	}
	ticks := len(b.Times)
	switch {
	case ticks == 0:
		return "no ticks"
	case len(b.Floats) != ticks*b.Schema.floats:
		return fmt.Sprintf("%d floats for %d ticks of %d columns", len(b.Floats), ticks, b.Schema.floats)
	case len(b.Distributions) != ticks*b.Schema.distributions:
		return fmt.Sprintf("%d distributions for %d ticks of %d columns", len(b.Distributions), ticks, b.Schema.distributions)
	}
	for k := 1; k < ticks; k++ {
		if b.Times[k] <= b.Times[k-1] {
			return fmt.Sprintf("time of tick %d is not after the one before", k)
		}
	}
	for i := range b.Distributions {
		if reason := b.Distributions[i].invalid(); reason != "" {
			return fmt.Sprintf("distribution %d, tick %d: %s", i/ticks, i%ticks, reason)
		}
	}
	return ""
}

// invalid says what is wrong with h, or nothing.
func (h *Histogram) invalid() string {
	if len(h.Buckets) > MaxBuckets {
		return fmt.Sprintf("%d buckets, the limit is %d", len(h.Buckets), MaxBuckets)
	}
	if int64(h.First)+int64(len(h.Buckets)) > math.MaxInt32 {
		return fmt.Sprintf("%d buckets from %d on", len(h.Buckets), h.First)
	}
	if h.Zero > MaxCount {
		return fmt.Sprintf("count of the zero bucket is %d", h.Zero)
	}
	count := h.Zero
	for i, n := range h.Buckets {
		if n > MaxCount {
			return fmt.Sprintf("count of bucket %d is %d", int(h.First)+i, n)
		}
		count += n
	}
	if count != h.Count {
		return fmt.Sprintf("count is %d, its buckets sum to %d", h.Count, count)
	}
	return ""
}

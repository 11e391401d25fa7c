package wire

// Limits bound what a [Decoder] takes, and with it the memory that one peer can
// make it use: twice 8 bytes a float and a bucket and 56 a histogram of a
// batch, and 24 bytes a float and 104 a histogram that a stream remembers. A
// limit of 0 admits nothing.
type Limits struct {
	// PayloadBytes bounds one payload.
	PayloadBytes int
	// Blocks bounds the blocks of a batch.
	Blocks int
	// Ticks bounds the ticks of a block.
	Ticks int
	// Samples bounds the samples of a batch; a histogram is one.
	Samples int
	// Buckets bounds the buckets of all histograms of a batch together, and of
	// all that a stream remembers; those of one are bounded by [MaxBuckets].
	Buckets int
	// Schemas bounds the schemas added.
	Schemas int
	// Series bounds the series of one schema, and of all schemas added together.
	Series int
}

// DefaultLimits are wide enough for every agent that keeps to its intervals.
var DefaultLimits = Limits{
	PayloadBytes: 4 << 20,
	Blocks:       4096,
	Ticks:        6000,
	Samples:      1 << 20,
	Buckets:      1 << 20,
	Schemas:      1024,
	Series:       100_000,
}

// Package wire is the form in which batches of samples travel from an agent to
// a server, and in which an agent keeps them on disk. FORMAT.md beside this
// file specifies it byte for byte.
//
// # What it promises
//
// A batch that went through [Encoder.Encode] or [EncodeStandalone] and then
// through [Decoder.Decode] is the same batch, to the last bit of every value:
// NaN payloads, negative zero, infinities and denormals included. Decoding
// foreign bytes never panics and never takes more memory than [Limits] allow.
// Neither direction allocates per sample once it runs steadily.
//
// # Streams and standalone payloads
//
// There are two forms of payload. Those of an [Encoder] are relative to what
// the same Encoder wrote before: they must reach one Decoder, all of them and in
// order, which is what a stream does. Those of [EncodeStandalone] stand by
// themselves and touch no state, so a backlog can be sent between live batches,
// in any order.
//
// # What it does not do
//
// It has no checksum: the transport and the files that carry payloads have
// their own. It guarantees the structure of a batch, not its sense: a counter
// or a histogram may go backwards, times may lie anywhere.
package wire

// Histogram is a cumulative native exponential histogram of resolution 4:
// bucket i counts the observations in (2^((i-1)/16), 2^(i/16)] since the series
// began.
type Histogram struct {
	// Count is Zero plus the sum of Buckets.
	Count uint64
	// Sum is that of all observations.
	Sum float64
	// Zero counts the observations that are 0.
	Zero uint64
	// First is the index of the bucket that Buckets[0] counts.
	First int32
	// Buckets are absolute counts, neither deltas nor running sums. Each is at
	// most [MaxCount], and there are at most [MaxBuckets].
	Buckets []uint64
}

const (
	// MaxBuckets is the most buckets of a histogram.
	MaxBuckets = 1024
	// MaxCount is the highest count of one bucket: the sum of all buckets
	// cannot overflow, and each fits a float64 exactly.
	MaxCount = 1 << 53
)

// Block is K ticks of the series of one schema, column by column: the values of
// one series stand together. K is len(Times).
type Block struct {
	Schema *Schema
	// Times are milliseconds since 1970, strictly increasing.
	Times []int64
	// Floats[c*K+k] is the value of float series c at Times[k].
	Floats []float64
	// Distributions[c*K+k] is the histogram of distribution series c at Times[k].
	Distributions []Histogram
}

// Samples returns how many samples the block carries; a histogram is one.
func (b *Block) Samples() int { return len(b.Floats) + len(b.Distributions) }

// Batch is what one payload decodes to. Its memory is used again by the next
// [Decoder.Decode] into it.
type Batch struct {
	Blocks []Block

	times         []int64
	floats        []float64
	distributions []Histogram
	buckets       []uint64
}

// Samples returns how many samples the batch carries.
func (b *Batch) Samples() int {
	n := 0
	for i := range b.Blocks {
		n += b.Blocks[i].Samples()
	}
	return n
}

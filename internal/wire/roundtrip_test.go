package wire

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// newSchema returns a schema of so many series; histograms stand between floats.
func newSchema(t testing.TB, name string, floats, distributions int) *Schema {
	t.Helper()
	series := make([]Series, floats+distributions)
	seen := 0 // distributions
	for i := range series {
		series[i] = Series{Name: name, Labels: []Label{{"column", fmt.Sprint(i)}}, Kind: Float}
		if left := floats + distributions - i; i%2 == 0 && seen < distributions || left == distributions-seen {
			series[i].Kind = Distribution
			seen++
		}
	}
	s, err := NewSchema(series)
	if err != nil {
		t.Fatal(err)
	}
	if s.Floats() != floats || s.Distributions() != distributions {
		t.Fatalf("schema of %d and %d series, want %d and %d", s.Floats(), s.Distributions(), floats, distributions)
	}
	return s
}

// equalBlocks compares blocks to the last bit of every value; it returns the
// difference.
func equalBlocks(want, got []Block) string {
	if slices.EqualFunc(want, got, sameBlock) {
		return ""
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Transformer("bits", math.Float64bits),
		cmp.Comparer(func(a, b *Schema) bool { return a.Hash() == b.Hash() }))
}

func sameBlock(a, b Block) bool {
	sameBits := func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }
	return a.Schema.Hash() == b.Schema.Hash() && slices.Equal(a.Times, b.Times) &&
		slices.EqualFunc(a.Floats, b.Floats, sameBits) &&
		slices.EqualFunc(a.Distributions, b.Distributions, func(a, b Histogram) bool {
			return a.Count == b.Count && a.Zero == b.Zero && a.First == b.First &&
				sameBits(a.Sum, b.Sum) && slices.Equal(a.Buckets, b.Buckets)
		})
}

var oddFloats = []float64{0, math.Copysign(0, -1), 1, -1, 0.01, 1e300, -1e-300, math.Inf(1), math.Inf(-1),
	math.NaN(), math.Float64frombits(0x7ff0000000000001), math.Float64frombits(0xffffffffffffffff),
	math.SmallestNonzeroFloat64, math.MaxFloat64, MaxCount, -MaxCount, MaxCount - 1, MaxCount + 2, 4096, 1 << 40, 0.1 + 0.2}

// randomWalk fills blocks with values that walk, jump and change their nature.
type randomWalk struct {
	r    *rand.Rand
	last map[*Schema]*Block
}

func (w *randomWalk) value(v float64) float64 {
	switch w.r.IntN(12) {
	case 0:
		return oddFloats[w.r.IntN(len(oddFloats))]
	case 1:
		return math.Float64frombits(w.r.Uint64())
	case 2:
		return float64(w.r.IntN(1000)) / 100
	case 3:
		return float64(w.r.IntN(1<<20)) * 4096
	case 4:
		return w.r.NormFloat64()
	case 5, 6:
		return v + 1
	case 7:
		return v + 0.01
	}
	return v
}

func (w *randomWalk) histogram(h Histogram) Histogram {
	b := append([]uint64(nil), h.Buckets...)
	h.Buckets = b
	switch w.r.IntN(8) {
	case 0:
		h = Histogram{First: int32(w.r.Uint32()) >> 1, Buckets: make([]uint64, w.r.IntN(20))}
	case 1:
		n := w.r.IntN(4)
		h.Buckets = append(make([]uint64, n), h.Buckets...)
		h.First -= int32(n)
	case 2:
		if n := w.r.IntN(4); n < len(b) {
			h.Buckets = b[n:]
			h.First += int32(n)
		}
	case 3:
		h.Buckets = append(h.Buckets, make([]uint64, w.r.IntN(5))...)
	case 4:
		h.Buckets = b[:w.r.IntN(len(b)+1)]
	}
	for i := range h.Buckets {
		switch w.r.IntN(30) {
		case 0:
			h.Buckets[i]++
		case 1:
			h.Buckets[i] = w.r.Uint64() % (MaxCount + 1)
		}
	}
	if w.r.IntN(5) == 0 {
		h.Zero = w.r.Uint64() % (MaxCount + 1)
	}
	h.Count = h.Zero
	for _, n := range h.Buckets {
		h.Count += n
	}
	h.Sum = w.value(h.Sum)
	return h
}

// block returns a block that follows the one before of the schema.
func (w *randomWalk) block(s *Schema, ticks int) Block {
	b := Block{Schema: s, Floats: make([]float64, ticks*s.Floats()), Distributions: make([]Histogram, ticks*s.Distributions())}
	now := int64(1_700_000_000_000)
	before := w.last[s]
	if before != nil {
		now = before.Times[len(before.Times)-1] + 1000
	}
	if w.r.IntN(10) == 0 {
		now = int64(w.r.Uint64()) >> 8
	}
	irregular := w.r.IntN(3) == 0
	for k := range ticks {
		b.Times = append(b.Times, now)
		now += 1000
		if irregular {
			now += int64(w.r.IntN(3000))
		}
		for c := range s.Floats() {
			var v float64
			if k > 0 {
				v = b.Floats[c*ticks+k-1]
			} else if before != nil {
				v = before.Floats[(c+1)*len(before.Times)-1]
			}
			b.Floats[c*ticks+k] = w.value(v)
		}
		for c := range s.Distributions() {
			var h Histogram
			if k > 0 {
				h = b.Distributions[c*ticks+k-1]
			} else if before != nil {
				h = before.Distributions[(c+1)*len(before.Times)-1]
			}
			b.Distributions[c*ticks+k] = w.histogram(h)
		}
	}
	w.last[s] = &b
	return b
}

// Batches of a stream, with standalone ones between them, come out as they went
// in, whatever the values.
func TestRoundTripRandomStreams(t *testing.T) {
	for seed := range uint64(30) {
		w := &randomWalk{r: rand.New(rand.NewPCG(seed, 1)), last: make(map[*Schema]*Block)}
		enc, dec := NewEncoder(), NewDecoder(DefaultLimits)
		schemas := []*Schema{newSchema(t, "a", 30, 0), newSchema(t, "b", 0, 3), newSchema(t, "c", 5, 2)}
		var got Batch
		for i := range 100 {
			if w.r.IntN(20) == 0 {
				schemas = append(schemas, newSchema(t, fmt.Sprint("d", i), w.r.IntN(5)+1, w.r.IntN(3)))
			}
			var blocks []Block
			for range w.r.IntN(6) {
				s := schemas[w.r.IntN(len(schemas))]
				if err := dec.AddSchema(s); err != nil {
					t.Fatal(err)
				}
				ticks := 1
				if w.r.IntN(2) == 0 {
					ticks = 1 + w.r.IntN(12)
				}
				blocks = append(blocks, w.block(s, ticks))
			}
			encode := enc.Encode
			if w.r.IntN(4) == 0 {
				encode = EncodeStandalone
			}
			payload, err := encode(nil, blocks)
			if err != nil {
				t.Fatal(err)
			}
			if err := dec.Decode(payload, &got); err != nil {
				t.Fatalf("seed %d, batch %d: %v", seed, i, err)
			}
			if diff := equalBlocks(blocks, got.Blocks); diff != "" {
				t.Fatalf("seed %d, batch %d: (-want +got)\n%s", seed, i, diff)
			}
		}
	}
}

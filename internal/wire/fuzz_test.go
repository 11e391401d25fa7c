package wire

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// Whatever the bytes: no panic, no more than the limits, a typed error; and
// what decodes can be encoded and decoded again.
func FuzzDecode(f *testing.F) {
	var schemas []*Schema
	for _, g := range goldens(f) {
		for i, p := range g.payloads(f) {
			f.Add(p, p[:len(p)/2])
			if i == 0 {
				f.Add(p, p)
			}
		}
		for _, blocks := range g.batches {
			for i := range blocks {
				schemas = append(schemas, blocks[i].Schema)
			}
		}
	}
	limits := Limits{PayloadBytes: 1 << 12, Blocks: 20, Ticks: 200, Samples: 2000, Buckets: 4000, Schemas: 100, Series: 1000}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		d := decoderOf(t, limits, schemas...)
		var batch, again Batch
		for _, payload := range [][]byte{first, second} {
			if err := d.Decode(payload, &batch); err != nil {
				var formatErr *FormatError
				if !errors.As(err, &formatErr) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrUnknownSchema) {
					t.Fatalf("error %v (%T)", err, err)
				}
				if formatErr != nil && formatErr.Offset > max(len(first), len(second)) {
					t.Fatalf("error %v is beyond the payload", err)
				}
				continue
			}
			if len(batch.Blocks) > limits.Blocks || batch.Samples() > limits.Samples || len(batch.buckets) > limits.Buckets {
				t.Fatalf("%d blocks, %d samples, %d buckets", len(batch.Blocks), batch.Samples(), len(batch.buckets))
			}
			rewritten, err := EncodeStandalone(nil, batch.Blocks)
			if err != nil {
				t.Fatalf("decoded blocks cannot be encoded: %v", err)
			}
			if err := decoderOf(t, DefaultLimits, schemas...).Decode(rewritten, &again); err != nil {
				t.Fatalf("encoded again: %v", err)
			}
			if diff := equalBlocks(batch.Blocks, again.Blocks); diff != "" {
				t.Fatalf("encoded again: (-want +got)\n%s", diff)
			}
		}
	})
}

// byteSource is randomness from fuzz input, and a fixed sequence beyond its end.
type byteSource struct {
	input []byte
	n     uint64
}

func (s *byteSource) Uint64() uint64 {
	if len(s.input) >= 8 {
		v := binary.LittleEndian.Uint64(s.input)
		s.input = s.input[8:]
		return v
	}
	s.n++
	return s.n * 0x9e3779b97f4a7c15
}

// Batches made of the input go through a stream and come out the same.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("abcdefghijklmnopqrstuvwxyz"))
	seed := rand.New(rand.NewPCG(1, 1))
	long := make([]byte, 4096)
	for i := range long {
		long[i] = byte(seed.Uint32())
	}
	f.Add(long)
	schemas := []*Schema{newSchema(f, "a", 3, 0), newSchema(f, "b", 0, 2), newSchema(f, "c", 2, 1)}
	f.Fuzz(func(t *testing.T, input []byte) {
		source := byteSource{input: input}
		w := &randomWalk{r: rand.New(&source), last: make(map[*Schema]*Block)}
		enc, dec := NewEncoder(), decoderOf(t, DefaultLimits, schemas...)
		var got Batch
		for range 20 {
			var blocks []Block
			for range w.r.IntN(4) {
				blocks = append(blocks, w.block(schemas[w.r.IntN(len(schemas))], 1+w.r.IntN(5)))
			}
			for _, encode := range []func([]byte, []Block) ([]byte, error){enc.Encode, EncodeStandalone} {
				payload, err := encode(nil, blocks)
				if err != nil {
					t.Fatal(err)
				}
				if err := dec.Decode(payload, &got); err != nil {
					t.Fatal(err)
				}
				if diff := equalBlocks(blocks, got.Blocks); diff != "" {
					t.Fatalf("(-want +got)\n%s", diff)
				}
			}
		}
	})
}

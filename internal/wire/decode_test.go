package wire

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// oneBlock is a block of ticks ticks with a value of its own everywhere.
func oneBlock(s *Schema, ticks int, from int64) Block {
	b := Block{Schema: s}
	for k := range ticks {
		b.Times = append(b.Times, from+int64(k)*1000)
	}
	for i := range ticks * s.Floats() {
		b.Floats = append(b.Floats, float64(i+1)*1.5)
	}
	for i := range ticks * s.Distributions() {
		n := uint64(i + 1)
		b.Distributions = append(b.Distributions, Histogram{Count: 2*n + 1, Sum: float64(n), Zero: 1, First: -3, Buckets: []uint64{n, 0, n}})
	}
	return b
}

// decoderOf returns a decoder that knows the schemas.
func decoderOf(t testing.TB, limits Limits, schemas ...*Schema) *Decoder {
	t.Helper()
	d := NewDecoder(limits)
	for _, s := range schemas {
		if err := d.AddSchema(s); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func TestDecodeLimits(t *testing.T) {
	s := newSchema(t, "up", 2, 1)
	other := newSchema(t, "down", 1, 0)
	payload, err := NewEncoder().Encode(nil, []Block{oneBlock(s, 4, 0), oneBlock(other, 4, 0)})
	if err != nil {
		t.Fatal(err)
	}
	exact := Limits{PayloadBytes: len(payload), Blocks: 2, Ticks: 4, Samples: 16, Buckets: 12, Schemas: 2, Series: 4}
	var got Batch
	if err := decoderOf(t, exact, s, other).Decode(payload, &got); err != nil {
		t.Fatalf("at the limits: %v", err)
	}
	tests := []struct {
		limit *int
		what  string
	}{
		{&exact.PayloadBytes, "bytes of a payload"},
		{&exact.Blocks, "blocks"},
		{&exact.Ticks, "ticks of a block"},
		{&exact.Samples, "samples"},
		{&exact.Buckets, "buckets"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			*tt.limit--
			defer func() { *tt.limit++ }()
			d := decoderOf(t, exact, s, other)
			err := d.Decode(payload, &got)
			var limitErr *LimitError
			if !errors.As(err, &limitErr) || !errors.Is(err, ErrTooLarge) {
				t.Fatalf("error %v, want a *LimitError", err)
			}
			if limitErr.What != tt.what || limitErr.Got != uint64(*tt.limit)+1 || limitErr.Limit != uint64(*tt.limit) {
				t.Errorf("error %v, want %d %s of %d", err, *tt.limit+1, tt.what, *tt.limit)
			}
			if len(got.Blocks) != 0 {
				t.Errorf("%d blocks in spite of the error", len(got.Blocks))
			}
		})
	}
	for _, tt := range []struct {
		limit *int
		what  string
	}{{&exact.Schemas, "schemas"}, {&exact.Series, "series"}} {
		t.Run(tt.what, func(t *testing.T) {
			*tt.limit--
			defer func() { *tt.limit++ }()
			d := decoderOf(t, exact, s)
			if err := d.AddSchema(s); err != nil {
				t.Errorf("a schema again: %v", err)
			}
			var limitErr *LimitError
			if err := d.AddSchema(other); !errors.As(err, &limitErr) || limitErr.What != tt.what {
				t.Errorf("error %v, want a *LimitError of %s", err, tt.what)
			}
		})
	}
}

// What a stream remembers of histograms is bounded over all its batches.
func TestDecodeBoundsRememberedBuckets(t *testing.T) {
	limits := DefaultLimits
	limits.Buckets = 10
	enc := NewEncoder()
	a, b := newSchema(t, "a", 0, 2), newSchema(t, "b", 0, 2)
	d := decoderOf(t, limits, a, b)
	var got Batch
	for i, s := range []*Schema{a, b} {
		payload, err := enc.Encode(nil, []Block{oneBlock(s, 1, 0)})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(payload, &got); i == 0 && err != nil || i == 1 && !errors.Is(err, ErrTooLarge) {
			t.Errorf("batch %d: error %v", i, err)
		}
	}
	// Standalone blocks leave nothing behind that counts.
	for range 10 {
		payload, err := EncodeStandalone(nil, []Block{oneBlock(a, 1, 0)})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(payload, &got); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDecodeUnknownSchema(t *testing.T) {
	s := newSchema(t, "up", 1, 0)
	for name, encode := range map[string]func([]byte, []Block) ([]byte, error){
		"stream":     NewEncoder().Encode,
		"standalone": EncodeStandalone,
	} {
		payload, err := encode(nil, []Block{oneBlock(s, 1, 0)})
		if err != nil {
			t.Fatal(err)
		}
		err = NewDecoder(DefaultLimits).Decode(payload, new(Batch))
		var unknown *UnknownSchemaError
		if !errors.As(err, &unknown) || !errors.Is(err, ErrUnknownSchema) || unknown.Hash != s.Hash() {
			t.Errorf("%s: error %v, want an *UnknownSchemaError of %016x", name, err, s.Hash())
		}
	}
}

// After a lost stream payload the stream is over, while standalone ones go on.
func TestDecodeErrorEndsTheStreamOnly(t *testing.T) {
	s := newSchema(t, "up", 1, 1)
	d := decoderOf(t, DefaultLimits, s)
	enc := NewEncoder()
	var got Batch
	payloads := make([][]byte, 3)
	for i := range payloads {
		payloads[i], _ = enc.Encode(nil, []Block{oneBlock(s, 1, int64(i)*1000)})
	}
	if err := d.Decode(payloads[0], &got); err != nil {
		t.Fatal(err)
	}
	first := d.Decode(payloads[1][:len(payloads[1])-1], &got)
	if first == nil {
		t.Fatal("a truncated payload was taken")
	}
	if err := d.Decode(payloads[2], &got); err != first {
		t.Errorf("error %v, want that of the payload before: %v", err, first)
	}
	want := []Block{oneBlock(s, 3, 77)}
	alone, err := EncodeStandalone(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Decode(alone, &got); err != nil {
		t.Fatal(err)
	}
	if diff := equalBlocks(want, got.Blocks); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDecodeMalformed(t *testing.T) {
	s := newSchema(t, "up", 1, 1)
	// head writes a standalone payload up to the ticks of its only block.
	head := func(ticks uint64) *bitWriter {
		w := &bitWriter{buf: []byte{headerStandalone}}
		w.number(1, blocksParameter)
		w.bits(s.Hash(), 64)
		w.number(ticks-1, ticksParameter)
		return w
	}
	// histogram writes one tick up to the shape of the histogram.
	histogram := func(first int64, n uint64) *bitWriter {
		w := head(1)
		w.bits(0, 3) // time, units
		w.length(0)
		w.length(0)
		w.bits(1, 1)
		w.number(zigzag(first), shapeParameter)
		w.number(n, shapeParameter)
		return w
	}
	tests := []struct {
		name string
		want string
		data func() []byte
	}{
		{"empty", "empty", func() []byte { return nil }},
		{"form of another version", "unknown form 0x20", func() []byte { return []byte{0x20, 0} }},
		{"header alone", "truncated", func() []byte { return []byte{headerStream} }},
		{"schema that did not begin", "schema 3 of 0", func() []byte {
			w := &bitWriter{buf: []byte{headerStream}}
			w.number(1, blocksParameter)
			w.number(3, ordinalParameter)
			return w.finish()
		}},
		{"schema begins twice", "begins twice", func() []byte {
			w := &bitWriter{buf: []byte{headerStream}}
			w.number(2, blocksParameter)
			h := new(encoderHistory)
			h.reset(s, 0)
			b := oneBlock(s, 1, 0)
			for range 2 {
				w.number(0, ordinalParameter)
				w.bits(s.Hash(), 64)
				h.encode(w, &b, new(scratch))
			}
			return w.finish()
		}},
		{"times that stand", "time of tick 1", func() []byte {
			w := head(2)
			w.bits(0, 1)
			return append(w.finish(), make([]byte, 20)...)
		}},
		{"times that overflow", "time of tick 1", func() []byte {
			w := head(2)
			w.bits(0b10, 2)
			w.length(zigzag(math.MaxInt64))
			w.number(1, timeParameter)
			return append(w.finish(), make([]byte, 20)...)
		}},
		{"unknown unit", "unknown unit 15", func() []byte {
			w := head(1)
			w.bits(0, 1)
			w.bits(1<<4|15, 5)
			return append(w.finish(), make([]byte, 20)...)
		}},
		{"too many buckets", "1025 buckets of a histogram", func() []byte {
			return append(histogram(0, MaxBuckets+1).finish(), make([]byte, 20)...)
		}},
		{"buckets beyond all numbers", "buckets from", func() []byte {
			return append(histogram(math.MaxInt32, 2).finish(), make([]byte, 20)...)
		}},
		{"zero bucket below zero", "count of the zero bucket", func() []byte {
			w := histogram(0, 0)
			w.number(zigzag(-1), 0)
			return append(w.finish(), make([]byte, 20)...)
		}},
		{"more changes than buckets", "2 of 1 buckets change", func() []byte {
			w := histogram(0, 1)
			w.number(0, 0)
			w.number(2, 0)
			return append(w.finish(), make([]byte, 20)...)
		}},
		{"change outside", "bucket 5 of 1", func() []byte {
			w := histogram(0, 1)
			w.number(0, 0)
			w.number(1, 0)
			w.number(zigzag(5), 0)
			return append(w.finish(), make([]byte, 20)...)
		}},
		{"bucket below zero", "count of bucket 0", func() []byte {
			w := histogram(0, 1)
			w.number(0, 0)
			w.number(1, 0)
			w.number(0, 0)
			w.number(zigzag(-2), 0)
			return append(w.finish(), make([]byte, 20)...)
		}},
		{"bits behind the end", "behind the last block", func() []byte {
			w := &bitWriter{buf: []byte{headerStandalone}}
			w.number(0, blocksParameter)
			w.bits(1, 1)
			return w.finish()
		}},
		{"bytes behind the end", "behind the last block", func() []byte {
			p, _ := EncodeStandalone(nil, nil)
			return append(p, 0)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := decoderOf(t, DefaultLimits, s).Decode(tt.data(), new(Batch))
			var formatErr *FormatError
			if !errors.As(err, &formatErr) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("error %v, want a *FormatError", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q in it", err, tt.want)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	s := newSchema(t, "up", 1, 1)
	tests := []struct {
		name   string
		change func(b *Block)
		want   string
	}{
		{"no schema", func(b *Block) { b.Schema = nil }, "no schema"},
		{"no ticks", func(b *Block) { b.Times = nil }, "no ticks"},
		{"floats", func(b *Block) { b.Floats = b.Floats[1:] }, "1 floats for 2 ticks"},
		{"distributions", func(b *Block) { b.Distributions = nil }, "0 distributions for 2 ticks"},
		{"times", func(b *Block) { b.Times[1] = b.Times[0] }, "time of tick 1"},
		{"count", func(b *Block) { b.Distributions[1].Count++ }, "distribution 0, tick 1: count is 6"},
		{"bucket", func(b *Block) { b.Distributions[0].Buckets[1] = MaxCount + 1 }, "count of bucket -2"},
		{"zero bucket", func(b *Block) { b.Distributions[0].Zero = MaxCount + 1 }, "zero bucket"},
		{"buckets", func(b *Block) { b.Distributions[0].Buckets = make([]uint64, MaxBuckets+1) }, "1025 buckets"},
		{"range", func(b *Block) { b.Distributions[0].First = math.MaxInt32 }, "buckets from"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			enc := NewEncoder()
			bad := oneBlock(s, 2, 0)
			tt.change(&bad)
			dst := []byte("before")
			got, err := enc.Encode(dst, []Block{oneBlock(s, 2, 0), bad})
			var blockErr *BlockError
			if !errors.As(err, &blockErr) || blockErr.Block != 1 || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want a *BlockError of block 1 with %q", err, tt.want)
			}
			if string(got) != "before" || len(enc.histories) != 0 {
				t.Error("the refused batch left something behind")
			}
		})
	}
}

// Once every schema was seen, neither direction allocates.
func TestSteadyStateDoesNotAllocate(t *testing.T) {
	h := newHost(t)
	batches := make([][]Block, 220)
	for i := range batches {
		batches[i] = h.batch(1 + i%2)
	}
	enc, dec := NewEncoder(), NewDecoder(DefaultLimits)
	for i := range h.groups {
		if err := dec.AddSchema(h.groups[i].schema); err != nil {
			t.Fatal(err)
		}
	}
	var got Batch
	buf := make([]byte, 0, 1<<16)
	i := 0
	step := func() {
		payload, err := enc.Encode(buf, batches[i])
		if err == nil {
			err = dec.Decode(payload, &got)
		}
		if err != nil {
			t.Fatal(err)
		}
		i++
	}
	for range 20 {
		step()
	}
	// A histogram that gets a new bucket may allocate, now and then.
	if n := testing.AllocsPerRun(190, step); n >= 1 {
		t.Errorf("%v allocations a batch, want none", n)
	}
}

package wire

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A golden is batches of one stream, or standalone ones.
type golden struct {
	name       string
	standalone bool
	batches    [][]Block
}

func goldens(t testing.TB) []golden {
	schema := func(series ...Series) *Schema {
		s, err := NewSchema(series)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	example := schema(Series{Name: "up", Kind: Float}, Series{Name: "lag", Labels: []Label{{"to", "x"}}, Kind: Distribution})
	cpu := schema(
		Series{Name: "node_cpu_seconds_total", Labels: []Label{{"cpu", "0"}, {"mode", "idle"}}, Kind: Float},
		Series{Name: "node_cpu_seconds_total", Labels: []Label{{"cpu", "0"}, {"mode", "user"}}, Kind: Float},
		Series{Name: "node_memory_MemFree_bytes", Kind: Float},
		Series{Name: "node_vmstat_oom_kill", Kind: Float},
	)
	odd := schema(Series{Name: "odd", Kind: Float})
	const start = 1_700_000_000_000
	lag := func(zero uint64, first int32, buckets ...uint64) Histogram {
		h := Histogram{Count: zero, Zero: zero, First: first, Buckets: buckets}
		for i, n := range buckets {
			h.Count += n
			h.Sum += float64(n) * float64(i+1) / 1000
		}
		return h
	}
	row := func(s *Schema, at int64, floats ...float64) Block {
		return Block{Schema: s, Times: []int64{at}, Floats: floats}
	}

	var stream golden
	stream.name = "stream"
	for k := range int64(6) {
		f := float64(k)
		batch := []Block{row(cpu, start+1000*k, (1000+97*f)/100, (500+2*f)/100, 4096*(100000-f), 0)}
		if k == 2 {
			batch = append(batch, row(odd, start+2000, 7))
		}
		if k == 4 { // late, and of finer units
			batch[0].Times[0] += 250
			batch[0].Floats[1] = 5.1234
			batch[0].Floats[2] += 1024
		}
		stream.batches = append(stream.batches, batch)
	}
	var columns golden
	columns.name = "columns"
	for range 2 {
		b := Block{Schema: cpu, Times: make([]int64, 5), Floats: make([]float64, 20)}
		for k := range 5 {
			n := float64(5*len(columns.batches) + k)
			b.Times[k] = start + 1000*int64(n)
			b.Floats[k], b.Floats[5+k], b.Floats[10+k] = (1000+97*n)/100, 5, 4096*(1000+n*n)
		}
		columns.batches = append(columns.batches, []Block{b})
	}
	columns.batches = append(columns.batches, []Block{{Schema: cpu, Times: []int64{start, start + 7, start + 5000}, Floats: make([]float64, 12)}})

	histograms := golden{name: "histograms"}
	for k, h := range []Histogram{lag(0, 0), lag(0, -160, 1), lag(1, -160, 1, 0, 1), lag(1, -161, 1, 1, 0, 2), lag(1, -161, 1, 1, 0, 3), lag(0, -150, 1)} {
		histograms.batches = append(histograms.batches, []Block{{Schema: example, Times: []int64{start + 1000*int64(k)}, Floats: []float64{1}, Distributions: []Histogram{h}}})
	}

	oddities := golden{name: "oddities"}
	for _, v := range []float64{math.Copysign(0, -1), math.NaN(), math.Float64frombits(0x7ff0000000000002), math.Inf(-1), math.SmallestNonzeroFloat64, math.MaxFloat64, math.Pi, 0} {
		oddities.batches = append(oddities.batches, []Block{row(odd, 0, v)})
	}
	oddities.batches = append(oddities.batches, []Block{row(odd, math.MaxInt64, 1), row(odd, math.MinInt64, 2)}, nil)

	alone := golden{name: "standalone", standalone: true, batches: [][]Block{
		{{Schema: example, Times: []int64{start}, Floats: []float64{1}, Distributions: []Histogram{lag(1, -160, 1, 0, 1)}}},
		{columns.batches[1][0], row(odd, start+5000, 0.5), row(cpu, start, 1, 2, 3, 4)},
		nil,
	}}
	return []golden{stream, columns, histograms, oddities, alone}
}

// describe writes a batch for people, each value with its bits.
func describe(w *bytes.Buffer, blocks []Block) {
	for i := range blocks {
		b := &blocks[i]
		fmt.Fprintf(w, "block of %016x, times %d\n", b.Schema.Hash(), b.Times)
		floats, distributions := b.Floats, b.Distributions
		for _, s := range b.Schema.Series() {
			fmt.Fprintf(w, "  %s%v", s.Name, s.Labels)
			for k := range b.Times {
				if s.Kind == Float {
					fmt.Fprintf(w, " %v(%016x)", floats[k], math.Float64bits(floats[k]))
				} else {
					h := distributions[k]
					fmt.Fprintf(w, " count=%d sum=%v(%016x) zero=%d %d:%d", h.Count, h.Sum, math.Float64bits(h.Sum), h.Zero, h.First, h.Buckets)
				}
			}
			fmt.Fprintln(w)
			if s.Kind == Float {
				floats = floats[len(b.Times):]
			} else {
				distributions = distributions[len(b.Times):]
			}
		}
	}
}

// payloads encodes the batches of g.
func (g *golden) payloads(t testing.TB) [][]byte {
	encode := NewEncoder().Encode
	if g.standalone {
		encode = EncodeStandalone
	}
	var out [][]byte
	for _, blocks := range g.batches {
		p, err := encode(nil, blocks)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// decoder returns a decoder that knows the schemas of g.
func (g *golden) decoder(t testing.TB) *Decoder {
	d := NewDecoder(DefaultLimits)
	for _, blocks := range g.batches {
		for i := range blocks {
			if err := d.AddSchema(blocks[i].Schema); err != nil {
				t.Fatal(err)
			}
		}
	}
	return d
}

var hexLine = regexp.MustCompile(`(?m)^payload (\d+):((?: [0-9a-f]{2})*)$`)

// The encoder writes the bytes of the golden files, and the bytes in the golden
// files decode to what stands beside them.
func TestGolden(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.name, func(t *testing.T) {
			file := filepath.Join("testdata", g.name+".golden")
			var encoded bytes.Buffer
			for i, p := range g.payloads(t) {
				fmt.Fprintf(&encoded, "payload %d: % x\n", i, p)
				describe(&encoded, g.batches[i])
				fmt.Fprintln(&encoded)
			}
			if *update {
				if err := os.WriteFile(file, encoded.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), encoded.String()); diff != "" {
				t.Errorf("encoder: (-want +got)\n%s", diff)
			}

			var decoded bytes.Buffer
			d := g.decoder(t)
			var batch Batch
			for _, match := range hexLine.FindAllSubmatch(want, -1) {
				p, err := hex.DecodeString(strings.ReplaceAll(string(match[2]), " ", ""))
				if err != nil {
					t.Fatal(err)
				}
				if err := d.Decode(p, &batch); err != nil {
					t.Fatalf("payload %s: %v", match[1], err)
				}
				fmt.Fprintf(&decoded, "%s\n", match[0])
				describe(&decoded, batch.Blocks)
				fmt.Fprintln(&decoded)
			}
			if diff := cmp.Diff(string(want), decoded.String()); diff != "" {
				t.Errorf("decoder: (-want +got)\n%s", diff)
			}
		})
	}
}

// A payload that was cut anywhere, or that goes on, is an error.
func TestDecodeTorn(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.name, func(t *testing.T) {
			payloads := g.payloads(t)
			var batch Batch
			for i, whole := range payloads {
				torn := [][]byte{append(bytes.Clone(whole), 0), append(bytes.Clone(whole), 0xff)}
				for n := range whole {
					torn = append(torn, whole[:n])
				}
				for _, p := range torn {
					d := g.decoder(t)
					for _, before := range payloads[:i] {
						if err := d.Decode(before, &batch); err != nil {
							t.Fatal(err)
						}
					}
					if err := d.Decode(p, &batch); err == nil {
						t.Errorf("payload %d: %d bytes of %d were taken", i, len(p), len(whole))
					}
				}
			}
		})
	}
}

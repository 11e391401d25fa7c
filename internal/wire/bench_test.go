package wire

import (
	"fmt"
	"testing"
)

// recording is the batches of a host over so many ticks each.
func recording(b *testing.B, ticks, batches int) [][]Block {
	h := newHost(b)
	out := make([][]Block, batches)
	for i := range out {
		out[i] = h.batch(ticks)
	}
	return out
}

// floatsOnly returns the batches without the schemas that have histograms.
func floatsOnly(batches [][]Block) [][]Block {
	out := make([][]Block, len(batches))
	for i, blocks := range batches {
		for _, b := range blocks {
			if len(b.Distributions) == 0 {
				out[i] = append(out[i], b)
			}
		}
	}
	return out
}

func samplesOf(batches [][]Block) int {
	n := 0
	for _, blocks := range batches {
		for i := range blocks {
			n += blocks[i].Samples()
		}
	}
	return n
}

// Each workload: a name, and its batches; the first is the warm-up, in which
// the schemas and the first values travel.
func workloads(b *testing.B, run func(b *testing.B, batches [][]Block)) {
	for _, ticks := range []int{1, 10, 60} {
		batches := recording(b, ticks, max(600/ticks, 20))
		b.Run(fmt.Sprintf("ticks=%d", ticks), func(b *testing.B) { run(b, batches) })
		b.Run(fmt.Sprintf("ticks=%d/floats", ticks), func(b *testing.B) { run(b, floatsOnly(batches)) })
	}
}

func BenchmarkEncode(b *testing.B) {
	workloads(b, func(b *testing.B, batches [][]Block) {
		b.ReportAllocs()
		samples := samplesOf(batches[1:])
		enc := NewEncoder()
		var buf []byte
		buf, _ = enc.Encode(buf[:0], batches[0])
		bytes, rounds := 0, 0
		for b.Loop() {
			for _, blocks := range batches[1:] {
				buf, _ = enc.Encode(buf[:0], blocks)
				if rounds == 0 {
					bytes += len(buf)
				}
			}
			rounds++
		}
		b.ReportMetric(float64(bytes)/float64(samples), "bytes/sample")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(samples*rounds), "ns/sample")
	})
}

func BenchmarkEncodeStandalone(b *testing.B) {
	workloads(b, func(b *testing.B, batches [][]Block) {
		b.ReportAllocs()
		samples := samplesOf(batches)
		var buf []byte
		bytes, rounds := 0, 0
		for b.Loop() {
			for _, blocks := range batches {
				buf, _ = EncodeStandalone(buf[:0], blocks)
				if rounds == 0 {
					bytes += len(buf)
				}
			}
			rounds++
		}
		b.ReportMetric(float64(bytes)/float64(samples), "bytes/sample")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(samples*rounds), "ns/sample")
	})
}

func BenchmarkDecode(b *testing.B) {
	workloads(b, func(b *testing.B, batches [][]Block) {
		b.ReportAllocs()
		// The payloads of ten minutes, decoded again and again: after each
		// round the stream begins anew, outside the measurement.
		samples := samplesOf(batches[1:])
		enc := NewEncoder()
		payloads := make([][]byte, len(batches))
		for i, blocks := range batches {
			payloads[i], _ = enc.Encode(nil, blocks)
		}
		var got Batch
		rounds := 0
		for b.Loop() {
			b.StopTimer()
			dec := NewDecoder(DefaultLimits)
			for i := range batches[0] {
				if err := dec.AddSchema(batches[0][i].Schema); err != nil {
					b.Fatal(err)
				}
			}
			if err := dec.Decode(payloads[0], &got); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			for _, p := range payloads[1:] {
				if err := dec.Decode(p, &got); err != nil {
					b.Fatal(err)
				}
			}
			rounds++
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(samples*rounds), "ns/sample")
	})
}

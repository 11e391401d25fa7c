package spool

import (
	"fmt"
	"log/slog"
	"testing"
	"time"
)

// A batch of the size that an agent with 250 series has: about 300 bytes a
// second once ten are in one payload.
const benchPayload = 300

func benchOptions(b *testing.B) Options {
	payload := make([]byte, 10*benchPayload)
	schemas := []Schema{{Data: make([]byte, 8<<10)}}
	return Options{
		Dir: b.TempDir(), FlushAfter: time.Hour, MemoryBytes: 64 << 20, Logger: slog.New(slog.DiscardHandler),
		MaxAge: 100 * 365 * 24 * time.Hour, // of the times in benchBatch
		Encode: func(c []any) (Payload, error) {
			return Payload{Data: payload[:min(len(c)*benchPayload, len(payload))], Schemas: schemas}, nil
		},
	}
}

func benchBatch(i int) Batch {
	at := int64(1e12) + int64(i)
	return Batch{First: at, Last: at, Samples: 250, Size: 24 << 10, Content: &at}
}

// BenchmarkAppendAck is the steady state: the server acknowledges in time.
func BenchmarkAppendAck(b *testing.B) {
	o := benchOptions(b)
	s := mustOpen(b, o)
	batch := benchBatch(0)
	b.ReportAllocs()
	for b.Loop() {
		lane, seq, err := s.Append(batch)
		if err != nil {
			b.Fatal(err)
		}
		s.Ack(lane, seq)
	}
}

// BenchmarkFlush is an outage: batches go to disk, ten in a record. With ten it
// shows what one flush of the disk takes, with a thousand the throughput. With
// one it is what FlushAfter 0 costs.
func BenchmarkFlush(b *testing.B) {
	for _, batches := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("batches=%d", batches), func(b *testing.B) { benchmarkFlush(b, batches) })
	}
}

func benchmarkFlush(b *testing.B, batches int) {
	o := benchOptions(b)
	s := mustOpen(b, o)
	b.SetBytes(int64(batches) * benchPayload)
	b.ReportAllocs()
	for b.Loop() {
		for i := range batches {
			if _, _, err := s.Append(benchBatch(i)); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Flush(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReplay reads a backlog of 64 MiB.
func BenchmarkReplay(b *testing.B) {
	o := benchOptions(b)
	s := mustOpen(b, o)
	const records = 64 << 20 / (10 * benchPayload)
	for i := range 10 * records {
		if _, _, err := s.Append(benchBatch(i)); err != nil {
			b.Fatal(err)
		}
		if i%1000 == 999 {
			if err := s.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
	read := 0
	var r *Reader
	b.SetBytes(10 * benchPayload)
	b.ReportAllocs()
	for b.Loop() {
		if r == nil {
			r = s.NewReader(1 << 40)
		}
		_, ok, err := r.Live()
		if err != nil {
			b.Fatal(err)
		}
		if !ok {
			r.Close()
			r = nil
			continue
		}
		read++
	}
	b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkOpen opens a full spool of 256 MiB.
func BenchmarkOpen(b *testing.B) {
	o := benchOptions(b)
	payload := make([]byte, 200<<10)
	o.Encode = func([]any) (Payload, error) { return Payload{Data: payload}, nil }
	s := mustOpen(b, o)
	for i := range 256 << 20 / len(payload) {
		if _, _, err := s.Append(benchBatch(i)); err != nil {
			b.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	s.Close()
	for b.Loop() {
		s, err := Open(o)
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

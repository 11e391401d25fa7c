package local

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"sonde.dev/sonde/internal/durable"
	"sonde.dev/sonde/internal/wire"
	"sonde.dev/sonde/server/internal/series"
)

const benchAgents, benchFloats, benchHistograms = 100, 195, 5

// fleet is what benchAgents agents send at once: counters, gauges and
// histograms of recorders, k ticks of 1 s each.
type fleet struct {
	writes []*series.Write
	random *rand.Rand
	done   sync.WaitGroup
	now    int64
	k      int
}

func newFleet(b *testing.B, k int) *fleet {
	f := &fleet{now: epoch, k: k, random: rand.New(rand.NewPCG(1, 2))}
	for a := range benchAgents {
		var all []series.Series
		for i := range benchFloats {
			all = append(all, metric("node_some_metric_seconds_total", "agent", fmt.Sprint(a), "device", fmt.Sprint(i), "job", "node"))
		}
		for i := range benchHistograms {
			s := metric("sonde_probe_duration_seconds", "agent", fmt.Sprint(a), "probe", fmt.Sprint(i), "job", "node")
			s.Histogram = true
			all = append(all, s)
		}
		rows := series.Rows{
			Target: series.NewTarget(all), Times: make([]int64, k),
			Floats: make([]float64, k*benchFloats), Histograms: make([]wire.Histogram, k*benchHistograms),
		}
		for i := range rows.Histograms {
			rows.Histograms[i] = wire.Histogram{First: -140, Buckets: make([]uint64, 40)}
		}
		f.writes = append(f.writes, &series.Write{Rows: []series.Rows{rows}, Done: func(r series.Result, err error) {
			if err != nil || r.Stored != uint64(k*(benchFloats+benchHistograms)) {
				b.Errorf("result %+v, %v", r, err)
			}
			f.done.Done()
		}})
	}
	f.fill()
	return f
}

func (f *fleet) samples() int { return benchAgents * f.k * (benchFloats + benchHistograms) }

// fill makes the values of the next k ticks.
func (f *fleet) fill() {
	for _, w := range f.writes {
		r := &w.Rows[0]
		for i := range benchFloats {
			column := r.Floats[i*f.k : (i+1)*f.k]
			v := column[f.k-1]
			for j := range column {
				switch i % 3 {
				case 0: // a counter
					v += float64(f.random.IntN(1000))
				case 1: // a gauge
					v = f.random.Float64() * 100
				} // else a constant
				column[j] = v
			}
		}
		for i := range benchHistograms {
			column := r.Histograms[i*f.k : (i+1)*f.k]
			before := column[f.k-1]
			for j := range column {
				h := &column[j]
				copy(h.Buckets, before.Buckets)
				n := f.random.IntN(len(h.Buckets))
				h.Buckets[n]++
				h.Count, h.Sum = before.Count+1, before.Sum+f.random.Float64()
				before = *h
			}
		}
	}
}

// tick moves the times on.
func (f *fleet) tick() {
	for _, w := range f.writes {
		for j := range w.Rows[0].Times {
			w.Rows[0].Times[j] = f.now + int64(j)*1000
		}
	}
	f.now += int64(f.k) * 1000
}

func (f *fleet) send(b *testing.B, s *Store) {
	f.tick()
	f.done.Add(len(f.writes))
	for _, w := range f.writes {
		if err := s.Append(context.Background(), w); err != nil {
			b.Fatal(err)
		}
	}
	f.done.Wait()
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend is the cost of a tick of the whole fleet, fsync included: k is
// the number of ticks in a batch, as of submission intervals of 1 s and 10 s.
func BenchmarkAppend(b *testing.B) {
	for _, k := range []int{1, 10} {
		b.Run(fmt.Sprintf("k=%d", k), func(b *testing.B) {
			s, err := open(Options{Dir: b.TempDir(), MinFree: 1, Logger: slog.New(slog.DiscardHandler)},
				tuning{segmentSize: 128 << 20, flush: durable.SyncData})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			f := newFleet(b, k)
			f.send(b, s)
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				b.StopTimer()
				cpu := cpuTime(b)
				f.fill()
				before += cpuTime(b) - cpu
				b.StartTimer()
				f.send(b, s)
			}
			spent := float64(b.N * f.samples())
			b.ReportMetric(float64(cpuTime(b)-before)/spent, "cpu-ns/sample")
			b.ReportMetric(float64(b.Elapsed())/spent, "ns/sample")
		})
	}
}

// BenchmarkAppendAlone is the cost of one agent's tick in a group of its own: what
// the commit and the flush cost beside the samples.
func BenchmarkAppendAlone(b *testing.B) {
	s, err := open(Options{Dir: b.TempDir(), MinFree: 1, Logger: slog.New(slog.DiscardHandler)},
		tuning{segmentSize: 128 << 20, flush: durable.SyncData})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	f := newFleet(b, 1)
	f.writes = f.writes[:1]
	f.send(b, s)
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		f.send(b, s)
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// BenchmarkSecond is a second of the life of the fleet, idle time and cold caches
// included: its batches arrive within the time given, from ticks that are
// aligned (20 ms) to the worst case (evenly). An op is a second.
func BenchmarkSecond(b *testing.B) {
	for _, within := range []time.Duration{20 * time.Millisecond, time.Second} {
		for _, pace := range []time.Duration{0, pace} {
			b.Run(fmt.Sprintf("within=%v/pace=%v", within, pace), func(b *testing.B) {
				s, err := open(Options{Dir: b.TempDir(), MinFree: 1, Logger: slog.New(slog.DiscardHandler)},
					tuning{segmentSize: 128 << 20, flush: durable.SyncData, pace: pace})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				f := newFleet(b, 1)
				f.send(b, s)
				before := cpuTime(b)
				for b.Loop() {
					began := time.Now()
					f.tick()
					f.done.Add(len(f.writes))
					for i, w := range f.writes {
						if i%4 == 0 { // fewer wake-ups of this goroutine
							time.Sleep(time.Until(began.Add(within * time.Duration(i) / benchAgents)))
						}
						if err := s.Append(context.Background(), w); err != nil {
							b.Fatal(err)
						}
					}
					f.done.Wait()
					time.Sleep(time.Until(began.Add(time.Second)))
				}
				b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N*f.samples()), "cpu-ns/sample")
			})
		}
	}
}

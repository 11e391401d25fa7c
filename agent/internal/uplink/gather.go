package uplink

import (
	"sync"
	"time"

	"sonde.dev/sonde/agent/internal/sample"
	"sonde.dev/sonde/agent/internal/spool"
)

const (
	// maxBatchBytes bounds a batch of several ticks.
	maxBatchBytes = 1 << 20
	// maxGatheredBytes bounds what waits for a spool whose disk hangs.
	maxGatheredBytes = 8 << 20
)

// batch is the content of a batch of the spool.
type batch struct {
	ticks  []sample.Tick
	size   int // bytes of memory, about
	sealed time.Time
}

func (b *batch) samples() (n uint64) {
	for _, t := range b.ticks {
		n += samplesOf(t)
	}
	return n
}

// spooled returns b as the spool takes it. It must hold a tick, and not change
// any more.
func (b *batch) spooled() spool.Batch {
	s := spool.Batch{
		First: b.ticks[0].Time, Last: b.ticks[0].Time, Samples: uint32(b.samples()), Size: b.size, Content: b,
	}
	for _, t := range b.ticks {
		s.First, s.Last = min(s.First, t.Time), max(s.Last, t.Time)
	}
	return s
}

// gatherer puts ticks into batches. It is safe for concurrent use, and its
// methods never wait for a disk.
type gatherer struct {
	// full has a value when a batch is to leave before its time.
	full chan struct{}

	mu      sync.Mutex
	open    batch
	ready   []*batch
	size    int // of all that is ready
	taken   uint64
	dropped spool.Lost
}

func newGatherer() *gatherer { return &gatherer{full: make(chan struct{}, 1)} }

// add puts a tick into the batch that is being gathered.
func (g *gatherer) add(t sample.Tick) {
	size := tickBytes(t)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken += samplesOf(t)
	if g.open.size+size > maxBatchBytes {
		g.seal()
		select {
		case g.full <- struct{}{}:
		default:
		}
	}
	g.open.ticks = append(g.open.ticks, t)
	g.open.size += size
}

// seal ends the batch that is being gathered. It needs mu.
func (g *gatherer) seal() {
	if len(g.open.ticks) == 0 {
		return
	}
	b := g.open
	b.sealed = time.Now()
	g.ready = append(g.ready, &b)
	g.size += b.size
	g.open = batch{ticks: make([]sample.Tick, 0, len(b.ticks))}
	for g.size > maxGatheredBytes && len(g.ready) > 1 {
		g.lose(g.ready[0])
		g.size -= g.ready[0].size
		g.ready = g.ready[1:]
	}
}

// take returns all that was gathered, in order.
func (g *gatherer) take() []*batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seal()
	ready := g.ready
	g.ready, g.size = nil, 0
	return ready
}

// drop counts a batch that cannot be kept.
func (g *gatherer) drop(b *batch) {
	g.mu.Lock()
	g.lose(b)
	g.mu.Unlock()
}

// lose needs mu.
func (g *gatherer) lose(b *batch) {
	s := b.spooled()
	g.dropped.Add(uint64(s.Samples), s.First, s.Last)
}

// counts returns how many samples were added and which of them were dropped.
func (g *gatherer) counts() (taken uint64, dropped spool.Lost) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.taken, g.dropped
}

func samplesOf(t sample.Tick) uint64 { return uint64(len(t.Floats) + len(t.Distributions)) }

// tickBytes is about what a tick holds in memory.
func tickBytes(t sample.Tick) int {
	n := 96 + 8*len(t.Floats)
	for i := range t.Distributions {
		n += 64 + 8*len(t.Distributions[i].Buckets)
	}
	return n
}

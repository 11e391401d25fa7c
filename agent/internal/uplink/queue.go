package uplink

import (
	"sync"
	"time"

	"sonde.dev/sonde/agent/internal/sample"
)

// batch is what one submission carries.
type batch struct {
	seq    uint64
	ticks  []sample.Tick
	size   int // bytes of memory, about
	sealed time.Time
}

func (b *batch) samples() (n uint64) {
	for _, t := range b.ticks {
		n += uint64(len(t.Floats) + len(t.Distributions))
	}
	return n
}

// queue keeps ticks from when they are taken until the server has acknowledged
// the batch they left in. It holds at most limit bytes: beyond that the oldest
// batch goes, and is counted. It is safe for concurrent use.
type queue struct {
	limit int
	// wake has a value when there may be something new to send.
	wake chan struct{}
	// delay is how long batches took from being sealed to being acknowledged.
	delay sample.Histogram

	mu      sync.Mutex
	open    batch
	sealed  []batch // ascending by seq
	lastSeq uint64
	size    int
	taken   uint64
	acked   uint64
	dropped uint64
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, wake: make(chan struct{}, 1)}
}

// add puts a tick into the batch that is being gathered. A batch that grows
// beyond maxBatchBytes is sealed at once.
func (q *queue) add(t sample.Tick) {
	q.mu.Lock()
	size := tickBytes(t)
	q.open.ticks = append(q.open.ticks, t)
	q.open.size += size
	q.size += size
	q.taken += uint64(len(t.Floats) + len(t.Distributions))
	full := q.open.size >= maxBatchBytes
	if full {
		q.sealLocked()
	}
	q.mu.Unlock()
	if full {
		q.signal()
	}
}

// seal ends the batch that is being gathered, so that it can be sent.
func (q *queue) seal() {
	q.mu.Lock()
	q.sealLocked()
	q.mu.Unlock()
	q.signal()
}

func (q *queue) sealLocked() {
	if len(q.open.ticks) == 0 {
		return
	}
	q.lastSeq++
	q.open.seq = q.lastSeq
	q.open.sealed = time.Now()
	q.sealed = append(q.sealed, q.open)
	q.open = batch{ticks: make([]sample.Tick, 0, len(q.open.ticks))}
	for q.size > q.limit && len(q.sealed) > 1 {
		q.dropped += q.sealed[0].samples()
		q.popLocked()
	}
}

func (q *queue) popLocked() {
	q.size -= q.sealed[0].size
	q.sealed[0] = batch{}
	q.sealed = q.sealed[1:]
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// after returns the first batch with a sequence number above seq.
func (q *queue) after(seq uint64) (batch, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.sealed) == 0 || q.sealed[len(q.sealed)-1].seq <= seq {
		return batch{}, false
	}
	// Sequence numbers have no holes, so the place follows from the distance.
	first := q.sealed[0].seq
	if seq < first {
		return q.sealed[0], true
	}
	return q.sealed[seq-first+1], true
}

// ack forgets all batches up to and including seq.
func (q *queue) ack(seq uint64) {
	q.mu.Lock()
	for len(q.sealed) > 0 && q.sealed[0].seq <= seq {
		q.delay.Record(time.Since(q.sealed[0].sealed).Seconds())
		q.acked += q.sealed[0].samples()
		q.popLocked()
	}
	q.mu.Unlock()
	q.signal()
}

// counts are of samples but for pending, which is of batches.
type counts struct {
	pending               int
	taken, acked, dropped uint64
}

func (q *queue) counts() counts {
	q.mu.Lock()
	defer q.mu.Unlock()
	return counts{len(q.sealed), q.taken, q.acked, q.dropped}
}

// tickBytes is about what a tick holds in memory.
func tickBytes(t sample.Tick) int {
	n := 96 + 8*len(t.Floats)
	for i := range t.Distributions {
		n += 64 + 8*len(t.Distributions[i].Buckets)
	}
	return n
}

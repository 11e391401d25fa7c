// Package queue holds the Writes that a store has taken and not yet dealt with.
//
// It promises that a Write which was queued has its Done called once, by whoever
// takes it, and that no more samples are queued than there is room for, but for
// one Write that is larger and then has the queue alone.
//
// It does not decide when Writes are taken, nor how many of them are one piece of
// work.
package queue

import (
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"sonde.dev/sonde/server/internal/series"
)

// Queue is between those who append and the one goroutine that takes. Append,
// Samples and Close are safe for concurrent use; the rest is for that goroutine.
type Queue struct {
	limit   int64
	plenty  int64
	room    *semaphore.Weighted // limit, given back by Done
	samples atomic.Int64        // that hold room
	wake    chan struct{}       // holds one token when the taker must look

	mu     sync.Mutex
	writes []*series.Write
	closed bool
}

// New returns a queue for so many samples; plenty of them are worth waking a taker
// that waits for more.
func New(limit, plenty int) *Queue {
	return &Queue{
		limit:  int64(limit),
		plenty: int64(plenty),
		room:   semaphore.NewWeighted(int64(limit)),
		wake:   make(chan struct{}, 1),
	}
}

// Append implements [series.Appender].
func (q *Queue) Append(ctx context.Context, w *series.Write) error {
	if err := w.Check(); err != nil {
		return err
	}
	cost := q.cost(w)
	if err := q.room.Acquire(ctx, cost); err != nil {
		return err
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		q.room.Release(cost)
		return series.ErrClosed
	}
	q.writes = append(q.writes, w)
	first := len(q.writes) == 1
	plenty := q.samples.Add(cost) >= q.plenty
	q.mu.Unlock()
	if first || plenty {
		q.signal()
	}
	return nil
}

// cost returns the room that w takes.
func (q *Queue) cost(w *series.Write) int64 {
	return min(int64(max(w.Samples(), 1)), q.limit)
}

func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Samples returns how many samples are queued, or taken and not Done.
func (q *Queue) Samples() int64 { return q.samples.Load() }

// Wait blocks until there is a Write to take, and returns true; or until the queue
// is closed and empty, and returns false.
func (q *Queue) Wait() bool {
	for {
		q.mu.Lock()
		queued, closed := len(q.writes) > 0, q.closed
		q.mu.Unlock()
		if queued || closed {
			return queued
		}
		<-q.wake
	}
}

// Pressing reports that there is no point in waiting for more before a Take: there
// is plenty, or no more comes.
func (q *Queue) Pressing() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed || q.samples.Load() >= q.plenty
}

// Wake has a value when Pressing may have changed.
func (q *Queue) Wake() <-chan struct{} { return q.wake }

// Take swaps what is queued for an empty slice. Each Write is for Done.
func (q *Queue) Take(empty []*series.Write) []*series.Write {
	q.mu.Lock()
	defer q.mu.Unlock()
	writes := q.writes
	q.writes = empty
	return writes
}

// Done calls the Write's Done, and gives back its room.
func (q *Queue) Done(w *series.Write, result series.Result, err error) {
	// Whoever is called may use the Write anew.
	cost := q.cost(w)
	w.Done(result, err)
	q.samples.Add(-cost)
	q.room.Release(cost)
}

// Close lets Append take nothing more.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

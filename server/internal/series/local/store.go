package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"golang.org/x/sync/semaphore"

	"sonde.dev/sonde/server/internal/series"
)

// Store is an open store. All its methods are safe for concurrent use.
type Store struct {
	options Options
	tuning  tuning
	db      *tsdb.DB
	lock    *os.File
	metrics *metrics
	// registry holds all metrics of the store and of the library.
	registry *prometheus.Registry

	room   *semaphore.Weighted // QueueSamples, given back after Done
	queued atomic.Int64        // samples that hold room
	wake   chan struct{}       // holds one token when the committer must look

	mu     sync.Mutex
	queue  []*series.Write
	closed bool

	stopped chan struct{} // closed when the committer has returned
	failed  chan struct{} // closed once failure is set
	failure error         // written once, before failed is closed

	closing  sync.Once
	closeErr error

	committer committer
}

var _ series.Appender = (*Store)(nil)

// Append implements series.Appender. A Write of more samples than the queue
// holds waits until the queue is empty and then has it alone.
func (s *Store) Append(ctx context.Context, w *series.Write) error {
	if err := w.Check(); err != nil {
		return err
	}
	cost := s.cost(w)
	if err := s.room.Acquire(ctx, cost); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.room.Release(cost)
		return series.ErrClosed
	}
	s.queue = append(s.queue, w)
	first := len(s.queue) == 1
	plenty := s.queued.Add(cost) >= s.plenty()
	s.mu.Unlock()
	if first || plenty {
		s.signal()
	}
	return nil
}

// plenty is how many queued samples are committed without waiting for more.
func (s *Store) plenty() int64 { return min(groupSamples, int64(s.options.QueueSamples)/2) }

// cost returns the room that w takes in the queue.
func (s *Store) cost(w *series.Write) int64 {
	return int64(min(max(w.Samples(), 1), s.options.QueueSamples))
}

func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take swaps the queue for an empty one.
func (s *Store) take(empty []*series.Write) (writes []*series.Write) {
	s.mu.Lock()
	defer s.mu.Unlock()
	writes, s.queue = s.queue, empty
	return writes
}

// state reports whether Writes are queued, and whether more may come.
func (s *Store) state() (queued, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) > 0, !s.closed
}

// Queryable returns the samples for queries, until Close.
func (s *Store) Queryable() storage.Queryable { return s.db }

// Err returns nil, or why the store has failed.
func (s *Store) Err() error {
	select {
	case <-s.failed:
		return s.failure
	default:
		return nil
	}
}

// Ready returns why the store cannot be used, or nil.
func (s *Store) Ready(context.Context) error { return s.Err() }

// Wait blocks until the store has failed, and returns why, or until ctx ends,
// and returns nil.
func (s *Store) Wait(ctx context.Context) error {
	select {
	case <-s.failed:
		return s.failure
	case <-ctx.Done():
		return nil
	}
}

// fail makes the store acknowledge nothing any more. It belongs to the committer.
func (s *Store) fail(cause error) {
	s.failure = fmt.Errorf("%w: %s: %w", series.ErrFailed, s.options.Dir, cause)
	s.options.Logger.Error("the sample store has failed: nothing is acknowledged until it is opened anew",
		"dir", s.options.Dir, "err", cause)
	close(s.failed)
}

// Close stops taking Writes, commits those that are queued, calls each Done, and
// closes the store. It returns when all is done; later calls wait for the first.
// Queries must have ended.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.signal()
		<-s.stopped
		if s.options.Registerer != nil {
			s.options.Registerer.Unregister(s.registry)
		}
		s.closeErr = errors.Join(s.committer.close(), s.db.Close(), s.lock.Close())
	})
	return s.closeErr
}

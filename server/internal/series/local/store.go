package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"sonde.dev/sonde/server/internal/series"
	"sonde.dev/sonde/server/internal/series/queue"
	"sonde.dev/sonde/server/internal/series/rollup"
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

	queue *queue.Queue

	tiers       *rollup.Tiers // nil for none
	stopRolling func()        // ends what startRolling began, and waits for it

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
func (s *Store) Append(ctx context.Context, w *series.Write) error { return s.queue.Append(ctx, w) }

// Queryable returns the samples for queries, until Close.
func (s *Store) Queryable() storage.Queryable { return s.db }

// Tiers returns coarser forms of the samples, until Close; nil for none.
func (s *Store) Tiers() series.Tiers {
	if s.tiers == nil {
		return nil
	}
	return s.tiers
}

// startRolling begins to roll up.
func (s *Store) startRolling() {
	s.tiers.Attach(s.db)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.tiers.Run(ctx)
	}()
	s.stopRolling = func() {
		cancel()
		<-ended
	}
}

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
		s.queue.Close()
		<-s.stopped
		if s.options.Registerer != nil {
			s.options.Registerer.Unregister(s.registry)
		}
		if s.tiers != nil {
			s.stopRolling()
			s.closeErr = s.tiers.Close()
		}
		s.closeErr = errors.Join(s.closeErr, s.committer.close(), s.db.Close(), s.lock.Close())
	})
	return s.closeErr
}

package remote

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"sonde.dev/sonde/server/internal/series"
)

// Store is a store elsewhere. All its methods are safe for concurrent use.
type Store struct {
	options Options
	client  *http.Client
	metrics *metrics

	room   *semaphore.Weighted // QueueSamples, given back after Done
	queued atomic.Int64        // samples that hold room
	wake   chan struct{}       // holds one token when the sender must look

	mu     sync.Mutex
	queue  []*series.Write
	closed bool
	// refusing is why the newest request failed; nil when it did not.
	refusing error

	stopped chan struct{} // closed when the sender has returned

	sender sender
	probe  probe
}

var _ series.Appender = (*Store)(nil)

// Open makes a Store. It does not ask the store for anything: one that is down
// now may be up when there are samples.
func Open(o Options) (*Store, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	s := &Store{
		options: o,
		client:  client,
		room:    semaphore.NewWeighted(int64(o.QueueSamples)),
		wake:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
	}
	// 2.0 counts what it took, by which the parts of a histogram would be some.
	s.sender.v1 = o.Histograms == VMRange
	s.metrics = newMetrics(s)
	go s.run()
	return s, nil
}

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
	s.queued.Add(cost)
	s.mu.Unlock()
	s.signal()
	return nil
}

func (s *Store) cost(w *series.Write) int64 {
	return int64(min(max(w.Samples(), 1), s.options.QueueSamples))
}

func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take swaps the queue for an empty one and reports whether more may come.
func (s *Store) take(empty []*series.Write) (writes []*series.Write, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	writes, s.queue = s.queue, empty
	return writes, !s.closed
}

// run sends what is queued until the store is closed and the queue is empty.
func (s *Store) run() {
	defer close(s.stopped)
	var spare []*series.Write
	for range s.wake {
		for {
			writes, open := s.take(spare[:0])
			if len(writes) == 0 {
				if !open {
					return
				}
				spare = writes
				break
			}
			s.send(writes)
			clear(writes)
			spare = writes
		}
	}
}

// send delivers all the writes and calls their Done. Once one has found the
// store down for Patience, those behind it are not tried.
func (s *Store) send(writes []*series.Write) {
	deadline := time.Now().Add(s.options.Patience)
	for len(writes) > 0 {
		n, runs, results := s.group(writes)
		err := s.deliver(deadline, runs, results)
		for i, w := range writes[:n] {
			cost := s.cost(w)
			result := results[i]
			if err != nil {
				result = series.Result{}
			} else {
				s.metrics.stored.Add(float64(result.Stored))
				for _, r := range result.Refused {
					s.metrics.refused[r.Reason].Add(float64(r.Samples))
				}
			}
			w.Done(result, err)
			s.queued.Add(-cost)
			s.room.Release(cost)
		}
		writes = writes[n:]
	}
}

// note keeps what became of the newest request, for Ready, and logs changes.
func (s *Store) note(err error) {
	s.mu.Lock()
	before := s.refusing
	s.refusing = err
	s.mu.Unlock()
	switch {
	case err != nil && before == nil:
		s.options.Logger.Warn("the store does not take samples, agents keep theirs", "url", s.options.WriteURL, "error", err)
	case err == nil && before != nil:
		s.options.Logger.Info("the store takes samples again", "url", s.options.WriteURL)
	}
}

// Wait blocks until ctx ends: a store elsewhere never fails for good.
func (s *Store) Wait(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Close stops taking Writes, sends those that are queued, gives up when the store
// is down for Patience and one request more, calls each Done and returns. Queries must have ended.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.signal()
	<-s.stopped
	s.metrics.unregister()
	s.client.CloseIdleConnections()
	return nil
}

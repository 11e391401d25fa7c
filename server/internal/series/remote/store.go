package remote

import (
	"context"
	"net/http"
	"sync"
	"time"

	"sonde.dev/sonde/server/internal/series"
	"sonde.dev/sonde/server/internal/series/queue"
)

// Store is a store elsewhere. All its methods are safe for concurrent use.
type Store struct {
	options Options
	client  *http.Client
	metrics *metrics

	queue *queue.Queue

	mu sync.Mutex
	// refusing is why the newest request failed; nil when it did not. The store may
	// be asked again from retryAt on.
	refusing error
	retryAt  time.Time

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
		queue:   queue.New(o.QueueSamples, o.QueueSamples),
		stopped: make(chan struct{}),
	}
	// 2.0 counts what it took, by which the parts of a histogram would be some.
	s.sender.encoder = newEncoder(o.Histograms == VMRange)
	s.metrics = newMetrics(s)
	go s.run()
	return s, nil
}

// Append implements series.Appender. A Write of more samples than the queue
// holds waits until the queue is empty and then has it alone.
func (s *Store) Append(ctx context.Context, w *series.Write) error { return s.queue.Append(ctx, w) }

// run sends what is queued until the store is closed and the queue is empty.
func (s *Store) run() {
	defer close(s.stopped)
	var spare []*series.Write
	for s.queue.Wait() {
		writes := s.queue.Take(spare[:0])
		s.send(writes)
		clear(writes)
		spare = writes
	}
}

// send delivers all the writes and calls their Done. Once one has found the
// store down for Patience, those behind it are not tried.
func (s *Store) send(writes []*series.Write) {
	s.sender.deadline = time.Time{}
	for len(writes) > 0 {
		n, runs, results := s.group(writes, s.sender.spare)
		err := s.deliver(runs, results)
		clear(runs[:cap(runs)])
		s.sender.spare = runs[:0]
		for i, w := range writes[:n] {
			result := results[i]
			if err != nil {
				result = series.Result{}
			} else {
				s.metrics.stored.Add(float64(result.Stored))
				for _, r := range result.Refused {
					s.metrics.refused[r.Reason].Add(float64(r.Samples))
				}
			}
			s.queue.Done(w, result, err)
		}
		writes = writes[n:]
	}
}

// note keeps what became of the newest request, for Ready, and logs changes.
func (s *Store) note(err error, retryAt time.Time) {
	s.mu.Lock()
	before := s.refusing
	s.refusing, s.retryAt = err, retryAt
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
	s.queue.Close()
	<-s.stopped
	s.metrics.unregister()
	s.client.CloseIdleConnections()
	return nil
}

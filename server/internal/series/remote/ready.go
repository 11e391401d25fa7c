package remote

import (
	"context"
	"net/url"
	"sync"
	"time"
)

// probeAge is how long what a probe has found is taken to hold: anybody may ask
// whether the server is ready, and the store is not to be asked as often.
const probeAge = time.Second

// refusalAge is for how long a failed write counts after the store might have been
// asked again: a server whose agents have left it writes nothing, and would
// otherwise never be ready for them to come back.
const refusalAge = 15 * time.Second

// probe is what was found when the store was asked last whether it answers.
type probe struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// Ready says why the store cannot be written to or read from now, or nil.
func (s *Store) Ready(ctx context.Context) error {
	s.mu.Lock()
	err, until := s.refusing, s.retryAt.Add(refusalAge)
	s.mu.Unlock()
	if err != nil && time.Now().Before(until) {
		return err
	}
	p := &s.probe
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.at) < probeAge {
		return p.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.Patience)
	defer cancel()
	err = s.get(ctx, "query", url.Values{"query": {"1"}}, new(any))
	if err != nil && p.err == nil {
		s.options.Logger.Warn("the store does not answer queries", "url", s.options.ReadURL, "error", err)
	}
	p.at, p.err = time.Now(), err
	return err
}

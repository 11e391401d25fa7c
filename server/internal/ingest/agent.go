package ingest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// agent is what the server remembers of an agent from session to session, as
// long as it runs.
type agent struct {
	session    *session // under Ingest.mu
	superseded []string // under Ingest.mu: boots whose place another took
	fence      uint64   // under Ingest.mu: the highest generation seen elsewhere
	storedSeen int64    // of the goroutine that stores sightings

	lastSeen       atomic.Int64 // ms since 1970
	samplesStored  atomic.Uint64
	samplesRefused atomic.Uint64

	mu          sync.Mutex
	boots       []boot // the most recently stored last
	lastError   string
	lastErrorAt time.Time
	clone       fleet.Clone
	newest      int64 // time of the newest sample stored, in ms
	// advanced is closed when newest grows; nil while nobody waits.
	advanced chan struct{}
}

// boot is how far the batches of one boot of an agent are durable.
type boot struct {
	id     string
	seq    uint64
	newest int64 // time of the newest sample of any of them, in ms
}

// maxBoots bounds the boots whose batches one stream may carry, and those of an
// agent that are remembered; forgetting one costs that a batch sent twice is
// compared in the store.
const maxBoots = 64

// agent returns the memory of an agent, which it begins if need be.
func (in *Ingest) agent(id string) *agent {
	in.mu.Lock()
	defer in.mu.Unlock()
	a := in.agents[id]
	if a == nil {
		a = &agent{}
		in.agents[id] = a
	}
	return a
}

// session returns the open session of an agent, nil for none.
func (in *Ingest) session(agentID string) *session {
	in.mu.RLock()
	defer in.mu.RUnlock()
	if a := in.agents[agentID]; a != nil {
		return a.session
	}
	return nil
}

// boot returns what is remembered of a boot, nil for nothing. It must be called
// under mu.
func (a *agent) boot(id string) *boot {
	for i := range a.boots {
		if a.boots[i].id == id {
			return &a.boots[i]
		}
	}
	return nil
}

// durable returns the highest durable sequence number of a boot, 0 for none.
func (a *agent) durable(id string) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if b := a.boot(id); b != nil {
		return b.seq
	}
	return 0
}

// holds reports whether a batch whose newest sample is of some time (0 for none)
// is durable.
//
// A sequence number by itself does not tell. An agent whose machine was set back to
// a snapshot of its memory goes on from the number that it had then, with other
// samples: later ones. All its numbers from there on count as new.
func (a *agent) holds(id string, seq uint64, newest int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.boot(id)
	if b == nil || seq > b.seq {
		return false
	}
	if newest > b.newest {
		b.seq = seq - 1
		return false
	}
	return true
}

// stored records that a batch is durable.
func (a *agent) stored(w *inFlight, samples uint64) {
	a.samplesStored.Add(samples)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remember(w.boot, w.seq, w.sent)
	if w.newest > a.newest {
		a.newest = w.newest
		if a.advanced != nil {
			close(a.advanced)
			a.advanced = nil
		}
	}
}

func (a *agent) remember(id string, seq uint64, newest int64) {
	if b := a.boot(id); b != nil {
		b.seq, b.newest = max(b.seq, seq), max(b.newest, newest)
		return
	}
	if len(a.boots) == maxBoots {
		a.boots = append(a.boots[:0], a.boots[1:]...)
	}
	a.boots = append(a.boots, boot{id: id, seq: seq, newest: newest})
}

// failed records what people are to see of a refusal or the end of a session.
func (a *agent) failed(err error, at time.Time) {
	text := "the connection broke"
	if e, ok := errors.AsType[*fleet.Error](err); ok {
		text = e.Message
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lastError, a.lastErrorAt = text, at
}

// StoredThrough waits until samples of an agent at or after t (milliseconds
// since 1970) are stored, and returns the time of its newest; or, with ctx's
// error, until ctx ends. An agent that has not connected since the server
// started has none.
func (in *Ingest) StoredThrough(ctx context.Context, agentID string, t int64) (int64, error) {
	in.mu.RLock()
	a := in.agents[agentID]
	in.mu.RUnlock()
	if a == nil {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	for {
		a.mu.Lock()
		newest := a.newest
		if newest >= t {
			a.mu.Unlock()
			return newest, nil
		}
		if a.advanced == nil {
			a.advanced = make(chan struct{})
		}
		advanced := a.advanced
		a.mu.Unlock()
		select {
		case <-advanced:
		case <-ctx.Done():
			return newest, ctx.Err()
		}
	}
}

// Status implements [fleet.Live].
func (in *Ingest) Status(agentID string) (fleet.Status, bool) {
	in.mu.RLock()
	a := in.agents[agentID]
	var s *session
	if a != nil {
		s = a.session
	}
	in.mu.RUnlock()
	if a == nil {
		return fleet.Status{}, false
	}
	status := fleet.Status{
		LastSeenAt:     unixMilli(a.lastSeen.Load()),
		SamplesStored:  a.samplesStored.Load(),
		SamplesRefused: a.samplesRefused.Load(),
	}
	a.mu.Lock()
	status.LastError, status.LastErrorAt, status.Clone = a.lastError, a.lastErrorAt, a.clone
	a.mu.Unlock()
	if s != nil {
		status.ConnectedAt = s.started
		status.Address = s.peer.Address
		status.SubmissionInterval = time.Duration(s.period.Load())
		status.LastBatchAt = unixMilli(s.lastBatch.Load())
		status.Series = uint32(s.seriesSeen.Load())
		status.ClockSkew, status.RoundTrip = s.clock.estimate()
	}
	return status, true
}

// unixMilli is time.UnixMilli with the zero time for 0.
func unixMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

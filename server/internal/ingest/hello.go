package ingest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"sonde.dev/sonde/server/internal/fleet"
)

// hellos are the sightings of agents that have just connected, with the facts
// of their hosts, until they are stored: many in one write, so that a fleet
// that comes back at once does not wait for the disk agent by agent. Safe for
// concurrent use.
type hellos struct {
	wake chan struct{}

	mu      sync.Mutex
	waiting map[string]fleet.Sighting // by agent: the newest
}

func (h *hellos) add(s fleet.Sighting) {
	h.mu.Lock()
	if h.waiting == nil {
		h.waiting = make(map[string]fleet.Sighting)
	}
	h.waiting[s.AgentID] = s
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *hellos) take() []fleet.Sighting {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := slices.Collect(maps.Values(h.waiting))
	h.waiting = nil
	return taken
}

// storeHellos stores the sightings that wait. Those of a write that does not
// succeed are lost: the next session of their agents states the facts again.
func (in *Ingest) storeHellos(ctx context.Context) {
	seen := in.hellos.take()
	if err := in.cfg.Registrar.Seen(ctx, seen...); err != nil {
		in.cfg.Logger.Error("storing the facts of agents that connected", "agents", len(seen), "error", err)
	}
}

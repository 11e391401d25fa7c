package ingest

import (
	"context"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// disownTime is how long the end of a session may take to tell the cluster.
const disownTime = 5 * time.Second

// own makes this server the one that has the agent's session.
func (in *Ingest) own(ctx context.Context, s *session) error {
	generation, err := in.cfg.Cluster.BeginSession(ctx, s.agentID)
	if err != nil {
		return err
	}
	in.mu.Lock()
	s.generation = generation
	fence := s.agent.fence
	in.mu.Unlock()
	if fence > generation {
		return errElsewhere
	}
	return nil
}

var errElsewhere = fleet.Errorf(fleet.Conflict, "replaced by a newer session of the same agent with another server")

// disown tells the cluster that a session has ended, or has [Ingest.Depart] do
// so later.
func (in *Ingest) disown(s *session) {
	ctx, cancel := context.WithTimeout(context.Background(), disownTime)
	defer cancel()
	if err := in.cfg.Cluster.EndSession(ctx, s.agentID, s.generation); err != nil {
		s.log.Warn("telling the other servers that the session has ended: trying again", "error", err)
		in.mu.Lock()
		in.left[s.agentID] = max(in.left[s.agentID], s.generation)
		in.mu.Unlock()
	}
}

// Depart tells the cluster of the ends of sessions that it could not be told of.
func (in *Ingest) Depart(ctx context.Context) error {
	in.mu.Lock()
	left := in.left
	in.left = make(map[string]uint64)
	in.mu.Unlock()
	var failed error
	for id, generation := range left {
		err := failed
		if err == nil {
			err = in.cfg.Cluster.EndSession(ctx, id, generation)
		}
		if err != nil {
			failed = err
			in.mu.Lock()
			in.left[id] = max(in.left[id], generation)
			in.mu.Unlock()
		}
	}
	return failed
}

// Superseded ends the session of an agent if it is older than one that another
// server has.
func (in *Ingest) Superseded(agentID string, generation uint64) {
	in.mu.Lock()
	a := in.agents[agentID]
	var old *session
	if a != nil {
		a.fence = max(a.fence, generation)
		if a.session != nil && a.session.generation != 0 && a.session.generation < generation {
			old = a.session
			// By another process, or by the same that moved: that one may come back, for
			// as long as no other has the stream here.
			a.supersede(old.boot)
		}
	}
	in.mu.Unlock()
	if old != nil {
		old.end(errElsewhere)
	}
}

// Presences returns the open sessions as they are now.
func (in *Ingest) Presences(now time.Time) []fleet.Presence {
	var seen []fleet.Presence
	for _, s := range in.sessions() {
		in.mu.RLock()
		generation := s.generation
		in.mu.RUnlock()
		if status, ok := in.Status(s.agentID); ok && generation != 0 && !status.ConnectedAt.IsZero() {
			seen = append(seen, fleet.Presence{AgentID: s.agentID, Generation: generation, Status: status.StateNow(now)})
		}
	}
	return seen
}

// identify reads the agent of a session's credential, and the name that the
// session's series carry. Only what is read once the session is visible to
// Disconnect and Recheck can be relied upon; a Recheck meanwhile has it read
// again.
func (in *Ingest) identify(ctx context.Context, s *session) (fleet.Agent, error) {
	for {
		s.rechecked.Store(false)
		known, err := in.cfg.Registrar.Authenticate(ctx, *s.credential.Load())
		if err != nil {
			return fleet.Agent{}, err
		}
		s.name.Store(&known.Name)
		if !s.rechecked.Load() {
			return known, nil
		}
	}
}

// Recheck ends sessions whose credential does not work any more or whose agent
// has another name now, and gives new credentials that other servers were asked
// for: for one agent, or all when agentID is empty.
func (in *Ingest) Recheck(ctx context.Context, agentID string) error {
	for _, s := range in.sessions() {
		if agentID != "" && s.agentID != agentID {
			continue
		}
		s.rechecked.Store(true)
		name := s.name.Load()
		if name == nil {
			continue // identify goes on
		}
		credential := s.credential.Load()
		known, err := in.cfg.Registrar.Authenticate(ctx, *credential)
		if now := s.credential.Load(); now != credential {
			// It was given a new one in between.
			known, err = in.cfg.Registrar.Authenticate(ctx, *now)
		}
		switch {
		case fleet.ErrorCode(err) == fleet.Unauthenticated:
			s.end(err)
		case err != nil:
			return err
		case *name != known.Name:
			s.end(fleet.Errorf(fleet.Unavailable, "the agent was renamed to %q: connect again", known.Name))
		case known.RotationAsked:
			s.rotateAsAsked(ctx)
		}
	}
	return nil
}

package fleet

import (
	"context"
	"time"
)

const (
	// rolloutLease is the lease of the server that moves rollouts.
	rolloutLease = "rollout"
	// leaseTime is how long it lasts, and so how long a rollout stands still when
	// that server dies; it is renewed three times within.
	leaseTime = 6 * time.Second
)

// leads reports whether this server is the one that moves rollouts.
func (s *Steering) leads() bool {
	return !s.cluster.Shared() || s.now().Before(s.leadUntil)
}

// lead takes or keeps the lease, when it is time to. A server that has just got
// it takes the step of the rollout that is running again, since the one before
// may not have lived to finish it.
func (s *Steering) lead(ctx context.Context) error {
	if !s.cluster.Shared() {
		return nil
	}
	asked := s.now()
	s.mu.Lock()
	led := s.leads()
	due := !s.leadUntil.After(asked.Add(leaseTime * 2 / 3))
	s.mu.Unlock()
	if !due {
		return nil
	}
	ours, err := s.askForLease(ctx)
	if err != nil || !ours {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !led {
		if err := s.catchUp(ctx); err != nil {
			return err
		}
		s.log.Info("this server moves rollouts now")
	}
	s.leadUntil = asked.Add(leaseTime)
	if !led && s.newest.Rollout.State == RolloutRunning {
		s.takeStep()
	}
	return nil
}

// askForLease asks the store, for as long as the answer is worth anything.
func (s *Steering) askForLease(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTime)
	defer cancel()
	return s.cluster.Lease(ctx, rolloutLease, leaseTime)
}

// resign gives the lease back, so that another server need not wait for its end.
// The store may have given it in an answer that this server no longer heard.
func (s *Steering) resign(ctx context.Context) {
	if !s.cluster.Shared() {
		return
	}
	s.mu.Lock()
	s.leadUntil = time.Time{}
	s.mu.Unlock()
	if err := s.cluster.Release(ctx, rolloutLease); err != nil {
		s.log.Warn("giving back the lease of rollouts", "error", err)
	}
}

// Hear takes up what another server changed.
func (s *Steering) Hear(ctx context.Context, n Notice) error {
	if n.Kind == AgentChanged {
		return s.Changed(ctx, n.AgentID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n.Kind {
	case Anything:
		return s.catchUp(ctx)
	case ConfigChanged:
		return s.reload(ctx)
	case StatusesChanged:
		return s.adopt(ctx)
	}
	return nil
}

// Elsewhere says which agents have a session with another server.
func (s *Steering) Elsewhere(agentIDs map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, st := range s.agents {
		before := st.elsewhere
		st.elsewhere = agentIDs[id]
		switch {
		case st.elsewhere:
			st.seen = true
		case before:
			st.downAt = s.now()
		}
	}
}

// catchUp reads all that other servers may have changed.
func (s *Steering) catchUp(ctx context.Context) error {
	if err := s.refresh(ctx); err != nil {
		return err
	}
	if err := s.reload(ctx); err != nil {
		return err
	}
	return s.adopt(ctx)
}

// refresh reads all agents.
func (s *Steering) refresh(ctx context.Context) error {
	agents, err := s.readAgents(ctx)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(agents))
	for _, a := range agents {
		there[a.ID] = true
		st := s.agents[a.ID]
		if st == nil {
			s.take(a, ConfigStatus{})
			continue
		}
		st.agent.Name, st.agent.Labels = a.Name, a.Labels
		s.assign(st, st.status.Revision)
	}
	for id := range s.agents {
		// One that enrolled while the pages were read is looked for once more.
		if there[id] {
			continue
		}
		if _, err := s.store.Agent(ctx, id); ErrorCode(err) == NotFound {
			delete(s.agents, id)
			delete(s.dirty, id)
		}
	}
	return nil
}

// reload reads the newest revision and how far its rollout is.
func (s *Steering) reload(ctx context.Context) error {
	newest, config, err := s.store.Revision(ctx, 0)
	if ErrorCode(err) == NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	fresh := newest.Number > s.newest.Number
	if newest.Number < s.newest.Number || !fresh && newest.Rollout == s.newest.Rollout {
		return nil
	}
	stable := newest.Number
	if newest.Rollout.State != RolloutDone {
		if stable, err = s.findStable(ctx); err != nil {
			return err
		}
		if err := s.decide(ctx, stable); err != nil {
			return err
		}
	}
	if fresh {
		s.decisions[newest.Number] = newDecision(newest.Number, config)
	}
	s.newest, s.newestConfig = newest, config
	if stable > s.stable {
		s.stable = stable
		for _, st := range s.agents {
			if st.status.Revision < stable {
				s.assign(st, stable)
			}
		}
	}
	if newest.Rollout.State == RolloutRunning && s.leads() {
		s.takeStep()
	}
	s.prune()
	return nil
}

// overtaken finds out what another server did when a write conflicted with it.
func (s *Steering) overtaken(ctx context.Context, err error) error {
	if ErrorCode(err) == Conflict && s.cluster.Shared() {
		if err := s.reload(ctx); err != nil {
			s.log.Error("reading what another server changed", "error", err)
		}
	}
	return err
}

// adopt takes up what other servers stored of agents.
func (s *Steering) adopt(ctx context.Context) error {
	statuses, err := s.store.ConfigStatuses(ctx)
	if err != nil {
		return err
	}
	for _, status := range statuses {
		if s.agents[status.AgentID] == nil {
			if err := s.learn(ctx, nil); err != nil {
				return err
			}
			break
		}
	}
	for _, status := range statuses {
		st := s.agents[status.AgentID]
		if st == nil || status.Revision < st.status.Revision {
			continue
		}
		if err := s.decide(ctx, status.Revision); err != nil {
			return err
		}
		later := status.Revision > st.status.Revision
		switch d := s.decisions[status.Revision]; {
		case d == nil:
		case later && st.session != nil:
			// What became of it is ours to say, which revision it goes by is not.
			s.assign(st, status.Revision)
		case st.session != nil:
		case !later && s.dirty[status.AgentID]:
			s.reread = true
		default:
			st.status = status
			st.want = d.desired(&st.agent)
		}
	}
	return nil
}

// adoptAgain takes up what adopt passed over.
func (s *Steering) adoptAgain(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.reread || len(s.dirty) > 0 {
		return nil
	}
	s.reread = false
	return s.adopt(ctx)
}

package fleet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// rolloutAuthor is the author of the revisions that a failed rollout makes.
	rolloutAuthor = "rollout"
	// silenceGrace is how long an agent of a rollout may be away, or owe its
	// answer after the watch, before the rollout fails: a connection that broke
	// is made anew within that time, an agent that died is not.
	silenceGrace = 15 * time.Second
	// lookInterval is how often a rollout is looked at, and how soon a write
	// that did not succeed is tried again.
	lookInterval = time.Second
)

// Run stores what agents answer and moves the rollout, if that is up to this
// server, until ctx ends.
func (s *Steering) Run(ctx context.Context) {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	failing := false // to ask for the lease
	for {
		select {
		case <-ctx.Done():
			s.flush(context.WithoutCancel(ctx))
			s.resign(context.WithoutCancel(ctx))
			return
		case <-s.wake:
		case <-tick.C:
		}
		s.flush(ctx)
		err := s.lead(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			s.log.Error("asking whether this server moves rollouts: trying again", "error", err)
		}
		failing = err != nil
		if err := s.adoptAgain(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("reading what became of configurations", "error", err)
		}
		if err := s.look(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("moving the rollout of a configuration", "error", err)
		}
	}
}

// flush stores the statuses that have changed, all in one transaction. Those
// that come meanwhile gather for the next.
func (s *Steering) flush(ctx context.Context) {
	s.mu.Lock()
	statuses := make([]ConfigStatus, 0, len(s.dirty))
	for id := range s.dirty {
		if st := s.agents[id]; st != nil {
			statuses = append(statuses, st.status)
		}
	}
	clear(s.dirty)
	s.mu.Unlock()
	if len(statuses) == 0 {
		return
	}
	if err := s.store.PutConfigStatuses(ctx, statuses); err != nil {
		s.log.Error("storing what became of configurations", "agents", len(statuses), "error", err)
		s.mu.Lock()
		for _, status := range statuses {
			s.dirty[status.AgentID] = true
		}
		s.mu.Unlock()
	}
}

// takeStep makes the agents of the newest revision's step go by it. Which they
// are follows from their ids and the revision's number alone, so a step that is
// taken twice takes the same ones.
func (s *Steering) takeStep() {
	number := s.newest.Number
	concerned := s.concerned(s.decisions[number])
	step := int(s.newest.Rollout.Step)
	share := uint64(s.newest.Plan.StepsPercent[step])
	// At least one more agent in each step.
	count := max((len(concerned)*int(share)+99)/100, step+1)
	s.stepBegan = s.now()
	for _, st := range concerned[:min(count, len(concerned))] {
		if st.status.Revision != number {
			s.assign(st, number)
			st.seen = st.connected()
		}
	}
}

// concerned returns the agents that a decision is new to or was new to, in the
// order in which a rollout comes to them.
func (s *Steering) concerned(d *decision) []*steered {
	type place struct {
		key [sha256.Size]byte
		st  *steered
	}
	var places []place
	for id, st := range s.agents {
		if st.status.Revision == d.number || d.desired(&st.agent).Hash != st.status.Desired {
			places = append(places, place{sha256.Sum256(fmt.Appendf(nil, "%s/%d", id, d.number)), st})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return slices.Compare(a.key[:], b.key[:]) })
	list := make([]*steered, len(places))
	for i, p := range places {
		list[i] = p.st
	}
	return list
}

// look moves the rollout that is running, if it is time: to the next step, to
// its end, or back.
func (s *Steering) look(ctx context.Context) error {
	now := s.now()
	failing := s.failing(ctx, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newest.Rollout.State != RolloutRunning || s.newest.Number != failing.revision || !s.leads() {
		return nil
	}
	end := s.watchEnd()
	waiting, faults := s.verdict(now, end)
	faults = append(faults, failing.faults...)
	switch {
	case len(faults) > 0:
		return s.fail(ctx, worst(faults))
	case failing.err != nil || waiting || now.Before(end):
		return failing.err
	}
	next := s.newest.Rollout
	next.Step++
	last := int(next.Step) == len(s.newest.Plan.StepsPercent)
	if last {
		next = Rollout{State: RolloutDone, Step: s.newest.Rollout.Step}
	}
	if err := s.store.MoveRollout(ctx, s.newest.Number, next); err != nil {
		return s.overtaken(ctx, err)
	}
	s.newest.Rollout = next
	s.log.Info("configuration rollout", "revision", s.newest.Number, "state", next.State, "step", next.Step)
	if last {
		s.spread()
		return nil
	}
	s.takeStep()
	return nil
}

// verdict says what the agents of a rollout made of it: whether it is to wait
// for one, and why it fails. Agents that were away all the time say nothing.
func (s *Steering) verdict(now, watched time.Time) (waiting bool, faults []string) {
	for _, st := range s.agents {
		if st.status.Revision != s.newest.Number {
			continue
		}
		answered := st.status.State != ConfigPending && st.status.State != ConfigDrifted
		switch {
		case st.status.State == ConfigRejected:
			e := st.status.Errors[0]
			faults = append(faults, fmt.Sprintf("%s rejected it: %s: %s", quote(st.agent.Name), e.Field, e.Message))
		case !st.connected() && st.seen && now.Sub(st.downAt) >= silenceGrace:
			faults = append(faults, quote(st.agent.Name)+" fell silent")
		case st.connected() && !answered && now.Sub(watched) >= silenceGrace:
			faults = append(faults, quote(st.agent.Name)+" has not answered")
		case !st.connected() && st.seen, st.connected() && !answered:
			waiting = true
		}
	}
	return waiting, faults
}

// watchEnd is when the step of the newest revision has been watched.
func (s *Steering) watchEnd() time.Time {
	return s.stepBegan.Add(time.Duration(s.newest.Plan.WatchSeconds) * time.Second)
}

// fail ends the rollout that is running with a revision that has the
// configuration from before.
func (s *Steering) fail(ctx context.Context, reason string) error {
	reason = cut(reason)
	var former FleetConfig
	if s.stable != 0 {
		var err error
		if _, former, err = s.store.Revision(ctx, s.stable); err != nil {
			return err
		}
	}
	failed := s.newest
	s.log.Warn("configuration rollout failed", "revision", failed.Number, "step", failed.Rollout.Step, "reason", reason)
	return s.create(ctx, Rollout{State: RolloutFailed, Step: failed.Rollout.Step, Reason: reason}, Revision{
		Author:     rolloutAuthor,
		Message:    fmt.Sprintf("the rollout of revision %d failed", failed.Number),
		RollbackOf: s.stable,
	}, former)
}

// create stores a revision behind the newest, and begins to roll it out.
func (s *Steering) create(ctx context.Context, ended Rollout, r Revision, c FleetConfig) error {
	r.Number = s.newest.Number + 1
	r.CreatedAt = s.now()
	d := newDecision(r.Number, c)
	r.Rollout.State = RolloutDone
	if len(r.Plan.StepsPercent) > 0 && len(s.concerned(d)) > 0 {
		r.Rollout.State = RolloutRunning
	}
	if err := s.store.CreateRevision(ctx, s.newest.Number, ended, r, c); err != nil {
		return s.overtaken(ctx, err)
	}
	s.newest, s.newestConfig = r, c
	s.decisions[r.Number] = d
	switch {
	case r.Rollout.State != RolloutRunning:
		s.spread()
	case s.leads():
		s.takeStep()
	}
	s.prune()
	return nil
}

// spread makes every agent go by the newest revision.
func (s *Steering) spread() {
	s.stable = s.newest.Number
	for _, st := range s.agents {
		s.assign(st, s.stable)
	}
}

// prune drops the decisions that no agent goes by and no rollout needs.
func (s *Steering) prune() {
	needed := map[uint64]bool{s.stable: true, s.newest.Number: true}
	for _, st := range s.agents {
		needed[st.status.Revision] = true
	}
	maps.DeleteFunc(s.decisions, func(number uint64, _ *decision) bool { return !needed[number] })
}

// counts returns what agents made of the revisions that they go by.
func (s *Steering) counts() map[uint64]RolloutCounts {
	all := make(map[uint64]RolloutCounts)
	for _, st := range s.agents {
		c := all[st.status.Revision]
		switch st.status.State {
		case ConfigPending, ConfigDrifted:
			c.Pending++
		case ConfigApplied:
			c.Applied++
		case ConfigRejected:
			c.Rejected++
		}
		all[st.status.Revision] = c
	}
	return all
}

// byName orders agents for people.
func byName(a, b *steered) int {
	return cmp.Or(strings.Compare(a.agent.Name, b.agent.Name), strings.Compare(a.agent.ID, b.agent.ID))
}

package fleet

import (
	"bytes"
	"context"
	"slices"
)

// Bounds of a page of [Steering.Revisions].
const (
	DefaultRevisions = 100
	MaxRevisionsPage = 1_000
)

// AgentChange is how the effective settings of an agent would change.
type AgentChange struct {
	AgentID, AgentName string
	Settings           []SettingChange
}

// Proposal is a configuration that is to become the next revision.
type Proposal struct {
	// Author and Message say who and why.
	Author, Message string
	// Base is the newest revision that the author knows of.
	Base uint64
	Plan RolloutPlan
}

// Config returns a revision and its configuration; number 0 is the newest.
// NotFound.
func (s *Steering) Config(ctx context.Context, number uint64) (Revision, FleetConfig, error) {
	r, c, err := s.store.Revision(ctx, number)
	if err != nil {
		return Revision{}, FleetConfig{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Counts = s.counts()[r.Number]
	return r, c, nil
}

// Revisions returns revisions before a number, the newest first; before 0
// begins with the newest. limit 0 means [DefaultRevisions]. Invalid: limit is
// negative or beyond [MaxRevisionsPage].
func (s *Steering) Revisions(ctx context.Context, before uint64, limit int) ([]Revision, error) {
	switch {
	case limit < 0 || limit > MaxRevisionsPage:
		return nil, Errorf(Invalid, "page_size %d is out of bounds: want 0 to %d", limit, MaxRevisionsPage)
	case limit == 0:
		limit = DefaultRevisions
	}
	revisions, err := s.store.Revisions(ctx, before, limit)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := s.counts()
	for i := range revisions {
		revisions[i].Counts = counts[revisions[i].Number]
	}
	return revisions, nil
}

// Preview says what is wrong with a configuration or else, in the order of the
// agents' names, whose settings it would change. It changes nothing.
func (s *Steering) Preview(ctx context.Context, c FleetConfig) ([]FieldError, []AgentChange, error) {
	if wrong := c.Validate(); len(wrong) > 0 {
		return wrong, nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.learn(ctx, nil); err != nil {
		return nil, nil, err
	}
	d := newDecision(0, c)
	if wrong := s.tooMuch(d); len(wrong) > 0 {
		return wrong, nil, nil
	}
	type pair struct{ before, after *Desired }
	diffs := make(map[pair][]SettingChange)
	var changes []AgentChange
	for _, st := range s.sorted() {
		p := pair{st.want, d.desired(&st.agent)}
		if p.before.Hash == p.after.Hash {
			continue
		}
		diff, ok := diffs[p]
		if !ok {
			diff = Diff(p.before.Settings, p.after.Settings)
			diffs[p] = diff
		}
		changes = append(changes, AgentChange{AgentID: st.agent.ID, AgentName: st.agent.Name, Settings: diff})
	}
	return nil, changes, nil
}

// tooMuch returns the agents whose policies together have too many probes.
func (s *Steering) tooMuch(d *decision) []FieldError {
	var f faults
	for _, st := range s.sorted() {
		if n := len(d.desired(&st.agent).Settings.Probes); n > MaxProbes {
			f.add("policies", "agent %s would have %d probes, want at most %d", quote(st.agent.Name), n, MaxProbes)
		}
	}
	return f
}

// Apply makes a new revision and begins to roll it out. A configuration that is
// the newest one's is refused, as it would change nothing; unless that one's
// rollout is running: then it goes on by the new plan.
//
// Invalid: the configuration is wrong, each field named, or the plan or the
// message is. Conflict: p.Base is not the newest. State: nothing would change.
func (s *Steering) Apply(ctx context.Context, c FleetConfig, p Proposal) (Revision, error) {
	if wrong := c.Validate(); len(wrong) > 0 {
		return Revision{}, refusal(wrong)
	}
	if err := p.Plan.validate(); err != nil {
		return Revision{}, err
	}
	return s.propose(ctx, c, p, 0)
}

// RollBack makes a new revision with the configuration of an old one and begins
// to roll it out: without a plan, for all agents at once, it is also how a rollout
// is stopped. Errors are those of Apply, and NotFound.
func (s *Steering) RollBack(ctx context.Context, to uint64, p Proposal) (Revision, error) {
	if to == 0 {
		return Revision{}, Errorf(Invalid, "to_revision is 0: want the number of a revision")
	}
	if err := p.Plan.validate(); err != nil {
		return Revision{}, err
	}
	_, c, err := s.store.Revision(ctx, to)
	if err != nil {
		return Revision{}, err
	}
	return s.propose(ctx, c, p, to)
}

func (s *Steering) propose(ctx context.Context, c FleetConfig, p Proposal, rollbackOf uint64) (Revision, error) {
	if err := validateMessage(p.Message); err != nil {
		return Revision{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster.Shared() {
		// What this server was not told of yet is as true as what it was.
		if err := s.reload(ctx); err != nil {
			return Revision{}, err
		}
	}
	running := s.newest.Rollout.State == RolloutRunning
	switch {
	case p.Base != s.newest.Number:
		return Revision{}, StaleBase(p.Base, s.newest.Number)
	case p.Base != 0 && !running && bytes.Equal(canonical(c), canonical(s.newestConfig)):
		return Revision{}, Errorf(State, "revision %d has the same configuration: there is nothing to change", p.Base)
	}
	if err := s.learn(ctx, nil); err != nil {
		return Revision{}, err
	}
	if wrong := s.tooMuch(newDecision(0, c)); len(wrong) > 0 {
		return Revision{}, refusal(wrong)
	}
	err := s.create(ctx, Rollout{State: RolloutSuperseded, Step: s.newest.Rollout.Step}, Revision{
		Author:     p.Author,
		Message:    p.Message,
		RollbackOf: rollbackOf,
		Plan:       p.Plan,
	}, c)
	if err != nil {
		return Revision{}, err
	}
	r := s.newest
	r.Counts = s.counts()[r.Number]
	return r, nil
}

// StaleBase is the error for a revision that is to come after another one than
// the newest.
func StaleBase(base, newest uint64) error {
	return Errorf(Conflict, "revision %d is the newest, and this change was made for revision %d: look at what changed, and apply again", newest, base)
}

// RolloutMoved is the error for a rollout that another has moved.
func RolloutMoved(number uint64) error {
	return Errorf(Conflict, "the rollout of revision %d has ended or is further already", number)
}

// AgentConfigs returns what is decided for agents and what has become of it, in
// the order of the agents' names; for one agent when agentID is not empty.
// Invalid: agentID is not a UUID. NotFound.
func (s *Steering) AgentConfigs(ctx context.Context, agentID string) ([]AgentConfig, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if agentID != "" {
		if err := validateID(agentID); err != nil {
			return nil, err
		}
		st, err := s.known(ctx, agentID)
		if err != nil {
			return nil, err
		}
		return []AgentConfig{st.config()}, nil
	}
	if err := s.learn(ctx, nil); err != nil {
		return nil, err
	}
	list := make([]AgentConfig, 0, len(s.agents))
	for _, st := range s.sorted() {
		list = append(list, st.config())
	}
	return list, nil
}

func (st *steered) config() AgentConfig {
	return AgentConfig{ConfigStatus: st.status, Settings: st.want.Settings, Provenance: st.want.Provenance}
}

func (s *Steering) sorted() []*steered {
	list := make([]*steered, 0, len(s.agents))
	for _, st := range s.agents {
		list = append(list, st)
	}
	slices.SortFunc(list, byName)
	return list
}

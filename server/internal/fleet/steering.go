package fleet

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Steering decides what every agent is told, and knows what has become of it.
// Safe for concurrent use.
//
// An agent goes by the newest revision that reached the whole fleet, or by a
// later one once a rollout has come to it. Whatever changes what is decided for
// it (a revision, its labels, its name) is told to its session before the call
// that made the change returns. Agents' answers are kept in memory at once and
// in the store soon after, many in one transaction: what a crash takes with it,
// an agent says again when it connects.
//
// Each server that shares a store has one. What it knows of agents is read once,
// and then follows from the calls of its methods; [Steering.Hear] tells it what
// other servers do. Who has an agent's session says what became of it; which
// revision the agents of a rollout go by is decided by one server at a time, the
// one that has a lease.
type Steering struct {
	store   Store
	cluster Cluster
	now     func() time.Time
	log     *slog.Logger
	// failures is nil when nobody counts them.
	failures FailureCounters
	// failuresRead is when they were last read; of the goroutine that looks.
	failuresRead time.Time
	// wake tells Run that there is something to store or to look at.
	wake chan struct{}

	// mu is held while a revision is written, which is rare and takes
	// milliseconds: so sessions are told in the order of the revisions.
	mu     sync.Mutex
	agents map[string]*steered
	dirty  map[string]bool // ids of agents whose status is not stored
	// newest has Number 0 while there is no revision.
	newest       Revision
	newestConfig FleetConfig
	// stable is the newest revision that reached the whole fleet.
	stable uint64
	// decisions are of the revisions that agents go by.
	decisions map[uint64]*decision
	stepBegan time.Time
	// leadUntil is when the lease runs out that makes this server the one that
	// moves rollouts, unless it has the store for itself.
	leadUntil time.Time
	// reread says that a status of the store may have been passed over, since one
	// of ours had not been stored, or the agent had a session here.
	reread bool
}

// ConfigSession is an open session of an agent. Tell does not wait: of two
// calls before the first is sent, the first may be left out.
type ConfigSession interface {
	Tell(*Desired)
}

// steered is an agent as Steering knows it; under Steering.mu.
type steered struct {
	agent  Agent // id, name and labels
	status ConfigStatus
	want   *Desired

	session ConfigSession // nil while there is none
	told    uint64        // the newest hash that the session is to go by
	// elsewhere says that another server has a session of the agent.
	elsewhere bool
	// seen says that there was a session since the rollout that is running came
	// to the agent; downAt is when the last one ended.
	seen   bool
	downAt time.Time
}

// connected reports whether any server has a session of the agent.
func (st *steered) connected() bool { return st.session != nil || st.elsewhere }

// NewSteering takes up what the store knows, which this server has for itself;
// now is the clock.
func NewSteering(ctx context.Context, store Store, now func() time.Time, log *slog.Logger) (*Steering, error) {
	return NewSharedSteering(ctx, store, Alone{}, now, log)
}

// NewSharedSteering takes up what the store knows that the servers of a cluster
// share.
func NewSharedSteering(ctx context.Context, store Store, cluster Cluster, now func() time.Time, log *slog.Logger) (*Steering, error) {
	s := &Steering{
		store:     store,
		cluster:   cluster,
		now:       now,
		log:       log,
		wake:      make(chan struct{}, 1),
		agents:    make(map[string]*steered),
		dirty:     make(map[string]bool),
		decisions: map[uint64]*decision{0: newDecision(0, FleetConfig{})},
	}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Steering) load(ctx context.Context) error {
	var err error
	s.newest, s.newestConfig, err = s.store.Revision(ctx, 0)
	if ErrorCode(err) == NotFound {
		return s.learn(ctx, nil)
	}
	if err != nil {
		return err
	}
	if s.stable, err = s.findStable(ctx); err != nil {
		return err
	}
	if err := s.decide(ctx, s.stable); err != nil {
		return err
	}
	s.decisions[s.newest.Number] = newDecision(s.newest.Number, s.newestConfig)
	statuses, err := s.store.ConfigStatuses(ctx)
	if err != nil {
		return err
	}
	former := make(map[string]ConfigStatus, len(statuses))
	for _, status := range statuses {
		former[status.AgentID] = status
		// Of a rollout that another superseded before it was done.
		if status.Revision > s.stable {
			if err := s.decide(ctx, status.Revision); err != nil {
				return err
			}
		}
	}
	if err := s.learn(ctx, former); err != nil {
		return err
	}
	if s.newest.Rollout.State == RolloutRunning && s.leads() {
		// A step that the process did not live to finish is taken again.
		s.takeStep()
	}
	return nil
}

// findStable returns the newest revision that reached the whole fleet, 0 for
// none.
func (s *Steering) findStable(ctx context.Context) (uint64, error) {
	const page = 100
	for before := uint64(0); ; {
		revisions, err := s.store.Revisions(ctx, before, page)
		if err != nil {
			return 0, err
		}
		for _, r := range revisions {
			if r.Rollout.State == RolloutDone {
				return r.Number, nil
			}
			before = r.Number
		}
		if len(revisions) < page {
			return 0, nil
		}
	}
}

// decide makes sure that there is a decision of a revision.
func (s *Steering) decide(ctx context.Context, number uint64) error {
	if s.decisions[number] != nil {
		return nil
	}
	_, config, err := s.store.Revision(ctx, number)
	if ErrorCode(err) == NotFound {
		return nil // beyond what the store keeps
	}
	if err != nil {
		return err
	}
	s.decisions[number] = newDecision(number, config)
	return nil
}

// learn takes up the agents of the store that are not known yet, former being
// what has become of them before.
func (s *Steering) learn(ctx context.Context, former map[string]ConfigStatus) error {
	agents, err := s.readAgents(ctx)
	if err != nil {
		return err
	}
	for _, a := range agents {
		if s.agents[a.ID] == nil {
			s.take(a, former[a.ID])
		}
	}
	return nil
}

// readAgents returns all agents.
func (s *Steering) readAgents(ctx context.Context) ([]Agent, error) {
	const page = 10_000
	var all []Agent
	for after := ""; ; {
		agents, err := s.store.Agents(ctx, after, page)
		if err != nil {
			return nil, err
		}
		all = append(all, agents...)
		if len(agents) < page {
			return all, nil
		}
		after = agents[page-1].Name
	}
}

// take begins to steer an agent.
func (s *Steering) take(a Agent, former ConfigStatus) *steered {
	st := &steered{agent: Agent{ID: a.ID, Name: a.Name, Labels: a.Labels}, status: former}
	st.status.AgentID = a.ID
	s.agents[a.ID] = st
	revision := max(former.Revision, s.stable)
	if s.decisions[revision] == nil {
		revision = s.stable
	}
	s.assign(st, revision)
	return st
}

// known returns an agent, also one that enrolled a moment ago. NotFound.
func (s *Steering) known(ctx context.Context, id string) (*steered, error) {
	if st := s.agents[id]; st != nil {
		return st, nil
	}
	a, err := s.store.Agent(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.take(a, ConfigStatus{}), nil
}

// assign makes an agent go by a revision, and tells it what that changes.
func (s *Steering) assign(st *steered, revision uint64) {
	st.want = s.decisions[revision].desired(&st.agent)
	st.status.Revision = revision
	if st.want.Hash == st.status.Desired && st.status.State != "" {
		return
	}
	st.status.Desired = st.want.Hash
	if st.session != nil && (st.told != st.want.Hash || st.status.InForce != st.want.Hash) {
		s.tell(st)
		s.enter(st, ConfigPending, nil)
		return
	}
	if st.status.InForce == st.want.Hash {
		s.enter(st, st.settled(), nil)
		return
	}
	s.enter(st, ConfigPending, nil)
}

func (s *Steering) tell(st *steered) {
	st.told = st.want.Hash
	st.session.Tell(st.want)
}

// settled is the state of an agent that has in force what it shall have.
func (st *steered) settled() ConfigState {
	if st.want.Hash == 0 {
		return ConfigLocal
	}
	return ConfigApplied
}

// enter records the state of an agent, to be stored soon.
func (s *Steering) enter(st *steered, state ConfigState, errors []FieldError) {
	st.status.State, st.status.Errors, st.status.ChangedAt = state, errors, s.now()
	s.mark(st)
}

func (s *Steering) mark(st *steered) {
	if st.session == nil && !s.leads() {
		return // another server says this
	}
	s.dirty[st.agent.ID] = true
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Connected takes up a session of an agent that has settings of a hash in
// force, and tells it what is decided when that is something else. An agent
// that rejected what is decided is told once more, since its local policy may
// be another one now, and counts as rejected until it answers. NotFound.
func (s *Steering) Connected(ctx context.Context, agentID string, hash uint64, session ConfigSession) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.known(ctx, agentID)
	if err != nil {
		return err
	}
	st.session, st.told, st.seen = session, hash, true
	before := st.status.InForce
	st.status.InForce = hash
	switch {
	case hash == st.want.Hash:
		if st.status.State != st.settled() {
			s.enter(st, st.settled(), nil)
		}
		return nil
	case hash != before:
		s.enter(st, ConfigDrifted, nil)
	}
	s.tell(st)
	return nil
}

// Disconnected says that a session has ended.
func (s *Steering) Disconnected(agentID string, session ConfigSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.agents[agentID]; st != nil && st.session == session {
		st.session, st.downAt = nil, s.now()
		// What another server said of the agent meanwhile was passed over.
		s.reread = s.reread || s.cluster.Shared()
	}
}

// Answered takes what an agent made of settings of a hash: nothing wrong, and
// they are in force; else none of them is. Of errors, the first hundred are
// kept, each cut to 1,024 bytes.
func (s *Steering) Answered(agentID string, hash uint64, errors []FieldError) {
	errors = slices.Clone(errors[:min(len(errors), maxFieldErrors)])
	for i, e := range errors {
		errors[i] = FieldError{cut(e.Field), cut(e.Message)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.agents[agentID]
	if st == nil {
		return
	}
	if len(errors) == 0 && st.status.InForce != hash {
		st.status.InForce = hash
		s.mark(st)
	}
	switch {
	case hash != st.want.Hash: // of what was decided before
	case len(errors) > 0:
		if st.status.State != ConfigRejected || !slices.Equal(st.status.Errors, errors) {
			s.enter(st, ConfigRejected, errors)
		}
	case st.status.State != st.settled():
		s.enter(st, st.settled(), nil)
	}
}

func cut(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), MaxMessageBytes)], "")
}

// Changed says that an agent's name or labels may be others now.
func (s *Steering) Changed(ctx context.Context, agentID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Read here, so that of two changes at once the last one holds.
	a, err := s.store.Agent(ctx, agentID)
	if ErrorCode(err) == NotFound {
		delete(s.agents, agentID)
		return nil
	}
	if err != nil {
		return err
	}
	st := s.agents[agentID]
	if st == nil {
		s.take(a, ConfigStatus{})
		return nil
	}
	st.agent.Name, st.agent.Labels = a.Name, a.Labels
	s.assign(st, st.status.Revision)
	return nil
}

// Forget says that an agent was removed.
func (s *Steering) Forget(agentID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.agents, agentID)
	delete(s.dirty, agentID)
}

package server

import (
	"context"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/ingest"
	"sonde.dev/sonde/server/internal/store/postgres"
	"sonde.dev/sonde/server/internal/store/sqlite"
)

const (
	// lifeInterval is how often a server says that it lives and looks which
	// agents the others have; one that has not said so for lifeTime is dead.
	lifeInterval = 2 * time.Second
	lifeTime     = 6 * time.Second
	// reportInterval is how often it says what it sees of its own agents.
	reportInterval = 4 * time.Second
	// retryInterval is how soon what could not be taken up is tried again.
	retryInterval = time.Second
	// maxHeard bounds the agents whose changes wait to be taken up; beyond it all
	// are read.
	maxHeard = 1_000
	// cleanUpLease is held for as long as clean-up has not to be done again.
	cleanUpLease = "clean-up"
	cleanUpTime  = 30 * time.Minute
)

// store is where the control plane is kept.
type store interface {
	fleet.Store
	Close() error
}

// openStore opens the database that c names.
func openStore(ctx context.Context, c Config) (store, fleet.Cluster, error) {
	text, err := c.database()
	if err != nil {
		return nil, nil, err
	}
	if text == "" {
		s, err := sqlite.Open(ctx, filepath.Join(c.DataDir, "fleet.db"))
		if err != nil {
			return nil, nil, err
		}
		return s, fleet.Alone{}, nil
	}
	s, err := postgres.Open(ctx, text, c.Logger)
	if err != nil {
		return nil, nil, err
	}
	return s, s, nil
}

// cleanedOnce is a store that only one server of a cluster cleans up.
type cleanedOnce struct {
	fleet.Store
	cluster fleet.Cluster
}

// DeleteExpired implements [fleet.Store].
func (s cleanedOnce) DeleteExpired(ctx context.Context, now time.Time) (int64, error) {
	ours, err := s.cluster.Lease(ctx, cleanUpLease, cleanUpTime)
	if err != nil || !ours {
		return 0, err
	}
	return s.Store.DeleteExpired(ctx, now)
}

// everywhere is a [fleet.Live] of the sessions of this server and, as they last
// reported them, of the others.
type everywhere struct {
	*ingest.Ingest
	cluster fleet.Cluster
	others  atomic.Pointer[map[string]fleet.Presence]
}

// Status implements [fleet.Live].
func (e *everywhere) Status(agentID string) (fleet.Status, bool) {
	here, known := e.Ingest.Status(agentID)
	others := e.others.Load()
	if others == nil || !here.ConnectedAt.IsZero() {
		return here, known
	}
	p, ok := (*others)[agentID]
	if !ok {
		return here, known
	}
	if p.Status.State == 0 {
		p.Status.State = fleet.Up // it began a moment ago
	}
	return p.Status, true
}

// Rotate implements [fleet.Live].
func (e *everywhere) Rotate(ctx context.Context, agentID string) error {
	here, _ := e.Ingest.Status(agentID)
	if others := e.others.Load(); others != nil && here.ConnectedAt.IsZero() {
		if _, ok := (*others)[agentID]; ok {
			return e.cluster.AskRotation(ctx, agentID)
		}
	}
	return e.Ingest.Rotate(ctx, agentID)
}

// follower takes up what the other servers of a cluster do.
type follower struct {
	cluster  fleet.Cluster
	steering *fleet.Steering
	ingest   *ingest.Ingest
	live     *everywhere
	log      *slog.Logger
	wake     chan struct{}

	mu     sync.Mutex
	kinds  map[fleet.ChangeKind]bool // that wait, but for the next two
	agents map[string]bool           // whose changes wait
}

func newFollower(cluster fleet.Cluster, steering *fleet.Steering, live *everywhere, log *slog.Logger) *follower {
	return &follower{
		cluster: cluster, steering: steering, ingest: live.Ingest, live: live, log: log,
		wake:  make(chan struct{}, 1),
		kinds: make(map[fleet.ChangeKind]bool), agents: make(map[string]bool),
	}
}

// Run follows the others until ctx ends. A server that has its store for itself
// has nobody to follow.
func (f *follower) Run(ctx context.Context) {
	if !f.cluster.Shared() {
		return
	}
	var running sync.WaitGroup
	running.Go(func() { f.beat(ctx) })
	running.Go(func() { f.take(ctx) })
	if err := f.cluster.Listen(ctx, f.hear); err != nil {
		f.log.Error("listening to the other servers", "error", err)
	}
	running.Wait()
}

// hear takes note of a change, and ends at once a session that is not ours any
// more.
func (f *follower) hear(n fleet.Notice) {
	if n.Kind == fleet.SessionChanged {
		f.ingest.Superseded(n.AgentID, n.Generation)
	}
	f.mu.Lock()
	if n.Kind == fleet.AgentChanged && len(f.agents) < maxHeard {
		f.agents[n.AgentID] = true
	} else if n.Kind == fleet.AgentChanged {
		f.kinds[fleet.Anything] = true
	} else {
		f.kinds[n.Kind] = true
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take takes up what was heard, until ctx ends. Many changes of a kind that wait
// are one.
func (f *follower) take(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		}
		f.mu.Lock()
		kinds, agents := f.kinds, f.agents
		f.kinds, f.agents = make(map[fleet.ChangeKind]bool), make(map[string]bool)
		f.mu.Unlock()
		err := f.apply(ctx, kinds, slices.Collect(maps.Keys(agents)))
		if err == nil || ctx.Err() != nil {
			continue
		}
		f.log.Warn("taking up what other servers changed: trying again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(retryInterval):
			f.hear(fleet.Notice{Kind: fleet.Anything})
		}
	}
}

func (f *follower) apply(ctx context.Context, kinds map[fleet.ChangeKind]bool, agents []string) error {
	if kinds[fleet.Anything] {
		if err := f.ingest.Recheck(ctx, ""); err != nil {
			return err
		}
		if err := f.steering.Hear(ctx, fleet.Notice{Kind: fleet.Anything}); err != nil {
			return err
		}
		return f.look(ctx)
	}
	for _, id := range agents {
		if err := f.ingest.Recheck(ctx, id); err != nil {
			return err
		}
		if err := f.steering.Hear(ctx, fleet.Notice{Kind: fleet.AgentChanged, AgentID: id}); err != nil {
			return err
		}
	}
	// A revision before what became of it.
	for _, kind := range []fleet.ChangeKind{fleet.ConfigChanged, fleet.StatusesChanged} {
		if !kinds[kind] {
			continue
		}
		if err := f.steering.Hear(ctx, fleet.Notice{Kind: kind}); err != nil {
			return err
		}
	}
	if kinds[fleet.SessionChanged] {
		return f.look(ctx)
	}
	return nil
}

// look reads which agents the other servers have.
func (f *follower) look(ctx context.Context) error {
	seen, err := f.cluster.Elsewhere(ctx)
	if err != nil {
		return err
	}
	others := make(map[string]fleet.Presence, len(seen))
	ids := make(map[string]bool, len(seen))
	for _, p := range seen {
		others[p.AgentID], ids[p.AgentID] = p, true
		f.ingest.Superseded(p.AgentID, p.Generation)
	}
	f.live.others.Store(&others)
	f.steering.Elsewhere(ids)
	return nil
}

// beat says that this server lives and what it sees, until ctx ends.
func (f *follower) beat(ctx context.Context) {
	tick := time.NewTicker(lifeInterval)
	defer tick.Stop()
	var reported time.Time
	failing := false
	for {
		var seen []fleet.Presence
		now := time.Now()
		if now.Sub(reported) >= reportInterval-lifeInterval/2 {
			seen, reported = f.ingest.Presences(now), now
		}
		err := f.tell(ctx, seen)
		if err != nil && ctx.Err() == nil && !failing {
			f.log.Warn("telling the other servers of the agents here: trying again", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tell does one beat. One that takes longer than the lease on life is of no use,
// and one that is begun anew finds a way to the database that is open again.
func (f *follower) tell(ctx context.Context, seen []fleet.Presence) error {
	ctx, cancel := context.WithTimeout(ctx, lifeTime)
	defer cancel()
	if err := f.cluster.Report(ctx, lifeTime, seen); err != nil {
		return err
	}
	if err := f.ingest.Depart(ctx); err != nil {
		return err
	}
	return f.look(ctx)
}

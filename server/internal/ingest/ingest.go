// Package ingest serves the sessions of agents: one session a stream.
//
// # What it promises
//
// A batch is acknowledged only when the store has said that it is durable: its
// records are in the write-ahead log and the log has been fsynced, by the group
// commit of [series.Appender] (package local says how that is reached with the
// embedded TSDB). Batches of a session are stored in the order in which they
// came, and acknowledged in that order. A batch that comes twice changes
// nothing: one whose sequence number is durable, and that has nothing later than
// what is, is acknowledged at once, and after a restart of the server, which
// forgets those numbers, the store finds the samples already there.
//
// Whatever one agent sends, the others are not disturbed: messages, series,
// labels, samples and batches in flight have limits, a session that breaks one
// ends with an error that names it, and samples from the future never reach the
// store (see [Limits.MaxFuture]).
//
// # What it does not
//
// It knows no transport: package rpc brings it streams and turns its errors,
// which are those of package fleet, into codes.
package ingest

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/series"
)

// Limits bound what one agent may send.
type Limits struct {
	// MaxMessageBytes bounds one request of a stream. The transport enforces it.
	MaxMessageBytes int
	// MaxSeries bounds the series of all schemas of a stream.
	MaxSeries int
	// MaxInFlight bounds the batches that are received and not yet durable.
	MaxInFlight int
	// MaxFuture is how far ahead of the server's clock a sample may lie.
	MaxFuture time.Duration
	// MaxSilence ends a session whose agent has sent nothing for so long, not
	// even a pong: its process hangs. Of one whose machine lost power the
	// transport learns sooner.
	MaxSilence time.Duration
}

// DefaultLimits are generous for a large host and harmless for the server.
var DefaultLimits = Limits{
	MaxMessageBytes: 4 << 20,
	MaxSeries:       20_000,
	MaxInFlight:     64,
	MaxFuture:       time.Minute,
	MaxSilence:      10 * time.Second, // room for two pings
}

const (
	// pingInterval is how long a stream is idle, in either direction, before the
	// session asks for a sign of life. A ping and its answer cost more than a
	// batch does with its Ack.
	pingInterval = 4 * time.Second
	// pingGroup is how far apart the pings of different sessions are at least,
	// when they are not at the same time.
	pingGroup = 100 * time.Millisecond
	// clockInterval is how often it asks an agent that is not idle, for its clock.
	clockInterval = 30 * time.Second
	// seenInterval is how often the store learns when agents were last seen.
	seenInterval = 10 * time.Second
)

// Config is what an [Ingest] works with.
type Config struct {
	Registrar *fleet.Registrar
	Steering  *fleet.Steering
	// Cluster is nil for a server that has its store for itself.
	Cluster  fleet.Cluster
	Appender series.Appender
	Limits   Limits
	// CredentialLifetime is how old an agent's credential may grow before it gets a
	// new one; 0 for no bound.
	CredentialLifetime time.Duration
	Logger             *slog.Logger
	Metrics            prometheus.Registerer
	Now                func() time.Time
}

// Ingest holds the sessions of all agents. It implements [fleet.Live].
type Ingest struct {
	cfg     Config
	metrics *metrics
	// update is the newest message of settings, made once for all the agents
	// that get it.
	update atomic.Pointer[update]
	hellos hellos

	mu       sync.RWMutex
	agents   map[string]*agent
	draining bool
	// left are the generations of sessions whose end the cluster does not know.
	left map[string]uint64
}

// New returns an Ingest without sessions.
func New(cfg Config) *Ingest {
	if cfg.Cluster == nil {
		cfg.Cluster = fleet.Alone{}
	}
	return &Ingest{
		cfg:     cfg,
		metrics: newMetrics(cfg.Metrics),
		agents:  make(map[string]*agent),
		left:    make(map[string]uint64),
		hellos:  hellos{wake: make(chan struct{}, 1)},
	}
}

// Stream is one open stream of an agent. Send and Receive may each be called by
// one goroutine at a time.
type Stream interface {
	Receive() (*sondev1.ConnectRequest, error)
	Send(*sondev1.ConnectResponse) error
}

// Peer is who opened a stream.
type Peer struct {
	Credential fleet.Secret
	Address    string
	// Abort makes a Receive that is under way return an error, soon.
	Abort func()
}

// Serve serves one stream until it ends. A nil error means that the agent
// closed it; every other is a [fleet.Error] fit for the agent, or the
// transport's own.
func (in *Ingest) Serve(ctx context.Context, stream Stream, peer Peer) error {
	known, err := in.cfg.Registrar.Authenticate(ctx, peer.Credential)
	if err != nil {
		return err
	}
	first, err := stream.Receive()
	if err != nil {
		return err
	}
	hello := first.GetHello()
	if hello == nil {
		return fleet.Errorf(fleet.Invalid, "the first message of a stream must be hello")
	}
	if len(hello.BootId) != 16 {
		return fleet.Errorf(fleet.Invalid, "hello.boot_id has %d bytes, want 16", len(hello.BootId))
	}
	if known.ID != hello.AgentId {
		return fleet.Errorf(fleet.Unauthenticated, "hello.agent_id %.64q is not the agent of this credential", hello.AgentId)
	}
	host := HostFacts(hello.Host)
	if err := host.Validate(); err != nil {
		return err
	}
	s := newSession(in, in.agent(known.ID), stream, peer, hello)
	if err := in.attach(s, host.Hostname); err != nil {
		return err
	}
	defer in.detach(s)
	defer s.leave()
	known, err = in.identify(ctx, s)
	if err != nil {
		return err
	}
	if known, err = s.settleCredential(ctx, known); err != nil {
		return err
	}
	if err := in.own(ctx, s); err != nil {
		return err
	}
	defer in.disown(s)
	in.hellos.add(fleet.Sighting{AgentID: known.ID, At: in.cfg.Now(), Host: &host})
	if err := in.cfg.Steering.Connected(ctx, known.ID, hello.ConfigHash, s); err != nil {
		return err
	}
	defer in.cfg.Steering.Disconnected(known.ID, s)
	return s.serve(ctx, known)
}

// attach makes s the session of its agent, in place of the one before, unless it
// is one of a copy.
func (in *Ingest) attach(s *session, hostname string) error {
	in.mu.Lock()
	if in.draining {
		in.mu.Unlock()
		return errStopping
	}
	if s.agent.copied(s) {
		in.mu.Unlock()
		return in.turnAway(s, hostname)
	}
	old := s.agent.session
	if old != nil {
		s.agent.replaced(old, s)
	}
	s.agent.session = s
	in.mu.Unlock()
	in.metrics.sessions.Inc()
	if old != nil {
		old.end(fleet.Errorf(fleet.Conflict, "replaced by a newer session of the same agent from %s", s.peer.Address))
	}
	return nil
}

func (in *Ingest) detach(s *session) {
	in.mu.Lock()
	if s.agent.session == s {
		s.agent.session = nil
	}
	in.mu.Unlock()
	in.metrics.sessions.Dec()
}

var errStopping = fleet.Errorf(fleet.Unavailable, "the server is stopping: connect again, or elsewhere")

// Run keeps the store informed of when agents were last seen, and soon of those
// that connect, until ctx ends.
func (in *Ingest) Run(ctx context.Context) {
	tick := time.NewTicker(seenInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			// The last sightings of a run are worth a last write.
			in.storeHellos(context.WithoutCancel(ctx))
			in.storeSightings(context.WithoutCancel(ctx))
			return
		case <-in.hellos.wake:
			in.storeHellos(ctx)
		case <-tick.C:
			in.storeHellos(ctx)
			in.storeSightings(ctx)
		}
	}
}

func (in *Ingest) storeSightings(ctx context.Context) {
	var seen []fleet.Sighting
	in.mu.RLock()
	for id, a := range in.agents {
		if at := a.lastSeen.Load(); at != a.storedSeen {
			a.storedSeen = at
			seen = append(seen, fleet.Sighting{AgentID: id, At: time.UnixMilli(at)})
		}
	}
	in.mu.RUnlock()
	if err := in.cfg.Registrar.Seen(ctx, seen...); err != nil {
		in.cfg.Logger.Error("storing when agents were last seen", "agents", len(seen), "error", err)
	}
}

// Drain ends all sessions with Unavailable and lets no new one begin. What the
// sessions have received is stored and acknowledged before they end; it does
// not wait for that.
func (in *Ingest) Drain() {
	in.mu.Lock()
	in.draining = true
	in.mu.Unlock()
	for _, s := range in.sessions() {
		s.end(errStopping)
	}
}

func (in *Ingest) sessions() []*session {
	in.mu.RLock()
	defer in.mu.RUnlock()
	var open []*session
	for _, a := range in.agents {
		if a.session != nil {
			open = append(open, a.session)
		}
	}
	return open
}

// Disconnect implements [fleet.Live].
func (in *Ingest) Disconnect(agentID string, reason error) {
	if s := in.session(agentID); s != nil {
		s.end(reason)
	}
}

func (in *Ingest) welcome(durable uint64) *sondev1.Welcome {
	l := in.cfg.Limits
	return &sondev1.Welcome{
		ServerTime: timestamppb.New(in.cfg.Now()),
		DurableSeq: durable,
		Limits: &sondev1.Limits{
			MaxMessageBytes:    uint32(l.MaxMessageBytes),
			MaxSeries:          uint32(l.MaxSeries),
			MaxBatchesInFlight: uint32(l.MaxInFlight),
			MaxFutureMs:        uint32(l.MaxFuture / time.Millisecond),
		},
	}
}

func (l Limits) wire() wire.Limits {
	limits := wire.DefaultLimits
	limits.PayloadBytes = l.MaxMessageBytes
	limits.Series = l.MaxSeries
	return limits
}

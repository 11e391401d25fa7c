package fleet

import (
	"context"
	"time"
)

// Cluster is what servers that share a store owe each other. A server that has
// its store for itself is [Alone].
//
// All methods are safe for concurrent use; their errors are those of [Store].
type Cluster interface {
	// Listen calls f, one call after the other, with each change that another
	// server made, until ctx ends; it returns nil then. A call is made after the
	// change can be read. Whenever changes may have been missed, at the start and
	// after a connection was made anew, f gets a notice of [Anything].
	Listen(ctx context.Context, f func(Notice)) error

	// Lease takes a lease, or keeps it if this server has it, until ttl from
	// now; false when another server has it. A server that ended or hangs loses
	// its leases once they run out.
	Lease(ctx context.Context, name string, ttl time.Duration) (bool, error)

	// Release gives a lease back, if this server has it.
	Release(ctx context.Context, name string) error

	// BeginSession makes this server the one that has the session of an agent,
	// and returns a generation that is higher than all before. From then on what
	// another server says of the agent is passed over: see
	// [Store.PutConfigStatuses] and Report. NotFound.
	BeginSession(ctx context.Context, agentID string) (generation uint64, err error)

	// EndSession forgets the session of an agent, if it is still that generation.
	EndSession(ctx context.Context, agentID string, generation uint64) error

	// AskRotation has the server that has the session of an agent, now or next, give
	// the agent a new credential: see Agent.RotationAsked, which stays until the
	// agent has one. NotFound.
	AskRotation(ctx context.Context, agentID string) error

	// Report says that this server lives, for ttl from now, and what it sees of
	// its sessions. Those that have begun anew since are passed over.
	Report(ctx context.Context, ttl time.Duration, seen []Presence) error

	// Elsewhere returns the sessions of the other servers that live, in no order.
	Elsewhere(ctx context.Context) ([]Presence, error)

	// Shared reports whether there may be other servers.
	Shared() bool
}

// Presence is the session of an agent as the server that has it saw it.
type Presence struct {
	AgentID    string
	Generation uint64
	// Status is zero until the server has reported it once; its State is that at
	// the time of the report.
	Status Status
}

// ChangeKind says what changed.
type ChangeKind string

const (
	// Anything may have changed.
	Anything ChangeKind = "anything"
	// AgentChanged: one was renamed, relabelled or removed, its credentials were
	// revoked, or it is to have a new one.
	AgentChanged ChangeKind = "agent"
	// ConfigChanged: there is a new revision, or a rollout moved.
	ConfigChanged ChangeKind = "config"
	// StatusesChanged: something became of agents' configurations.
	StatusesChanged ChangeKind = "statuses"
	// SessionChanged: the session of an agent began or ended.
	SessionChanged ChangeKind = "session"
)

// Notice is one change that another server made.
type Notice struct {
	Kind ChangeKind
	// AgentID is of AgentChanged and SessionChanged.
	AgentID string
	// Generation is that of a session that began, 0 of one that ended.
	Generation uint64
}

// Alone is the [Cluster] of a server that has its store for itself: it has all
// leases and all sessions, and there is nobody to hear from. The zero value is
// ready for use.
type Alone struct{}

var _ Cluster = Alone{}

// Listen implements [Cluster].
func (Alone) Listen(ctx context.Context, _ func(Notice)) error {
	<-ctx.Done()
	return nil
}

// Lease implements [Cluster].
func (Alone) Lease(context.Context, string, time.Duration) (bool, error) { return true, nil }

// Release implements [Cluster].
func (Alone) Release(context.Context, string) error { return nil }

// BeginSession implements [Cluster].
func (Alone) BeginSession(context.Context, string) (uint64, error) { return 0, nil }

// EndSession implements [Cluster].
func (Alone) EndSession(context.Context, string, uint64) error { return nil }

// AskRotation implements [Cluster].
func (Alone) AskRotation(context.Context, string) error {
	return Errorf(State, "there is no other server that could have the agent's session")
}

// Report implements [Cluster].
func (Alone) Report(context.Context, time.Duration, []Presence) error { return nil }

// Elsewhere implements [Cluster].
func (Alone) Elsewhere(context.Context) ([]Presence, error) { return nil, nil }

// Shared implements [Cluster].
func (Alone) Shared() bool { return false }

// Package fleet is the domain of the control plane: the agents of a fleet, how
// they get in, what they are told to do, and how people get in.
//
// It promises that a name belongs to one agent at a time, that an agent is
// enrolled only with a join token that is valid in the same transaction, that
// no secret is stored or logged in a form that can be used, and that every
// error carries a [Code] and a message that is safe to show.
//
// It knows neither a database nor a transport. [Store] is what a database owes
// it, [Live] what the sessions of agents owe it. Samples are not its business.
//
// Four services stand side by side: [Registrar] serves the sessions of agents,
// [Service] the people and programs that look after the fleet, [Steering] both,
// since what people decide is what agents are told, and [Access] the door
// through which people come in.
package fleet

import (
	"context"
	"time"
)

// Agent is one enrolled metrics agent.
type Agent struct {
	// ID is a UUIDv7 in its text form, the value of the series label "agent".
	ID string
	// Name is unique, the value of the series label "instance".
	Name string
	// Labels are given by people; never written to after the agent was made.
	Labels     map[string]string
	Host       HostFacts
	EnrolledAt time.Time
	// LastSeenAt is as old as the last [Registrar.Seen]; zero for never.
	LastSeenAt time.Time
	// CredentialIssuedAt is when the agent was given the credential that it is known
	// to have; zero when that was revoked.
	CredentialIssuedAt time.Time
	// CredentialStaged says that it was given another one, and nothing was heard of
	// that yet: both work.
	CredentialStaged bool
	// RotationAsked says that a server was asked to give it another one that did not
	// have its session: see [Cluster.AskRotation].
	RotationAsked bool
}

// HostFacts describe the machine that an agent runs on. All are optional.
type HostFacts struct {
	Hostname string
	// OS and Arch are as in runtime.GOOS and runtime.GOARCH.
	OS, Arch     string
	Kernel       string
	OSRelease    string
	CPUModel     string
	CPUCount     uint32
	MemoryBytes  uint64
	Container    string
	BootedAt     time.Time
	AgentVersion string
}

// AgentState is what the server can say of an agent now.
type AgentState uint8

const (
	// Pending is enrolled, and never connected.
	Pending AgentState = 1 + iota
	// Up is connected, and batches arrive as they should.
	Up
	// Late is connected, and batches are overdue.
	Late
	// Down is not connected.
	Down
)

// Status is what the server has seen of an agent since it started.
type Status struct {
	// State is set by [Service]; a [Live] leaves it, unless another server has the
	// session and has said it.
	State AgentState
	// LastSeenAt is when the last batch or pong arrived.
	LastSeenAt time.Time
	// LastBatchAt is when the last batch of the open session arrived; zero
	// before the first.
	LastBatchAt time.Time
	// ConnectedAt is when the open session began; zero when there is none.
	ConnectedAt time.Time
	// Address of the peer of the open session.
	Address string
	// ClockSkew is the agent's clock minus the server's.
	ClockSkew          time.Duration
	RoundTrip          time.Duration
	Series             uint32
	SubmissionInterval time.Duration
	SamplesStored      uint64
	SamplesRefused     uint64
	// LastError is the newest refusal or session error, for people.
	LastError   string
	LastErrorAt time.Time
	// Clone is the last process that was turned away because another one has the
	// agent's credential too; zero for none.
	Clone Clone
}

// Clone is an agent that was copied together with its credential.
type Clone struct {
	SeenAt            time.Time
	Hostname, Address string
}

// StateNow returns the status of an agent that is connected with its State.
func (s Status) StateNow(now time.Time) Status {
	s.State = stateOf(Agent{}, s, now)
	return s
}

// AgentStatus is an agent with what the server has seen of it.
type AgentStatus struct {
	Agent  Agent
	Status Status
}

// Live is what the sessions of agents owe the domain. Safe for concurrent use.
//
// A session reads its agent with [Registrar.Authenticate] once more after it
// has become visible to Disconnect. Without that, an agent that is removed or
// renamed between the first look and the registration would go on under the
// old name until its stream ends by itself.
//
// A session whose peer stays silent, pongs included, for 4 s is ended, so that
// an agent whose machine lost power is seen as Down within 5 s.
type Live interface {
	// Status says what was seen of an agent since the server started, false
	// when that is nothing. It is called for every agent of a list, so it must
	// not wait for anything.
	Status(agentID string) (Status, bool)
	// Disconnect ends the open session of an agent, if there is one, and tells
	// the agent why. It does not wait for the end. reason is an [Error].
	Disconnect(agentID string, reason error)
	// Rotate gives the agent a new credential over its open session. It does not
	// wait for the agent's answer. State: there is no open session, or the agent
	// cannot take one.
	Rotate(ctx context.Context, agentID string) error
}

// minLate is the silence after which even an agent that submits many times a
// second counts as late.
const minLate = 3 * time.Second

// stateOf decides on the state of an agent at a time. An agent is late when no
// batch came for three submission intervals, and at least for minLate.
func stateOf(a Agent, s Status, now time.Time) AgentState {
	if s.ConnectedAt.IsZero() {
		if a.LastSeenAt.IsZero() && s.LastSeenAt.IsZero() {
			return Pending
		}
		return Down
	}
	last := s.ConnectedAt
	if s.LastBatchAt.After(last) {
		last = s.LastBatchAt
	}
	if now.Sub(last) > max(3*s.SubmissionInterval, minLate) {
		return Late
	}
	return Up
}

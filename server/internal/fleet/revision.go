package fleet

import "time"

// Revision is one state of the fleet's configuration. Only its rollout changes.
type Revision struct {
	// Number counts from 1.
	Number    uint64
	CreatedAt time.Time
	Author    string
	Message   string
	// RollbackOf is the revision that this one took back to, 0 for none.
	RollbackOf uint64
	Plan       RolloutPlan
	Rollout    Rollout
	// Counts is filled in by [Steering]; a [Store] leaves it.
	Counts RolloutCounts
}

// RolloutPlan says how a revision reaches the fleet.
type RolloutPlan struct {
	// StepsPercent rise to 100; none: all agents at once.
	StepsPercent []uint32 `json:"steps_percent,omitempty"`
	// WatchSeconds is how long a step is watched before the next.
	WatchSeconds uint32 `json:"watch_seconds,omitempty"`
	// MaxFailures is by how much a failure counter of an agent may rise that did
	// not rise before; see [FailureCounters].
	MaxFailures uint32 `json:"max_failures,omitempty"`
	// IgnoreFailures takes no notice of such counters.
	IgnoreFailures bool `json:"ignore_failures,omitempty"`
}

// RolloutState is how far a rollout is.
type RolloutState string

// The states of a rollout, as they are stored.
const (
	RolloutRunning    RolloutState = "running"
	RolloutDone       RolloutState = "done"
	RolloutFailed     RolloutState = "failed"
	RolloutSuperseded RolloutState = "superseded"
)

// Rollout is how a revision reaches the fleet, and how far it is.
type Rollout struct {
	State RolloutState
	// Step is the step that it is at, from 0.
	Step uint32
	// Reason says why it failed, for people.
	Reason string
}

// RolloutCounts are the agents that go by a revision, by what they made of it.
type RolloutCounts struct {
	Pending, Applied, Rejected uint32
}

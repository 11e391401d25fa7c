package fleet_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// shared is a cluster whose lease a test gives and takes.
type shared struct {
	fleet.Alone
	ours bool
}

func (s *shared) Shared() bool { return true }

func (s *shared) Lease(context.Context, string, time.Duration) (bool, error) { return s.ours, nil }

// A server moves a rollout only while it has the lease; one that gets the lease
// takes the step that is running.
func TestRolloutNeedsLease(t *testing.T) {
	h := newHerd(t, 4)
	cluster := new(shared)
	steering, err := fleet.NewSharedSteering(t.Context(), h.store, cluster, func() time.Time { return h.now }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.steering = steering
	for id := range h.sessions {
		h.sessions[id] = h.connect(t, id, 0)
	}
	hash := submit(200).Hash()
	lead := func(ours bool) {
		t.Helper()
		cluster.ours = ours
		if err := h.steering.Lead(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := func(agents int, state fleet.RolloutState, step uint32) {
		t.Helper()
		h.look(t)
		if got := len(h.at(hash)); got != agents {
			t.Errorf("%d agents were told, want %d", got, agents)
		}
		h.wantRollout(t, state, step)
	}
	lead(false)
	h.apply(t, policy("p", 200, nil), 50, 100)
	want(0, fleet.RolloutRunning, 0)
	lead(true)
	want(2, fleet.RolloutRunning, 0)
	h.answer()

	// The lease runs out, and another server has it.
	h.now = h.now.Add(time.Hour)
	lead(false)
	want(2, fleet.RolloutRunning, 0)
	// It comes back: the step is watched from now on.
	lead(true)
	want(2, fleet.RolloutRunning, 0)
	for range 12 { // the plan watches ten seconds
		h.now = h.now.Add(time.Second)
		lead(true)
		h.look(t)
	}
	want(4, fleet.RolloutRunning, 1)
}

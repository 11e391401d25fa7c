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
	for range 62 { // the plan watches a minute
		h.now = h.now.Add(time.Second)
		lead(true)
		h.look(t)
	}
	want(4, fleet.RolloutRunning, 1)
}

// unheard gives the lease in an answer that the server is no longer there to hear.
type unheard struct {
	shared
	asked    chan struct{}
	released bool
}

func (u *unheard) Lease(ctx context.Context, _ string, _ time.Duration) (bool, error) {
	close(u.asked)
	<-ctx.Done()
	return false, ctx.Err()
}

func (u *unheard) Release(context.Context, string) error {
	u.released = true
	return nil
}

// A server that ends gives back the lease that it may have been given meanwhile.
func TestLeaseUnheardIsGivenBack(t *testing.T) {
	h := newHerd(t, 1)
	cluster := &unheard{asked: make(chan struct{})}
	steering, err := fleet.NewSharedSteering(t.Context(), h.store, cluster, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	go func() {
		<-cluster.asked
		end()
	}()
	steering.Run(ctx)
	if !cluster.released {
		t.Error("the lease is still held")
	}
}

// fenced is a store in which agents have their sessions with other servers.
type fenced struct{ fleet.Store }

func (fenced) PutConfigStatuses(context.Context, []fleet.ConfigStatus) error { return nil }

// A server that was suspended hears of an agent's status from the one that the
// agent went to, before it knows that its own session is over.
func TestStatusOfAnAgentThatWentElsewhere(t *testing.T) {
	h := newHerd(t, 1)
	var err error
	h.steering, err = fleet.NewSharedSteering(t.Context(), fenced{h.store}, new(shared), func() time.Time { return h.now }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for id := range h.sessions {
		session := h.connect(t, id, 0)
		r := h.apply(t, policy("p", 200, nil))
		hash := session.last()
		h.wantState(t, id, fleet.ConfigPending, r.Number)
		err := h.store.PutConfigStatuses(t.Context(), []fleet.ConfigStatus{{
			AgentID: id, Revision: r.Number, Desired: hash, InForce: hash, State: fleet.ConfigApplied, ChangedAt: h.now,
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.steering.Hear(t.Context(), fleet.Notice{Kind: fleet.StatusesChanged}); err != nil {
			t.Fatal(err)
		}
		h.wantState(t, id, fleet.ConfigPending, r.Number)
		h.steering.Disconnected(id, session)
		h.look(t) // the status of here is passed over
		if err := h.steering.AdoptAgain(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.wantState(t, id, fleet.ConfigApplied, r.Number)
	}
}

package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// Server is one of the servers that share a store.
type Server interface {
	fleet.Store
	fleet.Cluster
}

// long is a lease that does not run out during a test.
const long = time.Hour

// RunCluster tests a store that servers share. open returns two servers on an
// empty one, and closes them when t ends.
func RunCluster(t *testing.T, open func(t *testing.T) (a, b Server)) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, a, b Server)
	}{
		{"Lease", testLease},
		{"LeaseConcurrently", testLeaseConcurrently},
		{"SessionsMove", testSessionsMove},
		{"SessionsConcurrently", testSessionsConcurrently},
		{"StatusesAreFenced", testStatusesAreFenced},
		{"ReportsAreFenced", testReportsAreFenced},
		{"AllAtOnce", testAllAtOnce},
		{"DeadServer", testDeadServer},
		{"RotationAsked", testRotationAsked},
		{"Notices", testNotices},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := open(t)
			test.run(t, a, b)
		})
	}
}

func wantLease(t *testing.T, s Server, ttl time.Duration, want bool) {
	t.Helper()
	got, err := s.Lease(t.Context(), "x", ttl)
	must(t, err)
	if got != want {
		t.Errorf("the lease was given: %t, want %t", got, want)
	}
}

func testLease(t *testing.T, a, b Server) {
	wantLease(t, a, long, true)
	wantLease(t, b, long, false)
	wantLease(t, a, long, true)
	other, err := b.Lease(t.Context(), "y", long)
	must(t, err)
	if !other {
		t.Error("another lease is taken too")
	}
	must(t, b.Release(t.Context(), "x")) // it is not b's
	wantLease(t, b, long, false)
	must(t, a.Release(t.Context(), "x"))
	wantLease(t, b, -long, true) // runs out at once
	wantLease(t, a, long, true)
	wantLease(t, b, long, false)
}

func testLeaseConcurrently(t *testing.T, a, b Server) {
	for round := range 20 {
		name := fmt.Sprint(round)
		var wg sync.WaitGroup
		var got [2]bool
		var errs [2]error
		for i, s := range []Server{a, b} {
			wg.Go(func() { got[i], errs[i] = s.Lease(t.Context(), name, long) })
		}
		wg.Wait()
		must(t, errs[0])
		must(t, errs[1])
		if got[0] == got[1] {
			t.Fatalf("the lease was given to a: %t, b: %t", got[0], got[1])
		}
	}
}

func begin(t *testing.T, s Server, id string) uint64 {
	t.Helper()
	generation, err := s.BeginSession(t.Context(), id)
	must(t, err)
	return generation
}

// wantElsewhere wants the agents that a server sees with others.
func wantElsewhere(t *testing.T, s Server, want map[string]uint64) {
	t.Helper()
	seen, err := s.Elsewhere(t.Context())
	must(t, err)
	got := make(map[string]uint64)
	for _, p := range seen {
		got[p.AgentID] = p.Generation
	}
	if !maps.Equal(got, want) {
		t.Errorf("sessions elsewhere are %v, want %v", got, want)
	}
}

func testSessionsMove(t *testing.T, a, b Server) {
	putToken(t, a)
	enroll(t, a, 1, "one")
	must(t, a.Report(t.Context(), long, nil))
	must(t, b.Report(t.Context(), long, nil))
	_, err := a.BeginSession(t.Context(), "nobody")
	wantCode(t, err, fleet.NotFound)

	first := begin(t, a, "agent-1")
	wantElsewhere(t, b, map[string]uint64{"agent-1": first})
	wantElsewhere(t, a, nil)
	second := begin(t, b, "agent-1")
	if second <= first {
		t.Errorf("generation %d comes after %d", second, first)
	}
	wantElsewhere(t, a, map[string]uint64{"agent-1": second})
	wantElsewhere(t, b, nil)
	// The end of the first session does not end the second.
	must(t, a.EndSession(t.Context(), "agent-1", first))
	wantElsewhere(t, a, map[string]uint64{"agent-1": second})
	must(t, b.EndSession(t.Context(), "agent-1", second))
	must(t, b.EndSession(t.Context(), "agent-1", second))
	wantElsewhere(t, a, nil)
	if third := begin(t, a, "agent-1"); third <= second {
		t.Errorf("generation %d comes after %d", third, second)
	}
	must(t, b.DeleteAgent(t.Context(), "agent-1"))
	wantElsewhere(t, b, nil)
}

// The server with the highest generation is the one that has the session.
func testSessionsConcurrently(t *testing.T, a, b Server) {
	putToken(t, a)
	enroll(t, a, 1, "one")
	must(t, a.Report(t.Context(), long, nil))
	must(t, b.Report(t.Context(), long, nil))
	var wg sync.WaitGroup
	var highest [2]uint64
	errs := make([]error, 20)
	for i, s := range []Server{a, b} {
		wg.Go(func() {
			for k := range 10 {
				highest[i], errs[10*i+k] = s.BeginSession(t.Context(), "agent-1")
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		must(t, err)
	}
	if highest[0] > highest[1] {
		wantElsewhere(t, b, map[string]uint64{"agent-1": highest[0]})
		wantElsewhere(t, a, nil)
	} else {
		wantElsewhere(t, a, map[string]uint64{"agent-1": highest[1]})
		wantElsewhere(t, b, nil)
	}
}

func testStatusesAreFenced(t *testing.T, a, b Server) {
	putToken(t, a)
	enroll(t, a, 1, "one")
	begin(t, a, "agent-1")
	begin(t, b, "agent-1")
	put := func(s Server, revision uint64, state fleet.ConfigState) {
		t.Helper()
		must(t, s.PutConfigStatuses(t.Context(), []fleet.ConfigStatus{{AgentID: "agent-1", Revision: revision, State: state, ChangedAt: now}}))
	}
	want := func(revision uint64, state fleet.ConfigState) {
		t.Helper()
		got, err := a.ConfigStatuses(t.Context())
		must(t, err)
		wantSame(t, got, []fleet.ConfigStatus{{AgentID: "agent-1", Revision: revision, State: state, ChangedAt: now}})
	}
	put(b, 1, fleet.ConfigApplied)
	put(a, 1, fleet.ConfigPending) // a had the session before
	want(1, fleet.ConfigApplied)
	put(a, 2, fleet.ConfigPending) // whoever moves a rollout
	want(2, fleet.ConfigPending)
	put(b, 1, fleet.ConfigRejected) // b has not heard of it yet
	want(2, fleet.ConfigPending)
	put(b, 2, fleet.ConfigRejected)
	want(2, fleet.ConfigRejected)
}

func testReportsAreFenced(t *testing.T, a, b Server) {
	putToken(t, a)
	enroll(t, a, 1, "one")
	old := begin(t, a, "agent-1")
	generation := begin(t, b, "agent-1")
	status := fleet.Status{
		State: fleet.Late, LastSeenAt: now, LastBatchAt: now.Add(-time.Second), ConnectedAt: now.Add(-time.Hour), Address: "a",
		ClockSkew: -time.Microsecond, RoundTrip: time.Millisecond, Series: 7, SubmissionInterval: time.Second,
		SamplesStored: 1 << 63, SamplesRefused: 3, LastError: "\x00", LastErrorAt: now,
		Clone: fleet.Clone{SeenAt: now, Hostname: "h", Address: "b"},
	}
	must(t, b.Report(t.Context(), long, []fleet.Presence{{AgentID: "agent-1", Generation: generation, Status: status}, {AgentID: "nobody", Generation: 1}}))
	must(t, a.Report(t.Context(), long, []fleet.Presence{{AgentID: "agent-1", Generation: old}}))
	seen, err := a.Elsewhere(t.Context())
	must(t, err)
	wantSame(t, seen, []fleet.Presence{{AgentID: "agent-1", Generation: generation, Status: status}})
}

// Two servers that write many rows in different orders neither block each other
// nor lose anything.
func testAllAtOnce(t *testing.T, a, b Server) {
	putToken(t, a)
	const agents, rounds = 20, 10
	for n := range byte(agents) {
		enroll(t, a, n+1, "a")
	}
	var wg sync.WaitGroup
	for i, s := range []Server{a, b} {
		var presences []fleet.Presence
		var sightings []fleet.Sighting
		var statuses []fleet.ConfigStatus
		for n := range agents {
			if i == 1 {
				n = agents - 1 - n
			}
			id := fmt.Sprintf("agent-%d", n+1)
			presences = append(presences, fleet.Presence{AgentID: id, Generation: begin(t, s, id)})
			sightings = append(sightings, fleet.Sighting{AgentID: id, At: now.Add(time.Duration(i) * time.Second)})
			statuses = append(statuses, fleet.ConfigStatus{AgentID: id, Revision: 1, Desired: uint64(i), State: fleet.ConfigApplied, ChangedAt: now})
		}
		for _, write := range []func() error{
			func() error { return s.Report(t.Context(), long, presences) },
			func() error { return s.SeeAgents(t.Context(), sightings) },
			func() error { return s.PutConfigStatuses(t.Context(), statuses) },
			func() error {
				// The last session of each is with the second server.
				if i == 0 {
					return nil
				}
				_, err := s.BeginSession(t.Context(), presences[0].AgentID)
				return err
			},
		} {
			wg.Go(func() {
				for range rounds {
					if err := write(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	statuses, err := a.ConfigStatuses(t.Context())
	must(t, err)
	list, err := a.Agents(t.Context(), "", agents)
	must(t, err)
	if len(statuses) != agents || len(list) != agents {
		t.Errorf("%d statuses of %d agents", len(statuses), len(list))
	}
	for _, c := range statuses {
		if c.Desired != 1 {
			t.Errorf("the status of %s is that of the server that lost its session", c.AgentID)
		}
	}
	for _, a := range list {
		if !a.LastSeenAt.Equal(now.Add(time.Second)) {
			t.Errorf("%s was last seen at %v", a.ID, a.LastSeenAt)
		}
	}
}

// The sessions of a server that does not say that it lives count for nothing.
func testDeadServer(t *testing.T, a, b Server) {
	putToken(t, a)
	enroll(t, a, 1, "one")
	generation := begin(t, a, "agent-1")
	wantElsewhere(t, b, nil)
	must(t, a.Report(t.Context(), long, nil))
	wantElsewhere(t, b, map[string]uint64{"agent-1": generation})
	must(t, a.Report(t.Context(), -long, nil))
	wantElsewhere(t, b, nil)
}

// What one server is asked for stays until the agent has it.
func testRotationAsked(t *testing.T, a, b Server) {
	putToken(t, a)
	enroll(t, a, 1, "one")
	want := func(asked bool) {
		t.Helper()
		got, err := a.AgentByCredential(t.Context(), hash(1))
		must(t, err)
		if got.RotationAsked != asked {
			t.Errorf("a rotation is asked for: %t, want %t", got.RotationAsked, asked)
		}
	}
	want(false)
	must(t, b.AskRotation(t.Context(), "agent-1"))
	want(true)
	must(t, a.StageCredential(t.Context(), "agent-1", hash(11), now))
	must(t, a.SettleCredential(t.Context(), "agent-1", hash(1))) // the agent did not take it
	want(true)
	must(t, a.StageCredential(t.Context(), "agent-1", hash(12), now))
	begin(t, a, "agent-1")
	wantCode(t, b.StageCredential(t.Context(), "agent-1", hash(13), now), fleet.NotFound) // b has no session of it
	must(t, a.SettleCredential(t.Context(), "agent-1", hash(12)))
	got, err := b.Agent(t.Context(), "agent-1")
	must(t, err)
	if got.RotationAsked {
		t.Error("a rotation is still asked for")
	}
	must(t, b.AskRotation(t.Context(), "agent-1"))
	must(t, a.RevokeCredential(t.Context(), "agent-1"))
	got, err = b.Agent(t.Context(), "agent-1")
	must(t, err)
	if got.RotationAsked {
		t.Error("a rotation of a credential that was revoked is asked for")
	}
	wantCode(t, b.AskRotation(t.Context(), "nobody"), fleet.NotFound)
}

// Every change of a reaches b, once it can be read, and none of b's own.
func testNotices(t *testing.T, a, b Server) {
	heard := make(chan fleet.Notice, 100)
	ctx, stop := context.WithCancel(t.Context())
	var listening sync.WaitGroup
	listening.Go(func() {
		if err := b.Listen(ctx, func(n fleet.Notice) { heard <- n }); err != nil {
			t.Error(err)
		}
	})
	defer listening.Wait()
	defer stop()
	next := func() fleet.Notice {
		select {
		case n := <-heard:
			return n
		case <-time.After(time.Minute):
			t.Error("nothing was heard")
			return fleet.Notice{}
		}
	}
	wantSame(t, next(), fleet.Notice{Kind: fleet.Anything})

	putToken(t, a)
	enroll(t, a, 1, "one")
	_, _, err := b.UpdateAgent(t.Context(), "agent-1", fleet.Change{Name: new("b")})
	must(t, err)
	_, _, err = a.UpdateAgent(t.Context(), "agent-1", fleet.Change{Name: new("a")})
	must(t, err)
	must(t, a.AskRotation(t.Context(), "agent-1"))
	generation := begin(t, a, "agent-1")
	must(t, a.CreateRevision(t.Context(), 0, fleet.Rollout{}, revision(1, fleet.RolloutRunning), fullConfig))
	must(t, a.PutConfigStatuses(t.Context(), []fleet.ConfigStatus{{AgentID: "agent-1", State: fleet.ConfigApplied, ChangedAt: now}}))
	must(t, a.MoveRollout(t.Context(), 1, fleet.Rollout{State: fleet.RolloutDone}))
	must(t, a.EndSession(t.Context(), "agent-1", generation))
	_, err = a.BeginSession(t.Context(), "nobody") // a transaction that did not happen
	wantCode(t, err, fleet.NotFound)
	must(t, a.DeleteAgent(t.Context(), "agent-1"))
	want := []fleet.Notice{
		{Kind: fleet.AgentChanged, AgentID: "agent-1"},
		{Kind: fleet.AgentChanged, AgentID: "agent-1"},
		{Kind: fleet.SessionChanged, AgentID: "agent-1", Generation: generation},
		{Kind: fleet.ConfigChanged},
		{Kind: fleet.StatusesChanged},
		{Kind: fleet.ConfigChanged},
		{Kind: fleet.SessionChanged, AgentID: "agent-1"},
		{Kind: fleet.AgentChanged, AgentID: "agent-1"},
	}
	var got []fleet.Notice
	for range want {
		got = append(got, next())
	}
	wantSame(t, got, want)
	if slices.Contains(got, fleet.Notice{}) {
		t.Fatal("notices are missing")
	}
}

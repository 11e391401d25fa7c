// Package storetest holds what every [fleet.Store] must pass, whatever database
// is behind it.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sonde.dev/sonde/server/internal/fleet"
)

// now is when the tests take place.
var now = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

// Run tests a store. open returns an empty one, and closes it when t ends.
func Run(t *testing.T, open func(t *testing.T) fleet.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s fleet.Store)
	}{
		{"AgentRoundTrip", testAgentRoundTrip},
		{"AgentNotFound", testAgentNotFound},
		{"NamesAreNumbered", testNamesAreNumbered},
		{"EnrollConcurrently", testEnrollConcurrently},
		{"JoinTokenUses", testJoinTokenUses},
		{"JoinTokenExpiry", testJoinTokenExpiry},
		{"JoinTokenReplaced", testJoinTokenReplaced},
		{"AgentsByPage", testAgentsByPage},
		{"UpdateAgent", testUpdateAgent},
		{"DeleteAgent", testDeleteAgent},
		{"SeeAgents", testSeeAgents},
		{"APITokenReplaced", testAPITokenReplaced},
		{"LoginCode", testLoginCode},
		{"LoginCodeConcurrently", testLoginCodeConcurrently},
		{"Session", testSession},
		{"SessionOfApplication", testSessionOfApplication},
		{"DeleteExpired", testDeleteExpired},
		{"Credentials", testCredentials},
		{"JoinTokens", testJoinTokens},
		{"JoinTokenGivesLabels", testJoinTokenGivesLabels},
		{"JoinTokenReadmits", testJoinTokenReadmits},
		{"APITokens", testAPITokens},
		{"APITokenTakesSessions", testAPITokenTakesSessions},
		{"Users", testUsers},
		{"UserSessions", testUserSessions},
		{"SetPassword", testSetPassword},
		{"SignInExternal", testSignInExternal},
		{"Audit", testAudit},
		{"RevisionRoundTrip", testRevisionRoundTrip},
		{"RevisionConflict", testRevisionConflict},
		{"Rollout", testRollout},
		{"RevisionsByPage", testRevisionsByPage},
		{"ConfigStatuses", testConfigStatuses},
		{"Cancelled", testCancelled},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// hash makes a distinct hash of a number.
func hash(n byte) fleet.Hash { return fleet.Hash{0: 0xff, 1: 0, 31: n} }

var anyone = hash(0)

// putToken stores a join token for any number of agents: anyone.
func putToken(t *testing.T, s fleet.Store) {
	t.Helper()
	must(t, s.PutJoinToken(t.Context(), fleet.JoinToken{Name: "any", Secret: anyone, CreatedAt: now, UsesLeft: -1}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, want fleet.Code) {
	t.Helper()
	if err == nil || fleet.ErrorCode(err) != want {
		t.Errorf("error %v has code %v, want %v", err, fleet.ErrorCode(err), want)
	}
}

func wantSame(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
}

// enroll takes in agent number n, which has credential hash(n).
func enroll(t *testing.T, s fleet.Store, n byte, name string) fleet.Agent {
	t.Helper()
	a, _, err := s.EnrollAgent(t.Context(), anyone, fleet.Agent{ID: fmt.Sprintf("agent-%d", n), Name: name, EnrolledAt: now}, hash(n))
	must(t, err)
	return a
}

func names(agents []fleet.Agent) []string {
	var list []string
	for _, a := range agents {
		list = append(list, a.Name)
	}
	return list
}

func testAgentRoundTrip(t *testing.T, s fleet.Store) {
	putToken(t, s)
	for _, want := range []fleet.Agent{
		{ID: "bare", Name: "bare", EnrolledAt: now},
		{
			ID: "full", Name: "full",
			Labels: map[string]string{"site": "Ærø \x00 \"'; DROP TABLE agents", "empty": ""},
			Host: fleet.HostFacts{
				Hostname: "h", OS: "linux", Arch: "arm64", Kernel: "6.1", OSRelease: "Debian", CPUModel: "c",
				CPUCount: 1<<32 - 1, MemoryBytes: 1<<64 - 1, Container: "docker", BootedAt: now.Add(-time.Hour), AgentVersion: "1",
			},
			EnrolledAt: now, LastSeenAt: now.Add(time.Second),
		},
		{ID: "epoch", Name: "epoch", EnrolledAt: time.UnixMilli(0).UTC(), LastSeenAt: time.UnixMilli(-1).UTC(), Host: fleet.HostFacts{BootedAt: time.UnixMilli(0).UTC()}},
	} {
		credential := hash(want.ID[0])
		got, _, err := s.EnrollAgent(t.Context(), anyone, want, credential)
		must(t, err)
		want.CredentialIssuedAt = want.EnrolledAt
		wantSame(t, got, want)
		got, err = s.Agent(t.Context(), want.ID)
		must(t, err)
		wantSame(t, got, want)
		got, err = s.AgentByCredential(t.Context(), credential)
		must(t, err)
		wantSame(t, got, want)
	}
}

func testAgentNotFound(t *testing.T, s fleet.Store) {
	_, err := s.Agent(t.Context(), "nobody")
	wantCode(t, err, fleet.NotFound)
	_, err = s.AgentByCredential(t.Context(), hash(1))
	wantCode(t, err, fleet.NotFound)
	_, _, err = s.UpdateAgent(t.Context(), "nobody", fleet.Change{})
	wantCode(t, err, fleet.NotFound)
	wantCode(t, s.DeleteAgent(t.Context(), "nobody"), fleet.NotFound)
}

func testNamesAreNumbered(t *testing.T, s fleet.Store) {
	putToken(t, s)
	long := strings.Repeat("ø", fleet.MaxNameChars)
	// Its 122nd character is the last of Unicode: look-ups by prefix end here.
	last := strings.Repeat("a", 121) + "\U0010ffff" + strings.Repeat("b", 6)
	for i, test := range []struct{ wanted, want string }{
		{"web", "web"},
		{"web", "web-2"},
		{"web", "web-3"},
		{"web-2", "web-2-2"},
		{"we", "we"},
		{"we%", "we%"},
		{"Web", "Web"},
		{long, long},
		{long, long[:2*126] + "-2"},
		{last, last},
		{last, last[:len(last)-2] + "-2"},
	} {
		if got := enroll(t, s, byte(i+1), test.wanted).Name; got != test.want {
			t.Errorf("agent %d wanted %q: got %q, want %q", i, test.wanted, got, test.want)
		}
	}
	// A number that became free is given again.
	must(t, s.DeleteAgent(t.Context(), "agent-2"))
	if got := enroll(t, s, 50, "web").Name; got != "web-2" {
		t.Errorf("got %q, want the free web-2", got)
	}
}

// Names are free for one agent at a time also where nothing else, such as a
// token that is used by all, keeps agents apart.
func testEnrollConcurrently(t *testing.T, s fleet.Store) {
	const agents, rounds = 16, 3
	for i := range agents {
		must(t, s.PutJoinToken(t.Context(), fleet.JoinToken{Name: fmt.Sprint(i), Secret: hash(byte(100 + i)), CreatedAt: now, UsesLeft: -1}))
	}
	for round := range rounds {
		var wg sync.WaitGroup
		errs := make([]error, agents)
		for i := range agents {
			wg.Go(func() {
				n := round*agents + i
				_, _, errs[i] = s.EnrollAgent(t.Context(), hash(byte(100+i)), fleet.Agent{ID: fmt.Sprint(n), Name: "web", EnrolledAt: now}, hash(byte(n+1)))
			})
		}
		wg.Wait()
		must(t, errors.Join(errs...))
	}
	got, err := s.Agents(t.Context(), "", rounds*agents+1)
	must(t, err)
	want := []string{"web"}
	for i := 2; i <= rounds*agents; i++ {
		want = append(want, fmt.Sprintf("web-%d", i))
	}
	slices.Sort(want)
	wantSame(t, names(got), want)
}

func testJoinTokenUses(t *testing.T, s fleet.Store) {
	token := hash(200)
	must(t, s.PutJoinToken(t.Context(), fleet.JoinToken{Name: "two", Secret: token, CreatedAt: now, UsesLeft: 2}))
	const tries = 8
	var wg sync.WaitGroup
	errs := make([]error, tries)
	for i := range tries {
		wg.Go(func() {
			_, _, errs[i] = s.EnrollAgent(t.Context(), token, fleet.Agent{ID: fmt.Sprint(i), Name: "a", EnrolledAt: now}, hash(byte(i+1)))
		})
	}
	wg.Wait()
	enrolled := 0
	for _, err := range errs {
		if err == nil {
			enrolled++
			continue
		}
		wantCode(t, err, fleet.Unauthenticated)
	}
	if enrolled != 2 {
		t.Errorf("%d agents enrolled with a token for 2", enrolled)
	}
	_, _, err := s.EnrollAgent(t.Context(), hash(201), fleet.Agent{ID: "x", Name: "x", EnrolledAt: now}, hash(100))
	wantCode(t, err, fleet.Unauthenticated)
}

func testJoinTokenExpiry(t *testing.T, s fleet.Store) {
	must(t, s.PutJoinToken(t.Context(), fleet.JoinToken{Name: "short", Secret: anyone, CreatedAt: now, ExpiresAt: now.Add(time.Millisecond), UsesLeft: -1}))
	enroll(t, s, 1, "in-time")
	_, _, err := s.EnrollAgent(t.Context(), anyone, fleet.Agent{ID: "x", Name: "x", EnrolledAt: now.Add(time.Millisecond)}, hash(2))
	wantCode(t, err, fleet.Unauthenticated)
}

func testJoinTokenReplaced(t *testing.T, s fleet.Store) {
	first := fleet.JoinToken{Name: "same", Secret: anyone, CreatedAt: now, UsesLeft: 1}
	must(t, s.PutJoinToken(t.Context(), first))
	enroll(t, s, 1, "a")
	// The same secret again gives no use back.
	must(t, s.PutJoinToken(t.Context(), first))
	_, _, err := s.EnrollAgent(t.Context(), anyone, fleet.Agent{ID: "b", Name: "b", EnrolledAt: now}, hash(2))
	wantCode(t, err, fleet.Unauthenticated)

	must(t, s.PutJoinToken(t.Context(), fleet.JoinToken{Name: "same", Secret: hash(9), CreatedAt: now, UsesLeft: 1}))
	_, _, err = s.EnrollAgent(t.Context(), hash(9), fleet.Agent{ID: "b", Name: "b", EnrolledAt: now}, hash(2))
	must(t, err)
}

func testAgentsByPage(t *testing.T, s fleet.Store) {
	putToken(t, s)
	for i, name := range []string{"b", "a", "B", "ä", "a-2", "a.b"} {
		enroll(t, s, byte(i+1), name)
	}
	var got []string
	after := ""
	for {
		page, err := s.Agents(t.Context(), after, 2)
		must(t, err)
		if len(page) == 0 {
			break
		}
		got = append(got, names(page)...)
		after = page[len(page)-1].Name
	}
	wantSame(t, got, []string{"B", "a", "a-2", "a.b", "b", "ä"})
}

func testUpdateAgent(t *testing.T, s fleet.Store) {
	putToken(t, s)
	enroll(t, s, 1, "one")
	enroll(t, s, 2, "two")
	labels := map[string]string{"site": "x"}
	for _, test := range []struct {
		change  fleet.Change
		name    string
		labels  map[string]string
		renamed bool
	}{
		{fleet.Change{}, "one", nil, false},
		{fleet.Change{Labels: labels}, "one", labels, false},
		{fleet.Change{Name: new("one")}, "one", labels, false},
		{fleet.Change{Name: new("uno")}, "uno", labels, true},
		{fleet.Change{Labels: map[string]string{}}, "uno", nil, false},
	} {
		got, renamed, err := s.UpdateAgent(t.Context(), "agent-1", test.change)
		must(t, err)
		want := fleet.Agent{ID: "agent-1", Name: test.name, Labels: test.labels, EnrolledAt: now, CredentialIssuedAt: now}
		wantSame(t, got, want)
		if renamed != test.renamed {
			t.Errorf("change %+v: renamed is %t", test.change, renamed)
		}
		got, err = s.Agent(t.Context(), "agent-1")
		must(t, err)
		wantSame(t, got, want)
	}
	// A name that is taken changes nothing, labels neither.
	_, _, err := s.UpdateAgent(t.Context(), "agent-1", fleet.Change{Name: new("two"), Labels: labels})
	wantCode(t, err, fleet.Exists)
	got, err := s.Agent(t.Context(), "agent-1")
	must(t, err)
	wantSame(t, got, fleet.Agent{ID: "agent-1", Name: "uno", EnrolledAt: now, CredentialIssuedAt: now})
}

func testDeleteAgent(t *testing.T, s fleet.Store) {
	putToken(t, s)
	enroll(t, s, 1, "one")
	must(t, s.DeleteAgent(t.Context(), "agent-1"))
	_, err := s.AgentByCredential(t.Context(), hash(1))
	wantCode(t, err, fleet.NotFound)
	wantCode(t, s.DeleteAgent(t.Context(), "agent-1"), fleet.NotFound)
}

func testSeeAgents(t *testing.T, s fleet.Store) {
	putToken(t, s)
	enroll(t, s, 1, "one")
	facts := fleet.HostFacts{Hostname: "new", BootedAt: now}
	must(t, s.SeeAgents(t.Context(), []fleet.Sighting{
		{AgentID: "nobody", At: now},
		{AgentID: "agent-1", At: now.Add(time.Minute), Host: &facts},
		{AgentID: "agent-1", At: now}, // came late
	}))
	got, err := s.Agent(t.Context(), "agent-1")
	must(t, err)
	wantSame(t, got, fleet.Agent{ID: "agent-1", Name: "one", Host: facts, EnrolledAt: now, CredentialIssuedAt: now, LastSeenAt: now.Add(time.Minute)})
}

func testCancelled(t *testing.T, s fleet.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Agent(ctx, "x")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("reading: got %v, want context.Canceled", err)
	}
	err = s.PutJoinToken(ctx, fleet.JoinToken{Name: "any", Secret: anyone, CreatedAt: now, UsesLeft: -1})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("writing: got %v, want context.Canceled", err)
	}
}

func testCredentials(t *testing.T, s fleet.Store) {
	putToken(t, s)
	agent := enroll(t, s, 1, "web")
	enroll(t, s, 2, "other")
	has := func(credential fleet.Hash, issued time.Time, staged bool) {
		t.Helper()
		got, err := s.AgentByCredential(t.Context(), credential)
		must(t, err)
		want := agent
		want.CredentialIssuedAt, want.CredentialStaged = issued, staged
		wantSame(t, got, want)
	}
	lost := func(credential fleet.Hash) {
		t.Helper()
		_, err := s.AgentByCredential(t.Context(), credential)
		wantCode(t, err, fleet.NotFound)
	}
	later := now.Add(time.Hour)
	has(hash(1), now, false)
	must(t, s.StageCredential(t.Context(), agent.ID, hash(11), later))
	has(hash(1), now, true)
	has(hash(11), now, true)
	// A further one takes the place of one that was never heard of.
	must(t, s.StageCredential(t.Context(), agent.ID, hash(12), later))
	lost(hash(11))
	has(hash(12), now, true)

	must(t, s.SettleCredential(t.Context(), agent.ID, hash(12)))
	lost(hash(1))
	has(hash(12), later, false)
	// The agent may as well have kept the one before.
	must(t, s.StageCredential(t.Context(), agent.ID, hash(13), later.Add(time.Hour)))
	must(t, s.SettleCredential(t.Context(), agent.ID, hash(12)))
	lost(hash(13))
	has(hash(12), later, false)
	wantCode(t, s.SettleCredential(t.Context(), agent.ID, hash(2)), fleet.NotFound)
	wantCode(t, s.SettleCredential(t.Context(), "nobody", hash(12)), fleet.NotFound)
	wantCode(t, s.StageCredential(t.Context(), "nobody", hash(14), now), fleet.NotFound)

	must(t, s.StageCredential(t.Context(), agent.ID, hash(14), later))
	must(t, s.RevokeCredential(t.Context(), agent.ID))
	lost(hash(12))
	lost(hash(14))
	got, err := s.Agent(t.Context(), agent.ID)
	must(t, err)
	if !got.CredentialIssuedAt.IsZero() || got.CredentialStaged {
		t.Errorf("after it was revoked: %+v", got)
	}
	must(t, s.RevokeCredential(t.Context(), agent.ID)) // again
	wantCode(t, s.RevokeCredential(t.Context(), "nobody"), fleet.NotFound)
	_, err = s.AgentByCredential(t.Context(), hash(2))
	must(t, err)

	// A token for this agent lets it in again.
	must(t, s.CreateJoinToken(t.Context(), fleet.JoinToken{Name: "again", Secret: hash(20), CreatedAt: now, UsesLeft: 1, AgentID: agent.ID}))
	_, _, err = s.EnrollAgent(t.Context(), hash(20), fleet.Agent{ID: "new", Name: "new", EnrolledAt: later}, hash(15))
	must(t, err)
	has(hash(15), later, false)
}

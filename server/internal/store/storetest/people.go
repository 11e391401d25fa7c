package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

func testJoinTokens(t *testing.T, s fleet.Store) {
	putToken(t, s)
	agent := enroll(t, s, 1, "web")
	full := fleet.JoinToken{
		Name: "a", Secret: hash(10), CreatedAt: now, CreatedBy: "user:ada", ExpiresAt: now.Add(time.Hour), UsesLeft: 3,
		Labels: map[string]string{"site": "Ærø"},
	}
	one := fleet.JoinToken{Name: "B", Secret: hash(11), CreatedAt: now, UsesLeft: 1, AgentID: agent.ID}
	must(t, s.CreateJoinToken(t.Context(), full))
	must(t, s.CreateJoinToken(t.Context(), one))
	got, err := s.JoinTokens(t.Context())
	must(t, err)
	anyone := fleet.JoinToken{Name: "any", Secret: anyone, CreatedAt: now, UsesLeft: -1, Uses: 1, LastUsedAt: now}
	wantSame(t, got, []fleet.JoinToken{one, full, anyone})

	wantCode(t, s.CreateJoinToken(t.Context(), fleet.JoinToken{Name: "a", Secret: hash(12), CreatedAt: now, UsesLeft: 1}), fleet.Exists)
	wantCode(t, s.CreateJoinToken(t.Context(), fleet.JoinToken{Name: "c", Secret: hash(12), CreatedAt: now, UsesLeft: 1, AgentID: "nobody"}), fleet.NotFound)
	must(t, s.DeleteJoinToken(t.Context(), "a"))
	wantCode(t, s.DeleteJoinToken(t.Context(), "a"), fleet.NotFound)
	_, _, err = s.EnrollAgent(t.Context(), hash(10), fleet.Agent{ID: "x", Name: "x", EnrolledAt: now}, hash(9))
	wantCode(t, err, fleet.Unauthenticated)
	// A token for one agent goes with it.
	must(t, s.DeleteAgent(t.Context(), agent.ID))
	wantCode(t, s.DeleteJoinToken(t.Context(), "B"), fleet.NotFound)
}

func testJoinTokenGivesLabels(t *testing.T, s fleet.Store) {
	token := fleet.JoinToken{Name: "rack", Secret: hash(10), CreatedAt: now, UsesLeft: 2, Labels: map[string]string{"rack": "7"}}
	must(t, s.CreateJoinToken(t.Context(), token))
	a, used, err := s.EnrollAgent(t.Context(), hash(10), fleet.Agent{ID: "a", Name: "a", EnrolledAt: now}, hash(1))
	must(t, err)
	wantSame(t, used, token)
	wantSame(t, a.Labels, token.Labels)
	a, err = s.Agent(t.Context(), "a")
	must(t, err)
	wantSame(t, a.Labels, token.Labels)
	tokens, err := s.JoinTokens(t.Context())
	must(t, err)
	token.UsesLeft, token.Uses, token.LastUsedAt = 1, 1, now
	wantSame(t, tokens, []fleet.JoinToken{token})
}

func testJoinTokenReadmits(t *testing.T, s fleet.Store) {
	putToken(t, s)
	agent := enroll(t, s, 1, "web")
	labels := map[string]string{"site": "ams"}
	agent, _, err := s.UpdateAgent(t.Context(), agent.ID, fleet.Change{Labels: labels})
	must(t, err)
	must(t, s.CreateJoinToken(t.Context(), fleet.JoinToken{Name: "again", Secret: hash(10), CreatedAt: now, UsesLeft: 1, AgentID: agent.ID}))
	host := fleet.HostFacts{Hostname: "reinstalled"}
	got, used, err := s.EnrollAgent(t.Context(), hash(10),
		fleet.Agent{ID: "new", Name: "reinstalled", Host: host, EnrolledAt: now.Add(time.Hour)}, hash(2))
	must(t, err)
	want := agent
	want.Host, want.CredentialIssuedAt = host, now.Add(time.Hour)
	wantSame(t, got, want)
	if used.AgentID != agent.ID {
		t.Errorf("the token is for %q, want %q", used.AgentID, agent.ID)
	}
	_, err = s.AgentByCredential(t.Context(), hash(1))
	wantCode(t, err, fleet.NotFound)
	got, err = s.AgentByCredential(t.Context(), hash(2))
	must(t, err)
	wantSame(t, got, want)
	_, _, err = s.EnrollAgent(t.Context(), hash(10), fleet.Agent{ID: "new", Name: "new", EnrolledAt: now}, hash(3))
	wantCode(t, err, fleet.Unauthenticated)
	agents, err := s.Agents(t.Context(), "", 10)
	must(t, err)
	wantSame(t, names(agents), []string{"web"})
}

func testAPITokens(t *testing.T, s fleet.Store) {
	b := fleet.APIToken{Name: "b", Secret: hash(1), Role: fleet.Viewer, CreatedAt: now, CreatedBy: "user:ada", ExpiresAt: now.Add(time.Hour)}
	a := fleet.APIToken{Name: "a", Secret: hash(2), Role: fleet.Operator, CreatedAt: now}
	must(t, s.CreateAPIToken(t.Context(), b))
	must(t, s.CreateAPIToken(t.Context(), a))
	wantCode(t, s.CreateAPIToken(t.Context(), fleet.APIToken{Name: "a", Secret: hash(3), Role: fleet.Viewer, CreatedAt: now}), fleet.Exists)
	must(t, s.UseAPITokens(t.Context(), map[string]time.Time{"b": now.Add(time.Minute), "gone": now}))
	must(t, s.UseAPITokens(t.Context(), map[string]time.Time{"b": now})) // never back
	b.LastUsedAt = now.Add(time.Minute)
	got, err := s.APITokens(t.Context())
	must(t, err)
	wantSame(t, got, []fleet.APIToken{a, b})
	one, err := s.APIToken(t.Context(), hash(1))
	must(t, err)
	wantSame(t, one, b)
	must(t, s.DeleteAPIToken(t.Context(), "b"))
	wantCode(t, s.DeleteAPIToken(t.Context(), "b"), fleet.NotFound)
	_, err = s.APIToken(t.Context(), hash(1))
	wantCode(t, err, fleet.NotFound)
}

func testAPITokenTakesSessions(t *testing.T, s fleet.Store) {
	must(t, s.CreateAPIToken(t.Context(), fleet.APIToken{Name: "a", Secret: hash(1), Role: fleet.Viewer, CreatedAt: now}))
	opened := session(2, now.Add(time.Hour))
	opened.Actor = "token:a"
	must(t, s.CreateSession(t.Context(), opened))
	must(t, s.CreateSession(t.Context(), session(3, now.Add(time.Hour))))
	must(t, s.CreateLoginCode(t.Context(), fleet.LoginCode{Secret: hash(4), Actor: "token:a", Role: fleet.Viewer, ExpiresAt: now.Add(time.Hour)}))
	must(t, s.DeleteAPIToken(t.Context(), "a"))
	_, err := s.Session(t.Context(), hash(2))
	wantCode(t, err, fleet.NotFound)
	_, err = s.Session(t.Context(), hash(3))
	must(t, err)
	_, err = s.RedeemLoginCode(t.Context(), hash(4), session(5, now.Add(time.Hour)))
	wantCode(t, err, fleet.Unauthenticated)
}

func user(id, name string) fleet.User {
	return fleet.User{ID: id, Name: name, Role: fleet.Operator, CreatedAt: now}
}

func testUsers(t *testing.T, s fleet.Store) {
	ada, bob := user("1", "Ada"), user("2", "bob")
	bob.Issuer, bob.Subject, bob.Role, bob.Password, bob.LastSignInAt = "https://id.example", "b", fleet.Viewer, "$x", now
	must(t, s.CreateUser(t.Context(), bob))
	must(t, s.CreateUser(t.Context(), ada))
	got, err := s.Users(t.Context())
	must(t, err)
	wantSame(t, got, []fleet.User{ada, bob})
	for _, id := range []string{"aDA", "ada"} {
		one, err := s.UserByName(t.Context(), id)
		must(t, err)
		wantSame(t, one, ada)
	}
	wantCode(t, s.CreateUser(t.Context(), user("3", "ADA")), fleet.Exists)
	_, err = s.User(t.Context(), "3")
	wantCode(t, err, fleet.NotFound)
	_, err = s.UserByName(t.Context(), "nobody")
	wantCode(t, err, fleet.NotFound)

	bob.Role = fleet.Admin
	one, err := s.UpdateUser(t.Context(), "2", fleet.UserChange{Role: &bob.Role})
	must(t, err)
	wantSame(t, one, bob)
	bob.Disabled = true
	one, err = s.UpdateUser(t.Context(), "2", fleet.UserChange{Disabled: &bob.Disabled})
	must(t, err)
	wantSame(t, one, bob)
	_, err = s.UpdateUser(t.Context(), "3", fleet.UserChange{})
	wantCode(t, err, fleet.NotFound)

	must(t, s.DeleteUser(t.Context(), "2"))
	wantCode(t, s.DeleteUser(t.Context(), "2"), fleet.NotFound)
	must(t, s.CreateUser(t.Context(), user("3", "BOB")))
}

// testUserSessions: a session is what its user is now.
func testUserSessions(t *testing.T, s fleet.Store) {
	must(t, s.CreateUser(t.Context(), user("1", "ada")))
	code := fleet.LoginCode{Secret: hash(1), UserID: "1", Actor: "user:old", Role: fleet.Viewer, ResetsPassword: true, ExpiresAt: now.Add(time.Hour)}
	must(t, s.CreateLoginCode(t.Context(), code))
	want := session(2, now.Add(time.Hour))
	got, err := s.RedeemLoginCode(t.Context(), hash(1), want)
	must(t, err)
	want.UserID, want.Actor, want.Role, want.ResetsPassword = "1", "user:ada", fleet.Operator, true
	wantSame(t, got, want)
	got, err = s.Session(t.Context(), hash(2))
	must(t, err)
	wantSame(t, got, want)
	u, err := s.User(t.Context(), "1")
	must(t, err)
	if !u.LastSignInAt.Equal(now) {
		t.Errorf("signed in last at %v, want %v", u.LastSignInAt, now)
	}

	role := fleet.Viewer
	_, err = s.UpdateUser(t.Context(), "1", fleet.UserChange{Role: &role})
	must(t, err)
	got, err = s.Session(t.Context(), hash(2))
	must(t, err)
	if got.Role != fleet.Viewer {
		t.Errorf("the session has role %s after the user lost it", got.Role)
	}

	must(t, s.CreateLoginCode(t.Context(), fleet.LoginCode{Secret: hash(3), UserID: "1", ExpiresAt: now.Add(time.Hour)}))
	disabled := true
	_, err = s.UpdateUser(t.Context(), "1", fleet.UserChange{Disabled: &disabled})
	must(t, err)
	_, err = s.Session(t.Context(), hash(2))
	wantCode(t, err, fleet.NotFound)
	_, err = s.RedeemLoginCode(t.Context(), hash(3), session(4, now.Add(time.Hour)))
	wantCode(t, err, fleet.Unauthenticated)
	wantCode(t, s.CreateLoginCode(t.Context(), fleet.LoginCode{Secret: hash(5), UserID: "1", ExpiresAt: now.Add(time.Hour)}), fleet.NotFound)
	of := session(6, now.Add(time.Hour))
	of.UserID = "1"
	wantCode(t, s.CreateSession(t.Context(), of), fleet.NotFound)

	disabled = false
	_, err = s.UpdateUser(t.Context(), "1", fleet.UserChange{Disabled: &disabled})
	must(t, err)
	must(t, s.CreateSession(t.Context(), of))
	must(t, s.DeleteUser(t.Context(), "1"))
	_, err = s.Session(t.Context(), hash(6))
	wantCode(t, err, fleet.NotFound)
}

func testSetPassword(t *testing.T, s fleet.Store) {
	must(t, s.CreateUser(t.Context(), user("1", "ada")))
	must(t, s.CreateUser(t.Context(), user("2", "bob")))
	for n, id := range map[byte]string{1: "1", 2: "1", 3: "2"} {
		one := session(n, now.Add(time.Hour))
		one.UserID, one.ResetsPassword = id, true
		must(t, s.CreateSession(t.Context(), one))
	}
	must(t, s.CreateLoginCode(t.Context(), fleet.LoginCode{Secret: hash(4), UserID: "1", ExpiresAt: now.Add(time.Hour)}))
	must(t, s.SetPassword(t.Context(), "1", "$new", hash(1)))
	u, err := s.User(t.Context(), "1")
	must(t, err)
	if u.Password != "$new" {
		t.Errorf("the password is %q", u.Password)
	}
	kept, err := s.Session(t.Context(), hash(1))
	must(t, err)
	if kept.ResetsPassword {
		t.Error("the session may still choose a password without the current one")
	}
	_, err = s.Session(t.Context(), hash(2))
	wantCode(t, err, fleet.NotFound)
	_, err = s.Session(t.Context(), hash(3))
	must(t, err)
	_, err = s.RedeemLoginCode(t.Context(), hash(4), session(5, now.Add(time.Hour)))
	wantCode(t, err, fleet.Unauthenticated)
	wantCode(t, s.SetPassword(t.Context(), "3", "$new", hash(1)), fleet.NotFound)

	// From an application, the browser that let it in stays signed in as well.
	application := session(8, now.Add(time.Hour))
	application.UserID, application.Parent = "1", new(hash(1))
	must(t, s.CreateSession(t.Context(), application))
	must(t, s.SetPassword(t.Context(), "1", "$newer", hash(8)))
	for _, n := range []byte{1, 8} {
		_, err = s.Session(t.Context(), hash(n))
		must(t, err)
	}
	must(t, s.SetPassword(t.Context(), "1", "$newest", hash(1)))
	_, err = s.Session(t.Context(), hash(8))
	wantCode(t, err, fleet.NotFound)
}

func testSignInExternal(t *testing.T, s fleet.Store) {
	must(t, s.CreateUser(t.Context(), user("1", "ada")))
	external := func(id, name, subject string, role fleet.Role) fleet.User {
		return fleet.User{ID: id, Name: name, Role: role, Issuer: "https://id.example", Subject: subject, CreatedAt: now}
	}
	in := func(n byte, u fleet.User) (fleet.User, fleet.Session, error) {
		return s.SignInExternal(t.Context(), u, session(n, now.Add(time.Hour)))
	}
	// A name is never taken over.
	_, _, err := in(1, external("2", "ADA", "a", fleet.Admin))
	wantCode(t, err, fleet.Exists)
	// Nobody comes in for the first time without a role.
	_, _, err = in(1, external("2", "bob", "b", ""))
	wantCode(t, err, fleet.PermissionDenied)

	u, got, err := in(1, external("2", "bob", "b", fleet.Viewer))
	must(t, err)
	want := external("2", "bob", "b", fleet.Viewer)
	want.LastSignInAt = now
	wantSame(t, u, want)
	wantSession := session(1, now.Add(time.Hour))
	wantSession.UserID, wantSession.Actor, wantSession.Role = "2", "user:bob", fleet.Viewer
	wantSame(t, got, wantSession)

	// The subject counts, not the name; the role wins when there is one.
	u, _, err = in(2, external("3", "robert", "b", fleet.Admin))
	must(t, err)
	want.Role = fleet.Admin
	wantSame(t, u, want)
	u, _, err = in(3, external("3", "robert", "b", ""))
	must(t, err)
	wantSame(t, u, want)

	disabled := true
	_, err = s.UpdateUser(t.Context(), "2", fleet.UserChange{Disabled: &disabled})
	must(t, err)
	_, _, err = in(4, external("3", "bob", "b", fleet.Admin))
	wantCode(t, err, fleet.PermissionDenied)

	// Of many who come at once as one new person, all are the same user.
	const browsers = 8
	var wg sync.WaitGroup
	ids, errs := make([]string, browsers), make([]error, browsers)
	for i := range browsers {
		wg.Go(func() {
			var u fleet.User
			u, _, errs[i] = in(byte(10+i), external(fmt.Sprint("eve-", i), "eve", "e", fleet.Viewer))
			ids[i] = u.ID
		})
	}
	wg.Wait()
	for i := range browsers {
		must(t, errs[i])
		if ids[i] != ids[0] {
			t.Errorf("one person became the users %v", ids)
		}
	}
}

func testAudit(t *testing.T, s fleet.Store) {
	var want []fleet.AuditEntry
	for i := range 5 {
		e := fleet.AuditEntry{
			Time: now.Add(time.Duration(i) * time.Second), Actor: fmt.Sprintf("user:U%d", i), Address: "192.0.2.1", Action: "FleetService.RemoveAgent",
			Target: "agent:web-%_", Detail: "d", ErrorCode: "not_found", RequestID: "r",
		}
		must(t, s.AddAuditEntry(t.Context(), e))
		want = append([]fleet.AuditEntry{e}, want...)
	}
	got, err := s.AuditEntries(t.Context(), 0, 10, "")
	must(t, err)
	if len(got) != 5 {
		t.Fatalf("%d entries, want 5", len(got))
	}
	for i := range got {
		if i > 0 && got[i].ID >= got[i-1].ID {
			t.Errorf("ids %d, %d do not fall", got[i-1].ID, got[i].ID)
		}
		want[i].ID = got[i].ID
	}
	wantSame(t, got, want)
	page, err := s.AuditEntries(t.Context(), got[1].ID, 2, "")
	must(t, err)
	wantSame(t, page, want[2:4])
	for search, n := range map[string]int{"u3": 1, "removeAGENT": 5, "web-%_": 5, "web-%x": 0, "192.0.2": 0} {
		found, err := s.AuditEntries(t.Context(), 0, 10, search)
		must(t, err)
		if len(found) != n {
			t.Errorf("search %q found %d entries, want %d", search, len(found), n)
		}
	}
}

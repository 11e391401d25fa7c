package fleet_test

import (
	"strings"
	"testing"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

func TestRoles(t *testing.T) {
	roles := []fleet.Role{fleet.Viewer, fleet.Operator, fleet.Admin}
	for i, has := range roles {
		for j, need := range roles {
			if has.Allows(need) != (i >= j) {
				t.Errorf("%s allows %s: %t", has, need, has.Allows(need))
			}
		}
		if has.Allows("") || has.Allows("boss") || fleet.Role("boss").Allows(has) || fleet.Role("").Allows(has) {
			t.Errorf("%s and roles that are none", has)
		}
	}
}

const longEnough = "correct horse battery"

// invite makes a user with a password, who is signed in.
func (w *world) invite(t *testing.T, name string, role fleet.Role) (fleet.User, fleet.Secret) {
	t.Helper()
	user, code, expires, err := w.admission.CreateUser(t.Context(), name, role)
	if err != nil || !expires.Equal(w.now.Add(fleet.InvitationLifetime)) {
		t.Fatal(expires, err)
	}
	session, p, err := w.access.RedeemLoginCode(t.Context(), code)
	if err != nil || p.ID != "user:"+name || p.Role != role || !p.ResetsPassword {
		t.Fatalf("%+v, %v", p, err)
	}
	if err := w.access.ChangePassword(t.Context(), p, "", longEnough); err != nil {
		t.Fatal(err)
	}
	return user, session
}

func TestPassword(t *testing.T) {
	w := newWorld(t)
	user, session := w.invite(t, "ada", fleet.Operator)
	if stored, err := w.store.User(t.Context(), user.ID); err != nil || !strings.HasPrefix(stored.Password, "$argon2id$v=19$m=19456,t=2,p=1$") ||
		strings.Contains(stored.Password, longEnough) {
		t.Fatalf("%+v, %v", stored, err)
	}
	for _, name := range []string{"ada", "ADA"} {
		if _, p, err := w.access.SignInPassword(t.Context(), name, longEnough); err != nil || p.ID != "user:ada" || p.ResetsPassword {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	// Who does not exist is told the same as who is wrong.
	_, _, wrong := w.access.SignInPassword(t.Context(), "ada", "something else")
	wantCode(t, wrong, fleet.Unauthenticated)
	_, _, nobody := w.access.SignInPassword(t.Context(), "nobody", longEnough)
	if nobody == nil || nobody.Error() != wrong.Error() {
		t.Errorf("%v and %v tell them apart", wrong, nobody)
	}

	p, _, err := w.access.Session(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, w.access.ChangePassword(t.Context(), p, "", longEnough+"!"), fleet.Invalid)
	wantCode(t, w.access.ChangePassword(t.Context(), p, longEnough, "too short"), fleet.Invalid)
	wantCode(t, w.access.ChangePassword(t.Context(), p, longEnough, strings.Repeat("x", 257)), fleet.Invalid)
	if err := w.access.ChangePassword(t.Context(), p, longEnough, longEnough+"!"); err != nil {
		t.Error(err)
	}
	_, _, err = w.access.SignInPassword(t.Context(), "ada", longEnough)
	wantCode(t, err, fleet.Unauthenticated)
	wantCode(t, w.access.ChangePassword(t.Context(), fleet.Principal{ID: "token:x"}, "", longEnough), fleet.State)
}

// A disabled user is as good as none, also with the right password.
func TestDisabledUser(t *testing.T) {
	w := newWorld(t)
	user, session := w.invite(t, "ada", fleet.Operator)
	admin := fleet.Principal{ID: "link", Role: fleet.Admin}
	if _, err := w.admission.UpdateUser(t.Context(), admin, user.ID, fleet.UserChange{Disabled: new(true)}); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.access.SignInPassword(t.Context(), "ada", longEnough)
	wantCode(t, err, fleet.Unauthenticated)
	_, _, err = w.access.Session(t.Context(), session)
	wantCode(t, err, fleet.Unauthenticated)
}

func TestPasswordCannotBeGuessed(t *testing.T) {
	w := newWorld(t)
	w.invite(t, "ada", fleet.Viewer)
	for range 20 {
		_, _, err := w.access.SignInPassword(t.Context(), "ada", "wrong")
		wantCode(t, err, fleet.Unauthenticated)
	}
	_, _, err := w.access.SignInPassword(t.Context(), "ada", longEnough)
	wantCode(t, err, fleet.Limit)
	w.now = w.now.Add(5 * time.Minute)
	if _, _, err := w.access.SignInPassword(t.Context(), "ada", longEnough); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

func TestNobodyTakesTheOwnRoleAway(t *testing.T) {
	w := newWorld(t)
	user, session := w.invite(t, "ada", fleet.Admin)
	p, _, err := w.access.Session(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []fleet.UserChange{{Role: new(fleet.Viewer)}, {Disabled: new(true)}} {
		_, err := w.admission.UpdateUser(t.Context(), p, user.ID, change)
		wantCode(t, err, fleet.State)
	}
	_, err = w.admission.RemoveUser(t.Context(), p, user.ID)
	wantCode(t, err, fleet.State)
}

func TestAPITokenExpires(t *testing.T) {
	w := newWorld(t)
	p := fleet.Principal{ID: "user:ada", Role: fleet.Admin}
	_, secret, err := w.admission.CreateAPIToken(t.Context(), p, "ci", fleet.Operator, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.access.APIToken(t.Context(), secret); err != nil || got.ID != "token:ci" || got.Role != fleet.Operator {
		t.Errorf("%+v, %v", got, err)
	}
	used := w.now
	if err := w.access.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	tokens, err := w.admission.APITokens(t.Context())
	if err != nil || len(tokens) != 2 || !tokens[1].LastUsedAt.Equal(used) || tokens[1].CreatedBy != "user:ada" {
		t.Errorf("%+v, %v", tokens, err)
	}
	w.now = w.now.Add(time.Hour)
	_, err = w.access.APIToken(t.Context(), secret)
	wantCode(t, err, fleet.Unauthenticated)
}

func TestArgumentsOfTokens(t *testing.T) {
	w := newWorld(t)
	p := fleet.Principal{ID: "user:ada", Role: fleet.Admin}
	for name, spec := range map[string]fleet.JoinTokenSpec{
		"name":           {Name: "a b"},
		"lifetime":       {Lifetime: -time.Second},
		"long lifetime":  {Lifetime: fleet.MaxTokenLifetime + 1},
		"uses":           {Uses: -1},
		"label":          {Labels: map[string]string{"agent": "x"}},
		"agent":          {AgentID: "x"},
		"agent and uses": {AgentID: "01a214d4-29e5-74e7-896b-08a0d9fb02eb", Uses: 2},
	} {
		_, _, err := w.admission.CreateJoinToken(t.Context(), p, spec)
		if fleet.ErrorCode(err) != fleet.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	first, _, err := w.admission.CreateJoinToken(t.Context(), p, fleet.JoinTokenSpec{})
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := w.admission.CreateJoinToken(t.Context(), p, fleet.JoinTokenSpec{})
	if err != nil || first.Name == second.Name || !strings.HasPrefix(first.Name, "join-20260301-") || first.UsesLeft != -1 {
		t.Errorf("%+v, %+v, %v", first, second, err)
	}
	wantCode(t, w.admission.RevokeJoinToken(t.Context(), "bootstrap"), fleet.State)
	wantCode(t, w.admission.RevokeAPIToken(t.Context(), "bootstrap"), fleet.State)
}

// The fingerprint of an authority behind a join token is for agents: the server
// takes the token with any, or none.
func TestJoinTokenWithPin(t *testing.T) {
	w := newWorld(t)
	pinned := w.secrets.JoinToken.WithPin([32]byte{1})
	if pinned == w.secrets.JoinToken || pinned.WithPin([32]byte{2}) == pinned || !strings.HasPrefix(string(pinned), string(w.secrets.JoinToken)+".") {
		t.Errorf("the pinned token has the wrong form")
	}
	if _, _, _, err := w.registrar.Enroll(t.Context(), pinned, fleet.HostFacts{}); err != nil {
		t.Error(err)
	}
	kept, err := fleet.Bootstrap(t.Context(), w.store, false, func() time.Time { return w.now }, fleet.Secrets{JoinToken: pinned, AdminToken: w.secrets.AdminToken})
	if err != nil || kept.JoinToken != pinned {
		t.Errorf("%v", err)
	}
	if _, _, _, err := w.registrar.Enroll(t.Context(), w.secrets.JoinToken, fleet.HostFacts{}); err != nil {
		t.Error(err)
	}
}

package fleet_test

import (
	"strings"
	"testing"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

func TestLoginCode(t *testing.T) {
	w := newWorld(t)
	code, expires, err := w.access.CreateStartCode(t.Context())
	if err != nil || !expires.Equal(w.now.Add(15*time.Minute)) {
		t.Fatal(expires, err)
	}
	session, p, err := w.access.RedeemLoginCode(t.Context(), code)
	if err != nil || p.Role != fleet.Admin {
		t.Fatal(p, err)
	}
	_, _, err = w.access.RedeemLoginCode(t.Context(), code)
	wantCode(t, err, fleet.Unauthenticated)

	code, _, err = w.access.CreateStartCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(15 * time.Minute)
	_, _, err = w.access.RedeemLoginCode(t.Context(), code)
	wantCode(t, err, fleet.Unauthenticated)

	got, extended, err := w.access.Session(t.Context(), session)
	if err != nil || got != p || extended {
		t.Errorf("session: %v, extended %t, %v", got, extended, err)
	}
}

func TestSessionSlides(t *testing.T) {
	w := newWorld(t)
	session, _, err := w.access.SignIn(t.Context(), w.secrets.AdminToken)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.now = w.now.Add(29 * 24 * time.Hour)
		if _, extended, err := w.access.Session(t.Context(), session); err != nil || !extended {
			t.Fatalf("extended %t, %v", extended, err)
		}
		if _, extended, err := w.access.Session(t.Context(), session); err != nil || extended {
			t.Fatalf("at once again: extended %t, %v", extended, err)
		}
	}
	w.now = w.now.Add(fleet.SessionLifetime)
	_, _, err = w.access.Session(t.Context(), session)
	wantCode(t, err, fleet.Unauthenticated)
	if n, err := w.access.DeleteExpired(t.Context()); n != 1 || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
}

func TestSignOut(t *testing.T) {
	w := newWorld(t)
	session, _, err := w.access.SignIn(t.Context(), w.secrets.AdminToken)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.access.SignOut(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	_, _, err = w.access.Session(t.Context(), session)
	wantCode(t, err, fleet.Unauthenticated)
	_, _, err = w.access.SignIn(t.Context(), w.secrets.JoinToken)
	wantCode(t, err, fleet.Unauthenticated)
}

func TestBootstrap(t *testing.T) {
	bootstrap := func(t *testing.T, w *world, files fleet.Secrets) fleet.Secrets {
		t.Helper()
		got, err := fleet.Bootstrap(t.Context(), w.store, false, func() time.Time { return w.now }, files)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	// works says whether each secret opens its door.
	works := func(t *testing.T, w *world, s fleet.Secrets) (join, admin bool) {
		_, _, _, err := w.registrar.Enroll(t.Context(), s.JoinToken, fleet.HostFacts{})
		_, adminErr := w.access.APIToken(t.Context(), s.AdminToken)
		return err == nil, adminErr == nil
	}
	wantWorks := func(t *testing.T, w *world, s fleet.Secrets, want bool) {
		t.Helper()
		if join, admin := works(t, w, s); join != want || admin != want {
			t.Errorf("join token works: %t, admin token works: %t, want %t", join, admin, want)
		}
	}
	t.Run("first start", func(t *testing.T) {
		w := newWorld(t)
		wantWorks(t, w, w.secrets, true)
	})
	t.Run("next start", func(t *testing.T) {
		w := newWorld(t)
		session, _, err := w.access.SignIn(t.Context(), w.secrets.AdminToken)
		if err != nil {
			t.Fatal(err)
		}
		if got := bootstrap(t, w, w.secrets); got != w.secrets {
			t.Error("the secrets changed")
		}
		wantWorks(t, w, w.secrets, true)
		if _, _, err := w.access.Session(t.Context(), session); err != nil {
			t.Errorf("the session ended: %v", err)
		}
	})
	t.Run("files lost", func(t *testing.T) {
		w := newWorld(t)
		session, _, err := w.access.SignIn(t.Context(), w.secrets.AdminToken)
		if err != nil {
			t.Fatal(err)
		}
		_, credential := w.enroll(t, "old")
		got := bootstrap(t, w, fleet.Secrets{})
		wantWorks(t, w, got, true)
		wantWorks(t, w, w.secrets, false)
		_, _, err = w.access.Session(t.Context(), session)
		wantCode(t, err, fleet.Unauthenticated)
		if _, err := w.registrar.Authenticate(t.Context(), credential); err != nil {
			t.Errorf("an enrolled agent lost its credential: %v", err)
		}
	})
	t.Run("database lost", func(t *testing.T) {
		files := newWorld(t).secrets
		w := newWorld(t)
		if got := bootstrap(t, w, files); got != files {
			t.Error("the secrets of the files changed")
		}
		wantWorks(t, w, files, true)
		wantWorks(t, w, w.secrets, false)
	})
	t.Run("files hold something else", func(t *testing.T) {
		w := newWorld(t)
		for name, files := range map[string]fleet.Secrets{
			"join-token":  {JoinToken: w.secrets.AdminToken, AdminToken: w.secrets.AdminToken},
			"admin-token": {JoinToken: w.secrets.JoinToken, AdminToken: w.secrets.AdminToken[:20]},
		} {
			_, err := fleet.Bootstrap(t.Context(), w.store, false, time.Now, files)
			wantCode(t, err, fleet.Invalid)
			if !strings.Contains(err.Error(), "the file "+name) || strings.Contains(err.Error(), string(w.secrets.AdminToken[:20])) {
				t.Errorf("message: %v", err)
			}
		}
		wantWorks(t, w, w.secrets, true)
	})
}

package storetest

import (
	"sync"
	"testing"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

func session(n byte, expires time.Time) fleet.Session {
	return fleet.Session{ID: string('a' + rune(n)), Secret: hash(n), Actor: "link", Role: fleet.Admin, CreatedAt: now, ExpiresAt: expires}
}

func testAPITokenReplaced(t *testing.T, s fleet.Store) {
	first := fleet.APIToken{Name: "same", Secret: hash(1), Role: fleet.Admin, CreatedAt: now}
	must(t, s.PutAPIToken(t.Context(), first))
	got, err := s.APIToken(t.Context(), hash(1))
	must(t, err)
	wantSame(t, got, first)

	must(t, s.CreateSession(t.Context(), session(5, now.Add(time.Hour))))
	must(t, s.CreateLoginCode(t.Context(), fleet.LoginCode{Secret: hash(6), Role: fleet.Admin, ExpiresAt: now.Add(time.Hour)}))

	// Another name, or the same secret again, ends nobody's session.
	must(t, s.PutAPIToken(t.Context(), fleet.APIToken{Name: "other", Secret: hash(3), Role: fleet.Admin, CreatedAt: now}))
	must(t, s.PutAPIToken(t.Context(), fleet.APIToken{Name: "same", Secret: hash(1), Role: fleet.Admin, CreatedAt: now.Add(time.Hour)}))
	got, err = s.APIToken(t.Context(), hash(1))
	must(t, err)
	wantSame(t, got, first)
	_, err = s.Session(t.Context(), hash(5))
	must(t, err)

	second := fleet.APIToken{Name: "same", Secret: hash(2), Role: fleet.Admin, CreatedAt: now.Add(time.Hour)}
	must(t, s.PutAPIToken(t.Context(), second))
	_, err = s.APIToken(t.Context(), hash(1))
	wantCode(t, err, fleet.NotFound)
	got, err = s.APIToken(t.Context(), hash(2))
	must(t, err)
	wantSame(t, got, second)
	_, err = s.APIToken(t.Context(), hash(3))
	must(t, err)
	_, err = s.Session(t.Context(), hash(5))
	wantCode(t, err, fleet.NotFound)
	_, err = s.RedeemLoginCode(t.Context(), hash(6), session(7, now.Add(time.Hour)))
	wantCode(t, err, fleet.Unauthenticated)
}

func testLoginCode(t *testing.T, s fleet.Store) {
	must(t, s.CreateLoginCode(t.Context(), fleet.LoginCode{Secret: hash(1), Actor: "link", Role: fleet.Admin, ExpiresAt: now.Add(time.Millisecond)}))
	must(t, s.CreateLoginCode(t.Context(), fleet.LoginCode{Secret: hash(2), Role: fleet.Admin, ExpiresAt: now}))

	wanted := session(7, now.Add(time.Hour))
	wanted.Role = "" // the code's counts
	got, err := s.RedeemLoginCode(t.Context(), hash(1), wanted)
	must(t, err)
	want := session(7, now.Add(time.Hour))
	wantSame(t, got, want)
	got, err = s.Session(t.Context(), hash(7))
	must(t, err)
	wantSame(t, got, want)

	for name, code := range map[string]fleet.Hash{"used": hash(1), "expired": hash(2), "unknown": hash(3)} {
		t.Run(name, func(t *testing.T) {
			_, err := s.RedeemLoginCode(t.Context(), code, session(8, now.Add(time.Hour)))
			wantCode(t, err, fleet.Unauthenticated)
			_, err = s.Session(t.Context(), hash(8))
			wantCode(t, err, fleet.NotFound)
		})
	}
}

func testLoginCodeConcurrently(t *testing.T, s fleet.Store) {
	must(t, s.CreateLoginCode(t.Context(), fleet.LoginCode{Secret: hash(1), Role: fleet.Admin, ExpiresAt: now.Add(time.Hour)}))
	const browsers = 8
	var wg sync.WaitGroup
	errs := make([]error, browsers)
	for i := range browsers {
		wg.Go(func() {
			_, errs[i] = s.RedeemLoginCode(t.Context(), hash(1), session(byte(10+i), now.Add(time.Hour)))
		})
	}
	wg.Wait()
	signedIn := 0
	for _, err := range errs {
		if err == nil {
			signedIn++
			continue
		}
		wantCode(t, err, fleet.Unauthenticated)
	}
	if signedIn != 1 {
		t.Errorf("one code signed %d browsers in", signedIn)
	}
}

func testSession(t *testing.T, s fleet.Store) {
	want := session(1, now.Add(time.Hour))
	must(t, s.CreateSession(t.Context(), want))
	want.ExpiresAt = now.Add(2 * time.Hour)
	must(t, s.ExtendSession(t.Context(), hash(1), want.ExpiresAt))
	got, err := s.Session(t.Context(), hash(1))
	must(t, err)
	wantSame(t, got, want)

	must(t, s.DeleteSession(t.Context(), hash(1)))
	must(t, s.DeleteSession(t.Context(), hash(1)))
	_, err = s.Session(t.Context(), hash(1))
	wantCode(t, err, fleet.NotFound)
	wantCode(t, s.ExtendSession(t.Context(), hash(1), now), fleet.NotFound)
}

func testSessionOfApplication(t *testing.T, s fleet.Store) {
	hour := now.Add(time.Hour)
	browser := hash(1)
	begin := func() {
		t.Helper()
		must(t, s.CreateSession(t.Context(), session(1, hour)))
		for n := byte(2); n <= 3; n++ {
			must(t, s.CreateLoginCode(t.Context(), fleet.LoginCode{Secret: hash(n), Actor: "link", Role: fleet.Admin, Parent: &browser, ExpiresAt: hour}))
		}
		want := session(4, hour)
		want.Parent = &browser
		got, err := s.RedeemLoginCode(t.Context(), hash(2), session(4, hour))
		must(t, err)
		wantSame(t, got, want)
	}
	ended := func(n byte) {
		t.Helper()
		_, err := s.Session(t.Context(), hash(n))
		wantCode(t, err, fleet.NotFound)
	}

	for name, signedOut := range map[string]byte{"in the browser": 1, "in the application": 4} {
		t.Run(name, func(t *testing.T) {
			begin()
			must(t, s.CreateSession(t.Context(), session(6, hour)))
			must(t, s.DeleteSession(t.Context(), hash(signedOut)))
			ended(1)
			ended(4)
			_, err := s.RedeemLoginCode(t.Context(), hash(3), session(5, hour))
			wantCode(t, err, fleet.Unauthenticated)
			_, err = s.Session(t.Context(), hash(6))
			must(t, err)
			must(t, s.DeleteSession(t.Context(), hash(6)))
		})
	}

	// A code of a session that has ended meanwhile.
	err := s.CreateLoginCode(t.Context(), fleet.LoginCode{Secret: hash(7), Role: fleet.Admin, Parent: &browser, ExpiresAt: hour})
	if err == nil {
		t.Error("a session that does not exist let an application in")
	}
}

func testDeleteExpired(t *testing.T, s fleet.Store) {
	for i, expires := range []time.Time{now, now.Add(time.Millisecond)} {
		n := byte(1 + i)
		must(t, s.CreateSession(t.Context(), session(n, expires)))
		must(t, s.CreateLoginCode(t.Context(), fleet.LoginCode{Secret: hash(n), Role: fleet.Admin, ExpiresAt: expires}))
		must(t, s.CreateJoinToken(t.Context(), fleet.JoinToken{Name: expires.String(), Secret: hash(n), CreatedAt: now, ExpiresAt: expires, UsesLeft: -1}))
		must(t, s.CreateAPIToken(t.Context(), fleet.APIToken{Name: expires.String(), Secret: hash(n), Role: fleet.Viewer, CreatedAt: now, ExpiresAt: expires}))
	}
	must(t, s.CreateJoinToken(t.Context(), fleet.JoinToken{Name: "once", Secret: hash(8), CreatedAt: now, UsesLeft: 1}))
	_, _, err := s.EnrollAgent(t.Context(), hash(8), fleet.Agent{ID: "once", Name: "once", EnrolledAt: now}, hash(20))
	must(t, err)
	putToken(t, s)

	deleted := func(at time.Time, want int64) {
		t.Helper()
		if n, err := s.DeleteExpired(t.Context(), at); n != want || err != nil {
			t.Errorf("deleted %d rows at %v, want %d; %v", n, at, want, err)
		}
	}
	deleted(now, 2) // a session and a code: tokens are listed for a while
	deleted(now, 0)
	_, err = s.Session(t.Context(), hash(1))
	wantCode(t, err, fleet.NotFound)
	_, err = s.Session(t.Context(), hash(2))
	must(t, err)
	_, err = s.RedeemLoginCode(t.Context(), hash(2), session(9, now.Add(time.Hour*1000)))
	must(t, err)
	deleted(now.Add(fleet.TokenGrace), 4) // the other session, a token of each kind, the one used up
	tokens, err := s.JoinTokens(t.Context())
	must(t, err)
	if len(tokens) != 2 {
		t.Errorf("%d join tokens are left, want 2", len(tokens))
	}
	enroll(t, s, 31, "b")
}

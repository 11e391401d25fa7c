package fleet

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Role is what a person or a program may do.
type Role string

// Admin may do everything.
const Admin Role = "admin"

// Principal is somebody who was let in.
type Principal struct {
	// ID names the session or the token; logs may show it.
	ID   string
	Role Role
}

const (
	// LoginCodeLifetime is how long a login link can be opened.
	LoginCodeLifetime = 15 * time.Minute
	// SessionLifetime is how long a browser stays signed in after its last
	// request.
	SessionLifetime = 30 * 24 * time.Hour
	// sessionSlack is how much of its lifetime a session may lose before a
	// request prolongs it: a write an hour, not one a request.
	sessionSlack = time.Hour
)

// Access lets people and programs in. Safe for concurrent use.
type Access struct {
	store Store
	now   func() time.Time
}

// NewAccess returns the door of a store; now is the clock.
func NewAccess(store Store, now func() time.Time) *Access {
	return &Access{store: store, now: now}
}

// CreateLoginCode makes a code that signs one browser in as role, once, before
// it expires.
func (a *Access) CreateLoginCode(ctx context.Context, role Role) (Secret, time.Time, error) {
	code := newSecret(codePrefix)
	expires := a.now().Add(LoginCodeLifetime)
	err := a.store.CreateLoginCode(ctx, LoginCode{Secret: code.hash(), Role: role, ExpiresAt: expires})
	if err != nil {
		return "", time.Time{}, err
	}
	return code, expires, nil
}

// RedeemLoginCode turns a code into a session. Unauthenticated: the code is
// unknown, was used, or has expired.
func (a *Access) RedeemLoginCode(ctx context.Context, code Secret) (Secret, Principal, error) {
	if !code.hasForm(codePrefix) {
		return "", Principal{}, Errorf(Unauthenticated, "the sign-in link is incomplete")
	}
	secret, session := a.newSession()
	session, err := a.store.RedeemLoginCode(ctx, code.hash(), session)
	if err != nil {
		return "", Principal{}, err
	}
	return secret, session.principal(), nil
}

// SignIn turns an API token into a session of the same role. Unauthenticated:
// the token is unknown.
func (a *Access) SignIn(ctx context.Context, token Secret) (Secret, Principal, error) {
	holder, err := a.APIToken(ctx, token)
	if err != nil {
		return "", Principal{}, err
	}
	secret, session := a.newSession()
	session.Role = holder.Role
	if err := a.store.CreateSession(ctx, session); err != nil {
		return "", Principal{}, err
	}
	return secret, session.principal(), nil
}

// SignOut ends a session; there may be none.
func (a *Access) SignOut(ctx context.Context, session Secret) error {
	return a.store.DeleteSession(ctx, session.hash())
}

// APIToken returns who holds a token. Unauthenticated: it is unknown.
func (a *Access) APIToken(ctx context.Context, token Secret) (Principal, error) {
	if !token.hasForm(apiPrefix) {
		return Principal{}, Errorf(Unauthenticated, "this is no API token: one begins with %s", apiPrefix)
	}
	t, err := a.store.APIToken(ctx, token.hash())
	if ErrorCode(err) == NotFound {
		return Principal{}, Wrapf(Unauthenticated, err, "the API token is unknown or was replaced")
	}
	if err != nil {
		return Principal{}, err
	}
	return Principal{ID: "token:" + t.Name, Role: t.Role}, nil
}

// Session returns who is signed in, and prolongs the session; extended says
// that its end moved, so that the cookie must move too. Unauthenticated: the
// session is unknown or has ended.
func (a *Access) Session(ctx context.Context, secret Secret) (p Principal, extended bool, err error) {
	if !secret.hasForm(sessionPrefix) {
		return Principal{}, false, Errorf(Unauthenticated, "this is no session")
	}
	session, err := a.store.Session(ctx, secret.hash())
	if ErrorCode(err) == NotFound {
		return Principal{}, false, Wrapf(Unauthenticated, err, "the session is unknown or has ended: sign in again")
	}
	if err != nil {
		return Principal{}, false, err
	}
	now := a.now()
	if !now.Before(session.ExpiresAt) {
		return Principal{}, false, Errorf(Unauthenticated, "the session has ended: sign in again")
	}
	if end := now.Add(SessionLifetime); end.Sub(session.ExpiresAt) >= sessionSlack {
		err := a.store.ExtendSession(ctx, secret.hash(), end)
		if ErrorCode(err) == NotFound { // signed out meanwhile
			return Principal{}, false, Wrapf(Unauthenticated, err, "the session has ended: sign in again")
		}
		if err != nil {
			return Principal{}, false, err
		}
		extended = true
	}
	return session.principal(), extended, nil
}

// DeleteExpired removes what has expired, and says how many rows that were. It
// is to be called now and then: nothing that expired works, removed or not.
func (a *Access) DeleteExpired(ctx context.Context) (int64, error) {
	return a.store.DeleteExpired(ctx, a.now())
}

func (a *Access) newSession() (Secret, Session) {
	secret := newSecret(sessionPrefix)
	now := a.now()
	return secret, Session{
		ID:        uuid.Must(uuid.NewV7()).String(),
		Secret:    secret.hash(),
		CreatedAt: now,
		ExpiresAt: now.Add(SessionLifetime),
	}
}

func (s Session) principal() Principal {
	return Principal{ID: "session:" + s.ID, Role: s.Role}
}

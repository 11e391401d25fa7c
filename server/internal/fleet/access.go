package fleet

import (
	"context"
	"maps"
	"math"
	"sync"
	"time"

	"github.com/google/uuid"

	"sonde.dev/sonde/server/internal/attempts"
)

// Principal is somebody who was let in.
type Principal struct {
	// ID is what logs and the audit log call it: "user:ada", "token:grafana", or
	// [LinkActor].
	ID   string
	Role Role
	// UserID is empty for a token, and for a session that is of no user.
	UserID string
	// ResetsPassword says that a new password needs no current one.
	ResetsPassword bool
	// session is the secret of the session, if there is one.
	session Hash
}

// LinkActor is the [Principal.ID] of a session that the link of the server's
// start opened: who may read the server's output, and no user.
const LinkActor = "link"

const (
	// LoginCodeLifetime is how long a login link can be opened, and
	// InvitationLifetime how long one that was made for a new user can.
	LoginCodeLifetime  = 15 * time.Minute
	InvitationLifetime = 3 * 24 * time.Hour
	// SessionLifetime is how long a browser stays signed in after its last
	// request.
	SessionLifetime = 30 * 24 * time.Hour
	// sessionSlack is how much of its lifetime a session may lose before a
	// request prolongs it: a write an hour, not one a request.
	sessionSlack = time.Hour
	// maxAttempts is how often a wrong password may be given for one user in an
	// attemptWindow before further ones are refused unread.
	maxAttempts   = 20
	attemptWindow = 5 * time.Minute
)

// Access lets people and programs in. Safe for concurrent use.
type Access struct {
	store   Store
	now     func() time.Time
	hashing hashing
	// wrong counts wrong passwords by user: there are no more of them than users.
	// Beside the limit by address, it stops those who guess from many addresses; a
	// sign-in link lets the user in meanwhile.
	wrong *attempts.Limiter[string]

	mu   sync.Mutex
	used map[string]time.Time // API tokens by name, since the last Flush
}

// NewAccess returns the door of a store; now is the clock.
func NewAccess(store Store, now func() time.Time) *Access {
	return &Access{
		store:   store,
		now:     now,
		hashing: newHashing(),
		wrong:   attempts.New[string](maxAttempts, attemptWindow, math.MaxInt),
		used:    make(map[string]time.Time),
	}
}

// CreateStartCode makes a code that signs one browser in as [LinkActor], once,
// before it expires.
func (a *Access) CreateStartCode(ctx context.Context) (Secret, time.Time, error) {
	return a.createCode(ctx, LoginCode{Actor: LinkActor, Role: Admin}, LoginCodeLifetime)
}

// CreateLoginCode makes a code that signs one browser in as p, once, before it
// expires.
func (a *Access) CreateLoginCode(ctx context.Context, p Principal) (Secret, time.Time, error) {
	return a.createCode(ctx, LoginCode{UserID: p.UserID, Actor: p.ID, Role: p.Role}, LoginCodeLifetime)
}

// CreateUserCode makes a code that signs a user in, who may then choose a
// password. NotFound: there is no such user, or it is disabled.
func (a *Access) CreateUserCode(ctx context.Context, u User, lifetime time.Duration) (Secret, time.Time, error) {
	return a.createCode(ctx, LoginCode{UserID: u.ID, Actor: u.actor(), Role: u.Role, ResetsPassword: true}, lifetime)
}

func (a *Access) createCode(ctx context.Context, c LoginCode, lifetime time.Duration) (Secret, time.Time, error) {
	code := newSecret(codePrefix)
	c.Secret, c.ExpiresAt = code.hash(), a.now().Add(lifetime)
	if err := a.store.CreateLoginCode(ctx, c); err != nil {
		return "", time.Time{}, err
	}
	return code, c.ExpiresAt, nil
}

// RedeemLoginCode turns a code into a session. Unauthenticated: the code is
// unknown, was used, or has expired.
func (a *Access) RedeemLoginCode(ctx context.Context, code Secret) (Secret, Principal, error) {
	if !code.hasForm(codePrefix) {
		return "", Principal{}, Errorf(Unauthenticated, "the sign-in link is incomplete")
	}
	return a.redeem(ctx, code.hash())
}

func (a *Access) redeem(ctx context.Context, code Hash) (Secret, Principal, error) {
	secret, session := a.newSession()
	session, err := a.store.RedeemLoginCode(ctx, code, session)
	if err != nil {
		return "", Principal{}, err
	}
	return secret, session.principal(), nil
}

// SignIn turns an API token into a session of the same role. Unauthenticated:
// the token is unknown or has expired.
func (a *Access) SignIn(ctx context.Context, token Secret) (Secret, Principal, error) {
	holder, err := a.APIToken(ctx, token)
	if err != nil {
		return "", Principal{}, err
	}
	secret, session := a.newSession()
	session.Actor, session.Role = holder.ID, holder.Role
	if err := a.store.CreateSession(ctx, session); err != nil {
		return "", Principal{}, err
	}
	return secret, session.principal(), nil
}

// SignInPassword turns a user's name and password into a session.
// Unauthenticated: there is no such user, or the password is another one; which
// of the two is not said. Limit: it was wrong too often.
func (a *Access) SignInPassword(ctx context.Context, name, password string) (Secret, Principal, error) {
	wrong := Errorf(Unauthenticated, "the name or the password is wrong")
	user, err := a.store.UserByName(ctx, name)
	if err != nil && ErrorCode(err) != NotFound {
		return "", Principal{}, err
	}
	if user.Disabled {
		user = User{} // takes as long as one who does not exist
	}
	if err := a.checkPassword(ctx, user, password, wrong); err != nil {
		return "", Principal{}, err
	}
	secret, session := a.newSession()
	session.UserID, session.Actor, session.Role = user.ID, user.actor(), user.Role
	err = a.store.CreateSession(ctx, session)
	if ErrorCode(err) == NotFound { // removed or disabled meanwhile
		return "", Principal{}, wrong
	}
	if err != nil {
		return "", Principal{}, err
	}
	return secret, session.principal(), nil
}

// checkPassword returns wrong unless the password is the user's.
func (a *Access) checkPassword(ctx context.Context, user User, password string, wrong error) error {
	if wait := a.wrong.Wait(user.ID, a.now()); wait > 0 {
		return Errorf(Limit, "a wrong password was given too often: wait %v, or ask for a sign-in link", wait.Round(time.Second))
	}
	if len(password) > MaxPasswordChars*4 {
		return wrong
	}
	ok, err := a.hashing.matches(ctx, user.Password, password)
	switch {
	case err != nil:
		return err
	case ok:
		a.wrong.Forget(user.ID)
		return nil
	case user.ID != "":
		a.wrong.Failed(user.ID, a.now())
	}
	return wrong
}

// ChangePassword gives the user p a new password, and ends all other sessions
// of that user. State: p is no user. Invalid: current is wrong, unless p
// ResetsPassword, or next is out of bounds. Limit: current was wrong too often.
func (a *Access) ChangePassword(ctx context.Context, p Principal, current, next string) error {
	if p.UserID == "" {
		return Errorf(State, "%s is no user and has no password", p.ID)
	}
	if err := validatePassword(next); err != nil {
		return err
	}
	user, err := a.store.User(ctx, p.UserID)
	if err != nil {
		return err
	}
	if !p.ResetsPassword {
		if err := a.checkPassword(ctx, user, current, Errorf(Invalid, "current: the password is wrong")); err != nil {
			return err
		}
	}
	encoded, err := a.hashing.hash(ctx, next)
	if err != nil {
		return err
	}
	return a.store.SetPassword(ctx, user.ID, encoded, p.session)
}

// ExternalIdentity is whom an identity provider vouches for.
type ExternalIdentity struct {
	// Issuer and Subject name the person for ever.
	Issuer, Subject string
	// Name is what a new user is called.
	Name string
	// Role is what the provider says; empty when it says nothing: then one who is
	// known keeps the role, and nobody else gets in.
	Role Role
}

// SignInExternal signs in whom an identity provider vouches for, who becomes a
// user at the first time. A name that another user has is never taken over.
//
// Invalid: the name cannot be one of a user. Exists: it is taken.
// PermissionDenied: the user is disabled, or may not come in.
func (a *Access) SignInExternal(ctx context.Context, e ExternalIdentity) (Secret, Principal, error) {
	if e.Issuer == "" || e.Subject == "" {
		return "", Principal{}, Errorf(Invalid, "the identity provider names nobody")
	}
	if err := validateHandle("name", e.Name); err != nil {
		return "", Principal{}, err
	}
	if e.Role != "" {
		if err := e.Role.validate(); err != nil {
			return "", Principal{}, err
		}
	}
	secret, session := a.newSession()
	_, session, err := a.store.SignInExternal(ctx, User{
		ID: newID(), Name: e.Name, Role: e.Role, Issuer: e.Issuer, Subject: e.Subject, CreatedAt: a.now(),
	}, session)
	if err != nil {
		return "", Principal{}, err
	}
	return secret, session.principal(), nil
}

// SignOut ends a session and those of all applications that it let in. Of an
// application's session it ends the browser's too. There may be none.
func (a *Access) SignOut(ctx context.Context, session Secret) error {
	return a.store.DeleteSession(ctx, session.hash())
}

// APIToken returns who holds a token. Unauthenticated: it is unknown or has
// expired.
func (a *Access) APIToken(ctx context.Context, token Secret) (Principal, error) {
	if !token.hasForm(apiPrefix) {
		return Principal{}, Errorf(Unauthenticated, "this is no API token: one begins with %s", apiPrefix)
	}
	t, err := a.store.APIToken(ctx, token.hash())
	if ErrorCode(err) == NotFound {
		return Principal{}, Wrapf(Unauthenticated, err, "the API token is unknown or was revoked")
	}
	if err != nil {
		return Principal{}, err
	}
	now := a.now()
	if !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) {
		return Principal{}, Errorf(Unauthenticated, "the API token %s has expired", t.Name)
	}
	a.mu.Lock()
	a.used[t.Name] = now
	a.mu.Unlock()
	return Principal{ID: t.Actor(), Role: t.Role}, nil
}

// Flush stores which API tokens were used. It is to be called every minute or
// so: what is lost by a crash is the time of a use.
func (a *Access) Flush(ctx context.Context) error {
	a.mu.Lock()
	used := maps.Clone(a.used)
	clear(a.used)
	a.mu.Unlock()
	if len(used) == 0 {
		return nil
	}
	return a.store.UseAPITokens(ctx, used)
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
		ID:        newID(),
		Secret:    secret.hash(),
		CreatedAt: now,
		ExpiresAt: now.Add(SessionLifetime),
	}
}

func (s Session) principal() Principal {
	return Principal{ID: s.Actor, Role: s.Role, UserID: s.UserID, ResetsPassword: s.ResetsPassword, session: s.Secret}
}

// newID returns a UUIDv7 in its text form.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

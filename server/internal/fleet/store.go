package fleet

import (
	"context"
	"time"
)

// Store keeps the control plane.
//
// Every method is one transaction: all of it happens or none. A write that
// returned nil is durable: it survives a crash of the process and of the
// machine. All methods are safe for concurrent use; writes are as if one came
// after the other, and a read sees every write that returned before it began.
//
// Errors are an [Error]: the codes that a method names, [Unavailable] when the
// database is busy, full or away and trying again makes sense, and [Internal]
// else. A cancelled context yields its error, perhaps wrapped.
//
// Times are kept in milliseconds; the zero time stays the zero time.
type Store interface {
	// EnrollAgent takes one use of a join token, which it returns as it was
	// before, and stores a new agent with the token's labels, whose Name is the
	// first free one of a.Name, a.Name-2, a.Name-3, …, as [FirstFree] picks it. It
	// returns the agent as stored. A token that was made for one agent gives that
	// agent the host facts of a and the credential, in place of those before, and
	// nothing else.
	// Unauthenticated: the token is unknown, used up, or expired at
	// a.EnrolledAt. Limit: there are [MaxAgents].
	EnrollAgent(ctx context.Context, token Hash, a Agent, credential Hash) (Agent, JoinToken, error)

	// AgentByCredential returns the agent that has the credential, or to whom it
	// was staged. NotFound.
	AgentByCredential(ctx context.Context, credential Hash) (Agent, error)

	// StageCredential stores a further credential of an agent, in place of one that
	// was staged before. NotFound, also when another server has the agent's session.
	StageCredential(ctx context.Context, id string, credential Hash, issued time.Time) error

	// SettleCredential makes one of an agent's credentials, the one before or the
	// staged one, the only one. NotFound: it is neither.
	SettleCredential(ctx context.Context, id string, credential Hash) error

	// RevokeCredential makes all credentials of an agent useless. NotFound.
	RevokeCredential(ctx context.Context, id string) error

	// Agent returns the agent of an id. NotFound.
	Agent(ctx context.Context, id string) (Agent, error)

	// Agents returns at most limit agents in the order of the bytes of their
	// names, beginning behind the name after.
	Agents(ctx context.Context, after string, limit int) ([]Agent, error)

	// UpdateAgent makes a change and returns the agent after it, and whether
	// its name is another one now. NotFound; Exists: the name is taken.
	UpdateAgent(ctx context.Context, id string, change Change) (a Agent, renamed bool, err error)

	// DeleteAgent removes the agent and its credential. NotFound.
	DeleteAgent(ctx context.Context, id string) error

	// SeeAgents stores sightings. Agents that do not exist (any more) are
	// passed over, and LastSeenAt never goes back.
	SeeAgents(ctx context.Context, sightings []Sighting) error

	// PutJoinToken stores a token. One of the same name is replaced, unless it
	// is of the same secret: then nothing changes.
	PutJoinToken(ctx context.Context, t JoinToken) error

	// PutAPIToken stores a token. One of the same name is replaced, unless it
	// is of the same secret: then nothing changes. Replacing one ends all
	// sessions and login codes, since whoever held it may have made them.
	PutAPIToken(ctx context.Context, t APIToken) error

	// CreateJoinToken stores a new token. Exists: the name is taken. NotFound: it
	// is for an agent that does not exist. Limit: there are [MaxJoinTokens].
	CreateJoinToken(ctx context.Context, t JoinToken) error

	// JoinTokens returns all tokens in the order of the bytes of their names.
	JoinTokens(ctx context.Context) ([]JoinToken, error)

	// DeleteJoinToken removes a token. NotFound.
	DeleteJoinToken(ctx context.Context, name string) error

	// APIToken returns the token of a secret, also when it has expired. NotFound.
	APIToken(ctx context.Context, secret Hash) (APIToken, error)

	// CreateAPIToken stores a new token. Exists: the name is taken. Limit: there
	// are [MaxAPITokens].
	CreateAPIToken(ctx context.Context, t APIToken) error

	// APITokens returns all tokens in the order of the bytes of their names.
	APITokens(ctx context.Context) ([]APIToken, error)

	// DeleteAPIToken removes a token, and the sessions and login codes whose
	// Actor it is. NotFound.
	DeleteAPIToken(ctx context.Context, name string) error

	// UseAPITokens stores when tokens, by name, were last used. Tokens that do not
	// exist (any more) are passed over.
	UseAPITokens(ctx context.Context, used map[string]time.Time) error

	// CreateUser stores a new user. Exists: the name is taken, in whatever case.
	// Limit: there are [MaxUsers].
	CreateUser(ctx context.Context, u User) error

	// Users returns all users in the order of their names as [FoldName] has them.
	Users(ctx context.Context) ([]User, error)

	// User returns the user of an id. NotFound.
	User(ctx context.Context, id string) (User, error)

	// UserByName returns the user of a name in whatever case. NotFound.
	UserByName(ctx context.Context, name string) (User, error)

	// UpdateUser makes a change and returns the user after it. One that is
	// disabled loses all sessions and login codes. NotFound.
	UpdateUser(ctx context.Context, id string, change UserChange) (User, error)

	// SetPassword stores an encoded password, and removes all login codes of the
	// user and all sessions but the one of the secret keep, which is no longer one
	// that ResetsPassword. NotFound.
	SetPassword(ctx context.Context, id, password string, keep Hash) error

	// DeleteUser removes a user with all sessions and login codes. NotFound.
	DeleteUser(ctx context.Context, id string) error

	// SignInExternal stores a session of the user who has u.Issuer and u.Subject,
	// or else of u, who is stored. It gives a user who exists u.Role, unless that
	// is empty. It returns the user as stored and the session.
	// Exists: there is no such user, and the name is taken. PermissionDenied: the
	// user is disabled, or there is none and u.Role is empty. Limit: there are
	// [MaxUsers].
	SignInExternal(ctx context.Context, u User, session Session) (User, Session, error)

	// CreateLoginCode stores a code. NotFound: its user does not exist or is
	// disabled.
	CreateLoginCode(ctx context.Context, c LoginCode) error

	// RedeemLoginCode removes a code and stores a session for whom the code is,
	// which it returns as Session does. Unauthenticated: the code is unknown,
	// used, or expired at session.CreatedAt. Of two that redeem one code at once,
	// one succeeds.
	RedeemLoginCode(ctx context.Context, code Hash, session Session) (Session, error)

	// CreateSession stores a session. NotFound: its user does not exist or is
	// disabled.
	CreateSession(ctx context.Context, s Session) error

	// Session returns the session of a secret, also when it has expired; that of a
	// user with the Role and Actor that the user has now. NotFound.
	Session(ctx context.Context, secret Hash) (Session, error)

	// ExtendSession moves the end of a session. NotFound.
	ExtendSession(ctx context.Context, secret Hash, expires time.Time) error

	// DeleteSession removes a session, with its children, or else with its parent
	// and that one's children; none of that secret is no error.
	DeleteSession(ctx context.Context, secret Hash) error

	// DeleteExpired removes login codes and sessions that expired at or before a
	// time, API tokens that did so [TokenGrace] before it, and join tokens that
	// expired or were used for the last time [TokenGrace] before it, and says how
	// many.
	DeleteExpired(ctx context.Context, now time.Time) (int64, error)

	// AddAuditEntry stores an entry behind all others, and gives it the next ID.
	// Entries beyond the newest [MaxAuditEntries] are removed.
	AddAuditEntry(ctx context.Context, e AuditEntry) error

	// AuditEntries returns at most limit entries with smaller ids than before, the
	// newest first; before 0 begins with the newest. With search, only those that
	// have it, whatever the case of ASCII letters, in Actor, Action, Target or
	// Detail.
	AuditEntries(ctx context.Context, before uint64, limit int, search string) ([]AuditEntry, error)

	// CreateRevision stores a revision with its configuration, behind the newest
	// one, which must be base (0 when there is none): r.Number is base + 1. A
	// rollout of base that is running becomes ended. Revisions beyond the newest
	// [MaxRevisions] are removed. Conflict: base is not the newest.
	CreateRevision(ctx context.Context, base uint64, ended Rollout, r Revision, c FleetConfig) error

	// MoveRollout stores how far a revision's rollout is. NotFound. Conflict: it
	// is not running any more, or further already.
	MoveRollout(ctx context.Context, number uint64, r Rollout) error

	// Revision returns a revision and its configuration; number 0 is the
	// newest. NotFound.
	Revision(ctx context.Context, number uint64) (Revision, FleetConfig, error)

	// Revisions returns at most limit revisions before a number, the newest
	// first; before 0 begins with the newest.
	Revisions(ctx context.Context, before uint64, limit int) ([]Revision, error)

	// PutConfigStatuses stores what has become of agents' configurations, in
	// place of what was stored before. Passed over are agents that do not exist
	// (any more), a status of an earlier revision than the one stored, and one of
	// the same revision when another server of the [Cluster] has the agent's
	// session. What is stored goes with its agent.
	PutConfigStatuses(ctx context.Context, statuses []ConfigStatus) error

	// ConfigStatuses returns all that PutConfigStatuses stored, in no order.
	ConfigStatuses(ctx context.Context) ([]ConfigStatus, error)
}

// MaxAgents bounds what a leaked join token can do to the database.
const MaxAgents = 100_000

// MaxRevisions is how much history a store keeps.
const MaxRevisions = 10_000

// Change is what people change of an agent. A nil field stays as it is; Labels
// that are empty but not nil remove all.
type Change struct {
	Name   *string
	Labels map[string]string
}

// Sighting is one look at an agent.
type Sighting struct {
	AgentID string
	At      time.Time
	// Host is nil when the facts are those of the sighting before.
	Host *HostFacts
}

// TokenGrace is how long a token that does not work any more is still listed.
const TokenGrace = 7 * 24 * time.Hour

// JoinToken lets agents enrol.
type JoinToken struct {
	// Name is unique.
	Name      string
	Secret    Hash
	CreatedAt time.Time
	// CreatedBy is a [Principal.ID]; empty for the server itself.
	CreatedBy string
	// ExpiresAt is zero for never.
	ExpiresAt time.Time
	// UsesLeft is how many agents may enrol; negative for any number. Uses is how
	// many have.
	UsesLeft, Uses int
	// LastUsedAt is zero for never.
	LastUsedAt time.Time
	// Labels are those of the agents that enrol with it.
	Labels map[string]string
	// AgentID is the one agent that may enrol with it; empty for new ones.
	AgentID string
}

// APIToken lets a program, or the person who holds it, in.
type APIToken struct {
	// Name is unique.
	Name      string
	Secret    Hash
	Role      Role
	CreatedAt time.Time
	// CreatedBy is a [Principal.ID]; empty for the server itself.
	CreatedBy string
	// ExpiresAt is zero for never.
	ExpiresAt time.Time
	// LastUsedAt is zero for never.
	LastUsedAt time.Time
}

// Actor is what the audit log calls the token.
func (t APIToken) Actor() string { return "token:" + t.Name }

// LoginCode signs one browser in, once.
type LoginCode struct {
	Secret Hash
	// UserID is whom it signs in; empty for nobody in particular. Then Actor and
	// Role say what the session may do and is called.
	UserID string
	Actor  string
	Role   Role
	// ResetsPassword lets the user choose a password without the current one.
	ResetsPassword bool
	// Parent is as in [Session]. The code ends with it.
	Parent    *Hash
	ExpiresAt time.Time
}

// Session is one signed-in browser, or an application of another origin in it.
type Session struct {
	// ID is a UUIDv7, which logs may show.
	ID     string
	Secret Hash
	// UserID, Actor, Role and ResetsPassword are as in [LoginCode].
	UserID         string
	Actor          string
	Role           Role
	ResetsPassword bool
	// Parent is the secret of the browser's session that let an application in, and
	// with which the session ends; nil for that of a browser.
	Parent    *Hash
	CreatedAt time.Time
	ExpiresAt time.Time
}

package fleet

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// MaxTokenLifetime bounds the lifetime of API and join tokens that expire.
const MaxTokenLifetime = 10 * 365 * 24 * time.Hour

// Admission decides who may come in: users, API tokens and join tokens. It does
// not ask what its caller may do. Safe for concurrent use.
type Admission struct {
	store  Store
	access *Access
	now    func() time.Time
}

// NewAdmission returns the admission of a store; now is the clock.
func NewAdmission(store Store, access *Access, now func() time.Time) *Admission {
	return &Admission{store: store, access: access, now: now}
}

// Users returns all users in the order of their names.
func (a *Admission) Users(ctx context.Context) ([]User, error) { return a.store.Users(ctx) }

// User returns one user. Invalid: id is not a UUID. NotFound.
func (a *Admission) User(ctx context.Context, id string) (User, error) {
	if err := validateID(id); err != nil {
		return User{}, err
	}
	return a.store.User(ctx, id)
}

// CreateUser adds a person, and returns a code that signs the person in and
// when it expires. Invalid: name or role is out of bounds. Exists: the name is
// taken. Limit: there are [MaxUsers].
func (a *Admission) CreateUser(ctx context.Context, name string, role Role) (User, Secret, time.Time, error) {
	if err := validateHandle("name", name); err != nil {
		return User{}, "", time.Time{}, err
	}
	if err := role.validate(); err != nil {
		return User{}, "", time.Time{}, err
	}
	user := User{ID: newID(), Name: name, Role: role, CreatedAt: a.now()}
	if err := a.store.CreateUser(ctx, user); err != nil {
		return User{}, "", time.Time{}, err
	}
	code, expires, err := a.access.CreateUserCode(ctx, user, InvitationLifetime)
	return user, code, expires, err
}

// UpdateUser changes the role of a user, or disables one. State: p would take
// the own role away. Invalid: the role is none. NotFound.
func (a *Admission) UpdateUser(ctx context.Context, p Principal, id string, change UserChange) (User, error) {
	if err := validateID(id); err != nil {
		return User{}, err
	}
	if change.Role != nil {
		if err := change.Role.validate(); err != nil {
			return User{}, err
		}
	}
	if id == p.UserID && (change.Role != nil && *change.Role != p.Role || change.Disabled != nil && *change.Disabled) {
		return User{}, Errorf(State, "nobody takes the own role away: let another admin do it")
	}
	return a.store.UpdateUser(ctx, id, change)
}

// RemoveUser removes a person, who is returned as it was. State: p itself.
// NotFound.
func (a *Admission) RemoveUser(ctx context.Context, p Principal, id string) (User, error) {
	if id == p.UserID {
		return User{}, Errorf(State, "nobody removes himself: let another admin do it")
	}
	user, err := a.User(ctx, id)
	if err != nil {
		return User{}, err
	}
	return user, a.store.DeleteUser(ctx, id)
}

// APITokens returns all tokens in the order of their names.
func (a *Admission) APITokens(ctx context.Context) ([]APIToken, error) { return a.store.APITokens(ctx) }

// CreateAPIToken makes a token; lifetime 0 is without end. Its secret is
// returned once. Invalid: an argument is out of bounds. Exists: the name is
// taken. Limit: there are [MaxAPITokens].
func (a *Admission) CreateAPIToken(ctx context.Context, p Principal, name string, role Role, lifetime time.Duration) (APIToken, Secret, error) {
	if err := validateHandle("name", name); err != nil {
		return APIToken{}, "", err
	}
	if err := role.validate(); err != nil {
		return APIToken{}, "", err
	}
	now := a.now()
	expires, err := expiry(now, lifetime)
	if err != nil {
		return APIToken{}, "", err
	}
	secret := newSecret(apiPrefix)
	token := APIToken{Name: name, Secret: secret.hash(), Role: role, CreatedAt: now, CreatedBy: p.ID, ExpiresAt: expires}
	if err := a.store.CreateAPIToken(ctx, token); err != nil {
		return APIToken{}, "", err
	}
	return token, secret, nil
}

// RevokeAPIToken makes a token useless, and ends the sessions that were opened
// with it. State: it is the one of the server's file. NotFound.
func (a *Admission) RevokeAPIToken(ctx context.Context, name string) error {
	if name == bootstrapName {
		return Errorf(State, "this token stands in the file admin-token of the server's data directory: delete the file and start the server to replace it")
	}
	return a.store.DeleteAPIToken(ctx, name)
}

// JoinTokens returns all tokens in the order of their names.
func (a *Admission) JoinTokens(ctx context.Context) ([]JoinToken, error) {
	return a.store.JoinTokens(ctx)
}

// JoinTokenSpec says what a new join token is to be.
type JoinTokenSpec struct {
	// Name is made up when it is empty.
	Name string
	// Lifetime 0 is without end.
	Lifetime time.Duration
	// Uses 0 is any number.
	Uses    int
	Labels  map[string]string
	AgentID string
}

// CreateJoinToken makes a token. Its secret is returned once. Invalid: an
// argument is out of bounds. Exists: the name is taken. NotFound: there is no
// agent of AgentID. Limit: there are [MaxJoinTokens].
func (a *Admission) CreateJoinToken(ctx context.Context, p Principal, spec JoinTokenSpec) (JoinToken, Secret, error) {
	now := a.now()
	if spec.Name == "" {
		spec.Name = fmt.Sprintf("join-%s-%s", now.UTC().Format("20060102"), strings.ReplaceAll(newID(), "-", "")[26:])
	}
	if err := validateHandle("name", spec.Name); err != nil {
		return JoinToken{}, "", err
	}
	expires, err := expiry(now, spec.Lifetime)
	if err != nil {
		return JoinToken{}, "", err
	}
	if err := validateLabels(spec.Labels); err != nil {
		return JoinToken{}, "", err
	}
	uses := spec.Uses
	switch {
	case uses < 0 || uses > MaxAgents:
		return JoinToken{}, "", Errorf(Invalid, "uses %d is out of bounds: want 0 (any number) to %d", uses, MaxAgents)
	case spec.AgentID == "" && uses == 0:
		uses = -1
	case spec.AgentID != "":
		if err := validateID(spec.AgentID); err != nil {
			return JoinToken{}, "", Wrapf(Invalid, err, "agent_id %s is not a UUID", quote(spec.AgentID))
		}
		if uses > 1 || len(spec.Labels) > 0 {
			return JoinToken{}, "", Errorf(Invalid, "agent_id: a token for one agent has one use, and no labels: the agent keeps its own")
		}
		uses = 1
	}
	secret := newSecret(joinPrefix)
	token := JoinToken{
		Name: spec.Name, Secret: secret.hash(), CreatedAt: now, CreatedBy: p.ID, ExpiresAt: expires,
		UsesLeft: uses, Labels: spec.Labels, AgentID: spec.AgentID,
	}
	if err := a.store.CreateJoinToken(ctx, token); err != nil {
		return JoinToken{}, "", err
	}
	return token, secret, nil
}

// RevokeJoinToken keeps further agents from enrolling with a token. State: it is
// the one of the server's file. NotFound.
func (a *Admission) RevokeJoinToken(ctx context.Context, name string) error {
	if name == bootstrapName {
		return Errorf(State, "this token stands in the file join-token of the server's data directory: delete the file and start the server to replace it")
	}
	return a.store.DeleteJoinToken(ctx, name)
}

// expiry returns when something ends that lives so long from now; zero for never.
func expiry(now time.Time, lifetime time.Duration) (time.Time, error) {
	switch {
	case lifetime < 0 || lifetime > MaxTokenLifetime:
		return time.Time{}, Errorf(Invalid, "lifetime %v is out of bounds: want 0 (without end) to ten years", lifetime)
	case lifetime == 0:
		return time.Time{}, nil
	}
	return now.Add(lifetime), nil
}

package fleet

import (
	"context"
	"encoding/base64"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Bounds of a page of [Service.List].
const (
	DefaultPageSize = 1_000
	MaxPageSize     = 10_000
)

// Service is how people and programs see and name the agents. Safe for
// concurrent use.
type Service struct {
	store    Store
	live     Live
	steering *Steering
	now      func() time.Time
}

// NewService returns a service over a store, the sessions of agents, and what
// follows an agent's name and labels; now is the clock.
func NewService(store Store, live Live, steering *Steering, now func() time.Time) *Service {
	return &Service{store: store, live: live, steering: steering, now: now}
}

// List returns a page of the agents in the order of their names, and the token
// of the next page, which is empty on the last. A page begins behind a name, so
// an agent that is renamed between two pages may be in both or in neither.
//
// pageSize 0 means [DefaultPageSize]. Invalid: pageSize is negative or beyond
// [MaxPageSize], or the token is not from List.
func (s *Service) List(ctx context.Context, pageSize int, pageToken string) ([]AgentStatus, string, error) {
	switch {
	case pageSize < 0 || pageSize > MaxPageSize:
		return nil, "", Errorf(Invalid, "page_size %d is out of bounds: want 0 to %d", pageSize, MaxPageSize)
	case pageSize == 0:
		pageSize = DefaultPageSize
	}
	after, err := base64.RawURLEncoding.DecodeString(pageToken)
	if err != nil || !utf8.Valid(after) {
		return nil, "", Errorf(Invalid, "page_token %s is not one that a page before gave out", quote(pageToken))
	}
	agents, err := s.store.Agents(ctx, string(after), pageSize+1)
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(agents) > pageSize {
		agents = agents[:pageSize]
		next = base64.RawURLEncoding.EncodeToString([]byte(agents[pageSize-1].Name))
	}
	now := s.now()
	list := make([]AgentStatus, len(agents))
	for i, a := range agents {
		list[i] = s.status(a, now)
	}
	return list, next, nil
}

// Get returns one agent. Invalid: id is not a UUID. NotFound.
func (s *Service) Get(ctx context.Context, id string) (AgentStatus, error) {
	if err := validateID(id); err != nil {
		return AgentStatus{}, err
	}
	a, err := s.store.Agent(ctx, id)
	if err != nil {
		return AgentStatus{}, err
	}
	return s.status(a, s.now()), nil
}

// Update changes what people give an agent, all of it or nothing. An agent that
// gets another name loses its session and connects again at once: its series
// carry the name as "instance", which stays the same as long as a session
// lasts. What was stored under the old name stays under it. Policies select the
// agent by its new name and labels at once.
//
// Invalid: name or labels are out of bounds. NotFound. Exists: another agent has
// the name.
func (s *Service) Update(ctx context.Context, id string, change Change) (AgentStatus, error) {
	if err := validateID(id); err != nil {
		return AgentStatus{}, err
	}
	if change.Name != nil {
		if err := validateName(*change.Name); err != nil {
			return AgentStatus{}, err
		}
	}
	if err := validateLabels(change.Labels); err != nil {
		return AgentStatus{}, err
	}
	a, renamed, err := s.store.UpdateAgent(ctx, id, change)
	if err != nil {
		return AgentStatus{}, err
	}
	if err := s.steering.Changed(ctx, id); err != nil {
		return AgentStatus{}, err
	}
	if renamed {
		s.live.Disconnect(id, Errorf(Unavailable, "the agent was renamed to %s: connect again", quote(a.Name)))
	}
	return s.status(a, s.now()), nil
}

// Remove takes an agent off the list, revokes its credential and ends its
// session. Its samples stay until retention removes them. NotFound.
func (s *Service) Remove(ctx context.Context, id string) error {
	if err := validateID(id); err != nil {
		return err
	}
	if err := s.store.DeleteAgent(ctx, id); err != nil {
		return err
	}
	s.steering.Forget(id)
	s.live.Disconnect(id, Errorf(Unauthenticated, "the agent was removed from the fleet"))
	return nil
}

// RotateCredential gives an agent a new credential over its open session. The one
// before works until the agent has stored it. NotFound. State: the agent is not
// connected, or cannot take one.
func (s *Service) RotateCredential(ctx context.Context, id string) (Agent, error) {
	a, err := s.Get(ctx, id)
	if err != nil {
		return Agent{}, err
	}
	return a.Agent, s.live.Rotate(ctx, id)
}

// RevokeCredential makes an agent's credentials useless and ends its session. It
// stays on the list; a join token made for it lets it in again. NotFound.
func (s *Service) RevokeCredential(ctx context.Context, id string) (AgentStatus, error) {
	if err := validateID(id); err != nil {
		return AgentStatus{}, err
	}
	if err := s.store.RevokeCredential(ctx, id); err != nil {
		return AgentStatus{}, err
	}
	s.live.Disconnect(id, errRevoked)
	return s.Get(ctx, id)
}

var errRevoked = Errorf(Unauthenticated, "the agent's credential was revoked")

func (s *Service) status(a Agent, now time.Time) AgentStatus {
	status, _ := s.live.Status(a.ID)
	if status.LastSeenAt.Before(a.LastSeenAt) {
		status.LastSeenAt = a.LastSeenAt
	}
	if status.State == 0 {
		status.State = stateOf(a, status, now)
	}
	return AgentStatus{Agent: a, Status: status}
}

func validateID(id string) error {
	if len(id) != 36 || uuid.Validate(id) != nil {
		return Errorf(Invalid, "id %s is not a UUID", quote(id))
	}
	return nil
}

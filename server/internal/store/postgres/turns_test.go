package postgres

import (
	"context"
	"sync/atomic"

	"sonde.dev/sonde/server/internal/fleet"
)

// turns is two servers on one database: what must hold under concurrency goes
// to one and the other by turns.
type turns struct {
	*Store
	other *Store
	n     atomic.Uint64
}

func (t *turns) next() *Store {
	if t.n.Add(1)%2 == 0 {
		return t.other
	}
	return t.Store
}

func (t *turns) EnrollAgent(ctx context.Context, token fleet.Hash, a fleet.Agent, credential fleet.Hash) (fleet.Agent, fleet.JoinToken, error) {
	return t.next().EnrollAgent(ctx, token, a, credential)
}

func (t *turns) UpdateAgent(ctx context.Context, id string, change fleet.Change) (fleet.Agent, bool, error) {
	return t.next().UpdateAgent(ctx, id, change)
}

func (t *turns) SeeAgents(ctx context.Context, sightings []fleet.Sighting) error {
	return t.next().SeeAgents(ctx, sightings)
}

func (t *turns) PutAPIToken(ctx context.Context, token fleet.APIToken) error {
	return t.next().PutAPIToken(ctx, token)
}

func (t *turns) RedeemLoginCode(ctx context.Context, code fleet.Hash, session fleet.Session) (fleet.Session, error) {
	return t.next().RedeemLoginCode(ctx, code, session)
}

func (t *turns) CreateRevision(ctx context.Context, base uint64, ended fleet.Rollout, r fleet.Revision, c fleet.FleetConfig) error {
	return t.next().CreateRevision(ctx, base, ended, r, c)
}

func (t *turns) MoveRollout(ctx context.Context, number uint64, r fleet.Rollout) error {
	return t.next().MoveRollout(ctx, number, r)
}

func (t *turns) PutConfigStatuses(ctx context.Context, statuses []fleet.ConfigStatus) error {
	return t.next().PutConfigStatuses(ctx, statuses)
}

func (t *turns) CreateSession(ctx context.Context, session fleet.Session) error {
	return t.next().CreateSession(ctx, session)
}

func (t *turns) UpdateUser(ctx context.Context, id string, change fleet.UserChange) (fleet.User, error) {
	return t.next().UpdateUser(ctx, id, change)
}

func (t *turns) SignInExternal(ctx context.Context, u fleet.User, session fleet.Session) (fleet.User, fleet.Session, error) {
	return t.next().SignInExternal(ctx, u, session)
}

func (t *turns) AddAuditEntry(ctx context.Context, e fleet.AuditEntry) error {
	return t.next().AddAuditEntry(ctx, e)
}

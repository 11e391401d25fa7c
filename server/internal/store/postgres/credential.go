package postgres

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/jackc/pgx/v5"

	"sonde.dev/sonde/server/internal/fleet"
)

// StageCredential implements [fleet.Store].
func (s *Store) StageCredential(ctx context.Context, id string, credential fleet.Hash, issued time.Time) error {
	// One that a server gives which lost the session would take the place of the one
	// that the agent has.
	return s.touchAgent(ctx, id, fleet.Errorf(fleet.NotFound, "there is no agent %s, or it has its session with another server", id), false, `
		UPDATE agents SET staged_credential = $2, staged_at = $3
		WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM agent_sessions WHERE agent_id = $1 AND server_id <> $4)`,
		credential[:], moment(issued), s.self)
}

// SettleCredential implements [fleet.Store].
func (s *Store) SettleCredential(ctx context.Context, id string, credential fleet.Hash) error {
	return s.touchAgent(ctx, id, fleet.Errorf(fleet.NotFound, "the agent %s has no such credential", id), false, `
		UPDATE agents SET credential = $2,
			credential_issued_at = CASE WHEN credential = $2 THEN credential_issued_at ELSE staged_at END,
			staged_credential = NULL, staged_at = NULL, rotation_asked = rotation_asked AND credential = $2
		WHERE id = $1 AND (credential = $2 OR staged_credential = $2)`, credential[:])
}

// AskRotation implements [fleet.Cluster].
func (s *Store) AskRotation(ctx context.Context, id string) error {
	return s.touchAgent(ctx, id, noAgent(id), true, "UPDATE agents SET rotation_asked = true WHERE id = $1")
}

// RevokeCredential implements [fleet.Store].
func (s *Store) RevokeCredential(ctx context.Context, id string) error {
	var nobodys fleet.Hash
	rand.Read(nobodys[:]) // never fails
	return s.touchAgent(ctx, id, noAgent(id), true, `
		UPDATE agents SET credential = $2, credential_issued_at = NULL, staged_credential = NULL, staged_at = NULL,
			rotation_asked = false
		WHERE id = $1`, nobodys[:])
}

// touchAgent changes the one row of an agent, whose id is the first argument of
// query, and returns missing when there is none. Other servers are told if it
// matters to them.
func (s *Store) touchAgent(ctx context.Context, id string, missing error, tell bool, query string, args ...any) error {
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, query, append([]any{text(id)}, args...)...)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return missing
		}
		if !tell {
			return nil
		}
		return s.notify(ctx, tx, fleet.AgentChanged, id, 0)
	})
}

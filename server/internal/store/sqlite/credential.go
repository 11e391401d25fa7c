package sqlite

import (
	"context"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// StageCredential implements [fleet.Store].
func (s *Store) StageCredential(ctx context.Context, id string, credential fleet.Hash, issued time.Time) error {
	n, err := s.exec(ctx, "UPDATE agents SET staged_credential = ?, staged_at = ? WHERE id = ?", credential[:], millis(issued), id)
	if err == nil && n == 0 {
		return noAgent(id)
	}
	return err
}

// SettleCredential implements [fleet.Store].
func (s *Store) SettleCredential(ctx context.Context, id string, credential fleet.Hash) error {
	n, err := s.exec(ctx, `
		UPDATE agents SET credential = ?1,
			credential_issued_at = iif(credential = ?1, credential_issued_at, staged_at),
			staged_credential = NULL, staged_at = NULL
		WHERE id = ?2 AND (credential = ?1 OR staged_credential = ?1)`, credential[:], id)
	if err == nil && n == 0 {
		return fleet.Errorf(fleet.NotFound, "the agent %s has no such credential", id)
	}
	return err
}

// RevokeCredential implements [fleet.Store].
func (s *Store) RevokeCredential(ctx context.Context, id string) error {
	n, err := s.exec(ctx, `
		UPDATE agents SET credential = randomblob(32), credential_issued_at = NULL, staged_credential = NULL, staged_at = NULL
		WHERE id = ?`, id)
	if err == nil && n == 0 {
		return noAgent(id)
	}
	return err
}

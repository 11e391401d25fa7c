package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

const (
	apiTokenColumns  = "name, secret, role, created_at, created_by, expires_at, last_used_at"
	joinTokenColumns = "name, secret, created_at, created_by, expires_at, uses_left, uses, last_used_at, labels, agent_id"
)

// PutJoinToken implements [fleet.Store].
func (s *Store) PutJoinToken(ctx context.Context, t fleet.JoinToken) error {
	_, err := s.exec(ctx, `
		INSERT INTO join_tokens (name, secret, created_at, expires_at, uses_left) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at,
			expires_at = excluded.expires_at, uses_left = excluded.uses_left, uses = 0, last_used_at = NULL
		WHERE secret <> excluded.secret`,
		t.Name, t.Secret[:], millis(t.CreatedAt), millis(t.ExpiresAt), t.UsesLeft)
	return err
}

// CreateJoinToken implements [fleet.Store].
func (s *Store) CreateJoinToken(ctx context.Context, t fleet.JoinToken) error {
	labels, err := json.Marshal(t.Labels)
	if err != nil || t.Labels == nil {
		labels = []byte("{}")
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		if err := room(ctx, tx, "join_tokens", "join tokens", fleet.MaxJoinTokens); err != nil {
			return err
		}
		if t.AgentID != "" {
			var id string
			err := tx.QueryRowContext(ctx, "SELECT id FROM agents WHERE id = ?", t.AgentID).Scan(&id)
			if errors.Is(err, sql.ErrNoRows) {
				return noAgent(t.AgentID)
			}
			if err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO join_tokens ("+joinTokenColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			t.Name, t.Secret[:], millis(t.CreatedAt), t.CreatedBy, millis(t.ExpiresAt), t.UsesLeft, t.Uses,
			millis(t.LastUsedAt), string(labels), sql.NullString{String: t.AgentID, Valid: t.AgentID != ""})
		if isUniqueViolation(err) {
			return fleet.Errorf(fleet.Exists, "another join token has the name %q", t.Name)
		}
		return err
	})
}

// JoinTokens implements [fleet.Store].
func (s *Store) JoinTokens(ctx context.Context) ([]fleet.JoinToken, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+joinTokenColumns+" FROM join_tokens ORDER BY name")
	return collect(s, rows, err, scanJoinToken)
}

func scanJoinToken(row scanner) (fleet.JoinToken, error) {
	var (
		t                              fleet.JoinToken
		secret, labels                 []byte
		createdAt, expiresAt, lastUsed sql.NullInt64
		agentID                        sql.NullString
	)
	err := row.Scan(&t.Name, &secret, &createdAt, &t.CreatedBy, &expiresAt, &t.UsesLeft, &t.Uses, &lastUsed, &labels, &agentID)
	if err != nil {
		return fleet.JoinToken{}, err
	}
	if err := json.Unmarshal(labels, &t.Labels); err != nil {
		return fleet.JoinToken{}, fmt.Errorf("labels of join token %s: %w", t.Name, err)
	}
	t.Secret, t.AgentID = fleet.Hash(secret), agentID.String
	t.CreatedAt, t.ExpiresAt, t.LastUsedAt = fromMillis(createdAt), fromMillis(expiresAt), fromMillis(lastUsed)
	return t, nil
}

// DeleteJoinToken implements [fleet.Store].
func (s *Store) DeleteJoinToken(ctx context.Context, name string) error {
	n, err := s.exec(ctx, "DELETE FROM join_tokens WHERE name = ?", name)
	if err == nil && n == 0 {
		return fleet.Errorf(fleet.NotFound, "there is no join token %q", name)
	}
	return err
}

// PutAPIToken implements [fleet.Store].
func (s *Store) PutAPIToken(ctx context.Context, t fleet.APIToken) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		var before []byte
		err := tx.QueryRowContext(ctx, "SELECT secret FROM api_tokens WHERE name = ?", t.Name).Scan(&before)
		switch {
		case err == nil && [32]byte(before) == t.Secret:
			return nil
		case err == nil:
			_, err := tx.ExecContext(ctx, "DELETE FROM api_tokens WHERE name = ?; DELETE FROM sessions; DELETE FROM login_codes", t.Name)
			if err != nil {
				return err
			}
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		return insertAPIToken(ctx, tx, t)
	})
}

// CreateAPIToken implements [fleet.Store].
func (s *Store) CreateAPIToken(ctx context.Context, t fleet.APIToken) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if err := room(ctx, tx, "api_tokens", "API tokens", fleet.MaxAPITokens); err != nil {
			return err
		}
		return insertAPIToken(ctx, tx, t)
	})
}

func insertAPIToken(ctx context.Context, tx *sql.Tx, t fleet.APIToken) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO api_tokens ("+apiTokenColumns+") VALUES (?, ?, ?, ?, ?, ?, ?)",
		t.Name, t.Secret[:], t.Role, millis(t.CreatedAt), t.CreatedBy, millis(t.ExpiresAt), millis(t.LastUsedAt))
	if isUniqueViolation(err) {
		return fleet.Errorf(fleet.Exists, "another API token has the name %q", t.Name)
	}
	return err
}

// APIToken implements [fleet.Store].
func (s *Store) APIToken(ctx context.Context, secret fleet.Hash) (fleet.APIToken, error) {
	t, err := scanAPIToken(s.read.QueryRowContext(ctx, "SELECT "+apiTokenColumns+" FROM api_tokens WHERE secret = ?", secret[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return fleet.APIToken{}, fleet.Errorf(fleet.NotFound, "there is no such API token")
	}
	return t, s.failure(err)
}

// APITokens implements [fleet.Store].
func (s *Store) APITokens(ctx context.Context) ([]fleet.APIToken, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+apiTokenColumns+" FROM api_tokens ORDER BY name")
	return collect(s, rows, err, scanAPIToken)
}

func scanAPIToken(row scanner) (fleet.APIToken, error) {
	var (
		t                              fleet.APIToken
		secret                         []byte
		createdAt, expiresAt, lastUsed sql.NullInt64
	)
	if err := row.Scan(&t.Name, &secret, &t.Role, &createdAt, &t.CreatedBy, &expiresAt, &lastUsed); err != nil {
		return fleet.APIToken{}, err
	}
	t.Secret = fleet.Hash(secret)
	t.CreatedAt, t.ExpiresAt, t.LastUsedAt = fromMillis(createdAt), fromMillis(expiresAt), fromMillis(lastUsed)
	return t, nil
}

// DeleteAPIToken implements [fleet.Store].
func (s *Store) DeleteAPIToken(ctx context.Context, name string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "DELETE FROM api_tokens WHERE name = ?", name)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			return fleet.Errorf(fleet.NotFound, "there is no API token %q", name)
		}
		_, err = tx.ExecContext(ctx,
			"DELETE FROM sessions WHERE user_id IS NULL AND actor = ?1; DELETE FROM login_codes WHERE user_id IS NULL AND actor = ?1",
			fleet.APIToken{Name: name}.Actor())
		return err
	})
}

// UseAPITokens implements [fleet.Store].
func (s *Store) UseAPITokens(ctx context.Context, used map[string]time.Time) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for name, at := range used {
			_, err := tx.ExecContext(ctx, "UPDATE api_tokens SET last_used_at = max(coalesce(last_used_at, ?1), ?1) WHERE name = ?2",
				millis(at), name)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

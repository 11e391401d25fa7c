package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"sonde.dev/sonde/server/internal/fleet"
)

const (
	apiTokenColumns  = "name, secret, role, created_at, created_by, expires_at, last_used_at"
	joinTokenColumns = "name, secret, created_at, created_by, expires_at, uses_left, uses, last_used_at, labels, agent_id"
)

// PutJoinToken implements [fleet.Store].
func (s *Store) PutJoinToken(ctx context.Context, t fleet.JoinToken) error {
	_, err := s.exec(ctx, `
		INSERT INTO join_tokens (name, secret, created_at, expires_at, uses_left) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (name) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at,
			expires_at = excluded.expires_at, uses_left = excluded.uses_left, uses = 0, last_used_at = NULL
		WHERE join_tokens.secret <> excluded.secret`,
		text(t.Name), t.Secret[:], moment(t.CreatedAt), moment(t.ExpiresAt), t.UsesLeft)
	return err
}

// CreateJoinToken implements [fleet.Store].
func (s *Store) CreateJoinToken(ctx context.Context, t fleet.JoinToken) error {
	labels, err := json.Marshal(t.Labels)
	if err != nil || t.Labels == nil {
		labels = []byte("{}")
	}
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lock(ctx, tx, lockTokens); err != nil {
			return err
		}
		if err := room(ctx, tx, "join_tokens", "join tokens", fleet.MaxJoinTokens); err != nil {
			return err
		}
		if t.AgentID != "" {
			var id string
			err := tx.QueryRow(ctx, "SELECT id FROM agents WHERE id = $1 FOR KEY SHARE", text(t.AgentID)).Scan(&id)
			if errors.Is(err, pgx.ErrNoRows) {
				return noAgent(t.AgentID)
			}
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "INSERT INTO join_tokens ("+joinTokenColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
			text(t.Name), t.Secret[:], moment(t.CreatedAt), text(t.CreatedBy), moment(t.ExpiresAt), t.UsesLeft, t.Uses,
			moment(t.LastUsedAt), string(labels), optional(t.AgentID))
		if isUniqueViolation(err) {
			return fleet.Errorf(fleet.Exists, "another join token has the name %q", t.Name)
		}
		return err
	})
}

// JoinTokens implements [fleet.Store].
func (s *Store) JoinTokens(ctx context.Context) ([]fleet.JoinToken, error) {
	return list(ctx, s, scanJoinToken, "SELECT "+joinTokenColumns+" FROM join_tokens ORDER BY name")
}

func scanJoinToken(row pgx.Row) (fleet.JoinToken, error) {
	var (
		t                              fleet.JoinToken
		secret, labels                 []byte
		createdAt, expiresAt, lastUsed *time.Time
		agentID                        *string
	)
	err := row.Scan(&t.Name, &secret, &createdAt, &t.CreatedBy, &expiresAt, &t.UsesLeft, &t.Uses, &lastUsed, &labels, &agentID)
	if err != nil {
		return fleet.JoinToken{}, err
	}
	if err := json.Unmarshal(labels, &t.Labels); err != nil {
		return fleet.JoinToken{}, fmt.Errorf("labels of join token %s: %w", t.Name, err)
	}
	t.Secret, t.AgentID = fleet.Hash(secret), fromOptional(agentID)
	t.CreatedAt, t.ExpiresAt, t.LastUsedAt = fromMoment(createdAt), fromMoment(expiresAt), fromMoment(lastUsed)
	return t, nil
}

// DeleteJoinToken implements [fleet.Store].
func (s *Store) DeleteJoinToken(ctx context.Context, name string) error {
	return s.must(ctx, fleet.Errorf(fleet.NotFound, "there is no join token %q", name),
		"DELETE FROM join_tokens WHERE name = $1", text(name))
}

// PutAPIToken implements [fleet.Store].
func (s *Store) PutAPIToken(ctx context.Context, t fleet.APIToken) error {
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lock(ctx, tx, lockTokens); err != nil {
			return err
		}
		var before []byte
		err := tx.QueryRow(ctx, "SELECT secret FROM api_tokens WHERE name = $1", text(t.Name)).Scan(&before)
		switch {
		case err == nil && [32]byte(before) == t.Secret:
			return nil
		case err == nil:
			if _, err := tx.Exec(ctx, "DELETE FROM api_tokens WHERE name = $1", text(t.Name)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "DELETE FROM sessions; DELETE FROM login_codes"); err != nil {
				return err
			}
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		}
		return insertAPIToken(ctx, tx, t)
	})
}

// CreateAPIToken implements [fleet.Store].
func (s *Store) CreateAPIToken(ctx context.Context, t fleet.APIToken) error {
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lock(ctx, tx, lockTokens); err != nil {
			return err
		}
		if err := room(ctx, tx, "api_tokens", "API tokens", fleet.MaxAPITokens); err != nil {
			return err
		}
		return insertAPIToken(ctx, tx, t)
	})
}

func insertAPIToken(ctx context.Context, tx pgx.Tx, t fleet.APIToken) error {
	_, err := tx.Exec(ctx, "INSERT INTO api_tokens ("+apiTokenColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7)",
		text(t.Name), t.Secret[:], t.Role, moment(t.CreatedAt), text(t.CreatedBy), moment(t.ExpiresAt), moment(t.LastUsedAt))
	if isUniqueViolation(err) {
		return fleet.Errorf(fleet.Exists, "another API token has the name %q", t.Name)
	}
	return err
}

// APIToken implements [fleet.Store].
func (s *Store) APIToken(ctx context.Context, secret fleet.Hash) (fleet.APIToken, error) {
	return one(ctx, s, fleet.Errorf(fleet.NotFound, "there is no such API token"), scanAPIToken,
		"SELECT "+apiTokenColumns+" FROM api_tokens WHERE secret = $1", secret[:])
}

// APITokens implements [fleet.Store].
func (s *Store) APITokens(ctx context.Context) ([]fleet.APIToken, error) {
	return list(ctx, s, scanAPIToken, "SELECT "+apiTokenColumns+" FROM api_tokens ORDER BY name")
}

func scanAPIToken(row pgx.Row) (fleet.APIToken, error) {
	var (
		t                              fleet.APIToken
		secret                         []byte
		createdAt, expiresAt, lastUsed *time.Time
	)
	if err := row.Scan(&t.Name, &secret, &t.Role, &createdAt, &t.CreatedBy, &expiresAt, &lastUsed); err != nil {
		return fleet.APIToken{}, err
	}
	t.Secret = fleet.Hash(secret)
	t.CreatedAt, t.ExpiresAt, t.LastUsedAt = fromMoment(createdAt), fromMoment(expiresAt), fromMoment(lastUsed)
	return t, nil
}

// DeleteAPIToken implements [fleet.Store].
func (s *Store) DeleteAPIToken(ctx context.Context, name string) error {
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM api_tokens WHERE name = $1", text(name))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fleet.Errorf(fleet.NotFound, "there is no API token %q", name)
		}
		actor := text(fleet.APIToken{Name: name}.Actor())
		if _, err := tx.Exec(ctx, "DELETE FROM sessions WHERE user_id IS NULL AND actor = $1", actor); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM login_codes WHERE user_id IS NULL AND actor = $1", actor)
		return err
	})
}

// UseAPITokens implements [fleet.Store].
func (s *Store) UseAPITokens(ctx context.Context, used map[string]time.Time) error {
	// In one order, so that servers do not wait for each other in a circle.
	names := slices.Sorted(maps.Keys(used))
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return batch(ctx, tx, func(b *pgx.Batch) {
			for _, name := range names {
				b.Queue("UPDATE api_tokens SET last_used_at = greatest(last_used_at, $1) WHERE name = $2", moment(used[name]), text(name))
			}
		})
	})
}

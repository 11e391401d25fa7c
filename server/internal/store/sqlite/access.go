package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// PutJoinToken implements [fleet.Store].
func (s *Store) PutJoinToken(ctx context.Context, t fleet.JoinToken) error {
	_, err := s.exec(ctx, `
		INSERT INTO join_tokens (name, secret, created_at, expires_at, uses_left) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at,
			expires_at = excluded.expires_at, uses_left = excluded.uses_left
		WHERE secret <> excluded.secret`,
		t.Name, t.Secret[:], millis(t.CreatedAt), millis(t.ExpiresAt), t.UsesLeft)
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
		_, err = tx.ExecContext(ctx, "INSERT INTO api_tokens (name, secret, role, created_at) VALUES (?, ?, ?, ?)",
			t.Name, t.Secret[:], t.Role, millis(t.CreatedAt))
		return err
	})
}

// APIToken implements [fleet.Store].
func (s *Store) APIToken(ctx context.Context, secret fleet.Hash) (fleet.APIToken, error) {
	t := fleet.APIToken{Secret: secret}
	var createdAt sql.NullInt64
	err := s.read.QueryRowContext(ctx, "SELECT name, role, created_at FROM api_tokens WHERE secret = ?", secret[:]).
		Scan(&t.Name, &t.Role, &createdAt)
	if errors.Is(err, sql.ErrNoRows) {
		return fleet.APIToken{}, fleet.Errorf(fleet.NotFound, "there is no such API token")
	}
	t.CreatedAt = fromMillis(createdAt)
	return t, s.failure(err)
}

// CreateLoginCode implements [fleet.Store].
func (s *Store) CreateLoginCode(ctx context.Context, c fleet.LoginCode) error {
	_, err := s.exec(ctx, "INSERT INTO login_codes (secret, role, expires_at) VALUES (?, ?, ?)",
		c.Secret[:], c.Role, millis(c.ExpiresAt))
	return err
}

// RedeemLoginCode implements [fleet.Store].
func (s *Store) RedeemLoginCode(ctx context.Context, code fleet.Hash, session fleet.Session) (fleet.Session, error) {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "DELETE FROM login_codes WHERE secret = ? AND expires_at > ? RETURNING role",
			code[:], millis(session.CreatedAt)).Scan(&session.Role)
		if errors.Is(err, sql.ErrNoRows) {
			return fleet.Errorf(fleet.Unauthenticated, "this sign-in link was used already, or has expired: ask for a new one")
		}
		if err != nil {
			return err
		}
		return insertSession(ctx, tx, session)
	})
	if err != nil {
		return fleet.Session{}, err
	}
	return session, nil
}

// CreateSession implements [fleet.Store].
func (s *Store) CreateSession(ctx context.Context, session fleet.Session) error {
	return s.tx(ctx, func(tx *sql.Tx) error { return insertSession(ctx, tx, session) })
}

func insertSession(ctx context.Context, tx *sql.Tx, session fleet.Session) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO sessions (secret, id, role, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
		session.Secret[:], session.ID, session.Role, millis(session.CreatedAt), millis(session.ExpiresAt))
	return err
}

// Session implements [fleet.Store].
func (s *Store) Session(ctx context.Context, secret fleet.Hash) (fleet.Session, error) {
	session := fleet.Session{Secret: secret}
	var createdAt, expiresAt sql.NullInt64
	err := s.read.QueryRowContext(ctx, "SELECT id, role, created_at, expires_at FROM sessions WHERE secret = ?", secret[:]).
		Scan(&session.ID, &session.Role, &createdAt, &expiresAt)
	if errors.Is(err, sql.ErrNoRows) {
		return fleet.Session{}, noSession()
	}
	session.CreatedAt, session.ExpiresAt = fromMillis(createdAt), fromMillis(expiresAt)
	return session, s.failure(err)
}

func noSession() error { return fleet.Errorf(fleet.NotFound, "there is no such session") }

// ExtendSession implements [fleet.Store].
func (s *Store) ExtendSession(ctx context.Context, secret fleet.Hash, expires time.Time) error {
	n, err := s.exec(ctx, "UPDATE sessions SET expires_at = ? WHERE secret = ?", millis(expires), secret[:])
	if err == nil && n == 0 {
		return noSession()
	}
	return err
}

// DeleteSession implements [fleet.Store].
func (s *Store) DeleteSession(ctx context.Context, secret fleet.Hash) error {
	_, err := s.exec(ctx, "DELETE FROM sessions WHERE secret = ?", secret[:])
	return err
}

// DeleteExpired implements [fleet.Store].
func (s *Store) DeleteExpired(ctx context.Context, now time.Time) (int64, error) {
	var total int64
	err := s.tx(ctx, func(tx *sql.Tx) error {
		for _, query := range []string{
			"DELETE FROM join_tokens WHERE expires_at <= ? OR uses_left = 0",
			"DELETE FROM login_codes WHERE expires_at <= ?",
			"DELETE FROM sessions WHERE expires_at <= ?",
		} {
			result, err := tx.ExecContext(ctx, query, now.UnixMilli())
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	return total, err
}

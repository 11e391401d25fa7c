package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"sonde.dev/sonde/server/internal/fleet"
)

// PutJoinToken implements [fleet.Store].
func (s *Store) PutJoinToken(ctx context.Context, t fleet.JoinToken) error {
	_, err := s.exec(ctx, `
		INSERT INTO join_tokens (name, secret, created_at, expires_at, uses_left) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (name) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at,
			expires_at = excluded.expires_at, uses_left = excluded.uses_left
		WHERE join_tokens.secret <> excluded.secret`,
		text(t.Name), t.Secret[:], moment(t.CreatedAt), moment(t.ExpiresAt), t.UsesLeft)
	return err
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
		_, err = tx.Exec(ctx, "INSERT INTO api_tokens (name, secret, role, created_at) VALUES ($1, $2, $3, $4)",
			text(t.Name), t.Secret[:], t.Role, moment(t.CreatedAt))
		return err
	})
}

// row reads one row into places; missing is the error when there is none.
func (s *Store) row(ctx context.Context, missing error, query string, arg any, places ...any) error {
	return s.read(ctx, func(ctx context.Context) error {
		err := s.pool.QueryRow(ctx, query, arg).Scan(places...)
		if errors.Is(err, pgx.ErrNoRows) {
			return missing
		}
		return err
	})
}

// APIToken implements [fleet.Store].
func (s *Store) APIToken(ctx context.Context, secret fleet.Hash) (fleet.APIToken, error) {
	t := fleet.APIToken{Secret: secret}
	var createdAt *time.Time
	err := s.row(ctx, fleet.Errorf(fleet.NotFound, "there is no such API token"),
		"SELECT name, role, created_at FROM api_tokens WHERE secret = $1", secret[:], &t.Name, &t.Role, &createdAt)
	if err != nil {
		return fleet.APIToken{}, err
	}
	t.CreatedAt = fromMoment(createdAt)
	return t, nil
}

// CreateLoginCode implements [fleet.Store].
func (s *Store) CreateLoginCode(ctx context.Context, c fleet.LoginCode) error {
	_, err := s.exec(ctx, "INSERT INTO login_codes (secret, role, expires_at) VALUES ($1, $2, $3)",
		c.Secret[:], c.Role, moment(c.ExpiresAt))
	return err
}

// RedeemLoginCode implements [fleet.Store].
func (s *Store) RedeemLoginCode(ctx context.Context, code fleet.Hash, session fleet.Session) (fleet.Session, error) {
	err := s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "DELETE FROM login_codes WHERE secret = $1 AND expires_at > $2 RETURNING role",
			code[:], moment(session.CreatedAt)).Scan(&session.Role)
		if errors.Is(err, pgx.ErrNoRows) {
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
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error { return insertSession(ctx, tx, session) })
}

func insertSession(ctx context.Context, tx pgx.Tx, session fleet.Session) error {
	_, err := tx.Exec(ctx, "INSERT INTO sessions (secret, id, role, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
		session.Secret[:], session.ID, session.Role, moment(session.CreatedAt), moment(session.ExpiresAt))
	return err
}

// Session implements [fleet.Store].
func (s *Store) Session(ctx context.Context, secret fleet.Hash) (fleet.Session, error) {
	session := fleet.Session{Secret: secret}
	var createdAt, expiresAt *time.Time
	err := s.row(ctx, noSession(), "SELECT id, role, created_at, expires_at FROM sessions WHERE secret = $1", secret[:],
		&session.ID, &session.Role, &createdAt, &expiresAt)
	if err != nil {
		return fleet.Session{}, err
	}
	session.CreatedAt, session.ExpiresAt = fromMoment(createdAt), fromMoment(expiresAt)
	return session, nil
}

func noSession() error { return fleet.Errorf(fleet.NotFound, "there is no such session") }

// ExtendSession implements [fleet.Store].
func (s *Store) ExtendSession(ctx context.Context, secret fleet.Hash, expires time.Time) error {
	n, err := s.exec(ctx, "UPDATE sessions SET expires_at = $1 WHERE secret = $2", moment(expires), secret[:])
	if err == nil && n == 0 {
		return noSession()
	}
	return err
}

// DeleteSession implements [fleet.Store].
func (s *Store) DeleteSession(ctx context.Context, secret fleet.Hash) error {
	_, err := s.exec(ctx, "DELETE FROM sessions WHERE secret = $1", secret[:])
	return err
}

// DeleteExpired implements [fleet.Store].
func (s *Store) DeleteExpired(ctx context.Context, now time.Time) (total int64, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		total = 0
		for _, query := range []string{
			"DELETE FROM join_tokens WHERE expires_at <= $1 OR uses_left = 0",
			"DELETE FROM login_codes WHERE expires_at <= $1",
			"DELETE FROM sessions WHERE expires_at <= $1",
		} {
			tag, err := tx.Exec(ctx, query, moment(now))
			if err != nil {
				return err
			}
			total += tag.RowsAffected()
		}
		return nil
	})
	return total, err
}

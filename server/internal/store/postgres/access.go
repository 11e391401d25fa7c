package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/store/record"
)

// CreateLoginCode implements [fleet.Store].
func (s *Store) CreateLoginCode(ctx context.Context, c fleet.LoginCode) error {
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := enabled(ctx, tx, c.UserID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx,
			"INSERT INTO login_codes (secret, user_id, actor, role, resets_password, parent, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
			c.Secret[:], optional(c.UserID), text(c.Actor), c.Role, c.ResetsPassword, record.EncodeHash(c.Parent), moment(c.ExpiresAt))
		return err
	})
}

// enabled returns a NotFound error unless there is a user of an id that may sign
// in, or the id is empty. The user stays so until the transaction ends.
func enabled(ctx context.Context, tx pgx.Tx, id string) error {
	if id == "" {
		return nil
	}
	var disabled bool
	err := tx.QueryRow(ctx, "SELECT disabled FROM users WHERE id = $1 FOR NO KEY UPDATE", text(id)).Scan(&disabled)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return noUser(id)
	case err == nil && disabled:
		return fleet.Errorf(fleet.NotFound, "the user is disabled")
	}
	return err
}

// RedeemLoginCode implements [fleet.Store].
func (s *Store) RedeemLoginCode(ctx context.Context, code fleet.Hash, session fleet.Session) (stored fleet.Session, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		wanted := session
		var (
			id   *string
			from []byte
		)
		err := tx.QueryRow(ctx, `
			DELETE FROM login_codes WHERE secret = $1 AND expires_at > $2
			RETURNING user_id, actor, role, resets_password, parent`,
			code[:], moment(session.CreatedAt)).Scan(&id, &wanted.Actor, &wanted.Role, &wanted.ResetsPassword, &from)
		if errors.Is(err, pgx.ErrNoRows) {
			return fleet.Errorf(fleet.Unauthenticated, "this sign-in link was used already, or has expired: ask for a new one")
		}
		if err != nil {
			return err
		}
		wanted.UserID, wanted.Parent = fromOptional(id), record.DecodeHash(from)
		if err := insertSession(ctx, tx, wanted); err != nil {
			return err
		}
		stored, err = scanSession(tx.QueryRow(ctx, sessionQuery, session.Secret[:]))
		return err
	})
	if err != nil {
		return fleet.Session{}, err
	}
	return stored, nil
}

// CreateSession implements [fleet.Store].
func (s *Store) CreateSession(ctx context.Context, session fleet.Session) error {
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error { return insertSession(ctx, tx, session) })
}

// insertSession stores a session and, for one of a user, that the user signed in.
func insertSession(ctx context.Context, tx pgx.Tx, session fleet.Session) error {
	if err := enabled(ctx, tx, session.UserID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO sessions (secret, id, user_id, actor, role, resets_password, parent, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		session.Secret[:], session.ID, optional(session.UserID), text(session.Actor), session.Role, session.ResetsPassword,
		record.EncodeHash(session.Parent), moment(session.CreatedAt), moment(session.ExpiresAt))
	if err != nil || session.UserID == "" {
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE users SET last_sign_in_at = $1 WHERE id = $2", moment(session.CreatedAt), session.UserID)
	return err
}

// sessionQuery selects the session of a secret, with what its user is now.
const sessionQuery = `
	SELECT s.secret, s.id, s.user_id, coalesce('user:' || u.name, s.actor), coalesce(u.role, s.role),
		s.resets_password, s.parent, s.created_at, s.expires_at
	FROM sessions s LEFT JOIN users u ON u.id = s.user_id
	WHERE s.secret = $1`

func scanSession(row pgx.Row) (fleet.Session, error) {
	var (
		session              fleet.Session
		secret, from         []byte
		id                   *string
		createdAt, expiresAt *time.Time
	)
	err := row.Scan(&secret, &session.ID, &id, &session.Actor, &session.Role, &session.ResetsPassword, &from, &createdAt, &expiresAt)
	if err != nil {
		return fleet.Session{}, err
	}
	session.Secret, session.UserID, session.Parent = fleet.Hash(secret), fromOptional(id), record.DecodeHash(from)
	session.CreatedAt, session.ExpiresAt = fromMoment(createdAt), fromMoment(expiresAt)
	return session, nil
}

// Session implements [fleet.Store].
func (s *Store) Session(ctx context.Context, secret fleet.Hash) (fleet.Session, error) {
	return one(ctx, s, noSession(), scanSession, sessionQuery, secret[:])
}

func noSession() error { return fleet.Errorf(fleet.NotFound, "there is no such session") }

// ExtendSession implements [fleet.Store].
func (s *Store) ExtendSession(ctx context.Context, secret fleet.Hash, expires time.Time) error {
	return s.must(ctx, noSession(), "UPDATE sessions SET expires_at = $1 WHERE secret = $2", moment(expires), secret[:])
}

// DeleteSession implements [fleet.Store].
func (s *Store) DeleteSession(ctx context.Context, secret fleet.Hash) error {
	_, err := s.exec(ctx, "DELETE FROM sessions WHERE secret = (SELECT coalesce(parent, secret) FROM sessions WHERE secret = $1)", secret[:])
	return err
}

// DeleteExpired implements [fleet.Store].
func (s *Store) DeleteExpired(ctx context.Context, now time.Time) (total int64, err error) {
	grace := now.Add(-fleet.TokenGrace)
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		total = 0
		for _, remove := range []struct {
			query string
			until time.Time
		}{
			{"DELETE FROM join_tokens WHERE expires_at <= $1 OR uses_left = 0 AND coalesce(last_used_at, created_at) <= $1", grace},
			{"DELETE FROM api_tokens WHERE expires_at <= $1", grace},
			{"DELETE FROM login_codes WHERE expires_at <= $1", now},
			{"DELETE FROM sessions WHERE expires_at <= $1", now},
			{"DELETE FROM agent_sessions USING leases WHERE leases.name = 'server/' || server_id AND leases.expires_at <= $1", grace},
			{"DELETE FROM leases WHERE expires_at <= $1", grace},
		} {
			tag, err := tx.Exec(ctx, remove.query, moment(remove.until))
			if err != nil {
				return err
			}
			total += tag.RowsAffected()
		}
		return nil
	})
	return total, err
}

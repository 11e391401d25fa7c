package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/store/record"
)

// CreateLoginCode implements [fleet.Store].
func (s *Store) CreateLoginCode(ctx context.Context, c fleet.LoginCode) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if err := enabled(ctx, tx, c.UserID); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx,
			"INSERT INTO login_codes (secret, user_id, actor, role, resets_password, parent, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
			c.Secret[:], userID(c.UserID), c.Actor, c.Role, c.ResetsPassword, record.EncodeHash(c.Parent), millis(c.ExpiresAt))
		return err
	})
}

// enabled returns a NotFound error unless there is a user of an id that may sign
// in, or the id is empty.
func enabled(ctx context.Context, tx *sql.Tx, id string) error {
	if id == "" {
		return nil
	}
	var disabled bool
	err := tx.QueryRowContext(ctx, "SELECT disabled FROM users WHERE id = ?", id).Scan(&disabled)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return noUser(id)
	case err == nil && disabled:
		return fleet.Errorf(fleet.NotFound, "the user is disabled")
	}
	return err
}

// userID is how the id of a user is stored: NULL for nobody.
func userID(id string) sql.NullString { return sql.NullString{String: id, Valid: id != ""} }

// RedeemLoginCode implements [fleet.Store].
func (s *Store) RedeemLoginCode(ctx context.Context, code fleet.Hash, session fleet.Session) (fleet.Session, error) {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		var (
			id   sql.NullString
			from []byte
		)
		err := tx.QueryRowContext(ctx, `
			DELETE FROM login_codes WHERE secret = ? AND expires_at > ?
			RETURNING user_id, actor, role, resets_password, parent`,
			code[:], millis(session.CreatedAt)).Scan(&id, &session.Actor, &session.Role, &session.ResetsPassword, &from)
		if errors.Is(err, sql.ErrNoRows) {
			return fleet.Errorf(fleet.Unauthenticated, "this sign-in link was used already, or has expired: ask for a new one")
		}
		if err != nil {
			return err
		}
		session.UserID, session.Parent = id.String, record.DecodeHash(from)
		if err := insertSession(ctx, tx, session); err != nil {
			return err
		}
		session, err = scanSession(tx.QueryRowContext(ctx, sessionQuery, session.Secret[:]))
		return err
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

// insertSession stores a session and, for one of a user, that the user signed in.
func insertSession(ctx context.Context, tx *sql.Tx, session fleet.Session) error {
	if err := enabled(ctx, tx, session.UserID); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO sessions (secret, id, user_id, actor, role, resets_password, parent, created_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		session.Secret[:], session.ID, userID(session.UserID), session.Actor, session.Role, session.ResetsPassword,
		record.EncodeHash(session.Parent), millis(session.CreatedAt), millis(session.ExpiresAt))
	if err != nil || session.UserID == "" {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE users SET last_sign_in_at = ? WHERE id = ?", millis(session.CreatedAt), session.UserID)
	return err
}

// sessionQuery selects the session of a secret, with what its user is now.
const sessionQuery = `
	SELECT s.secret, s.id, s.user_id, coalesce('user:' || u.name, s.actor), coalesce(u.role, s.role),
		s.resets_password, s.parent, s.created_at, s.expires_at
	FROM sessions s LEFT JOIN users u ON u.id = s.user_id
	WHERE s.secret = ?`

func scanSession(row scanner) (fleet.Session, error) {
	var (
		session              fleet.Session
		secret, from         []byte
		id                   sql.NullString
		createdAt, expiresAt sql.NullInt64
	)
	err := row.Scan(&secret, &session.ID, &id, &session.Actor, &session.Role, &session.ResetsPassword, &from, &createdAt, &expiresAt)
	if err != nil {
		return fleet.Session{}, err
	}
	session.Secret, session.UserID, session.Parent = fleet.Hash(secret), id.String, record.DecodeHash(from)
	session.CreatedAt, session.ExpiresAt = fromMillis(createdAt), fromMillis(expiresAt)
	return session, nil
}

// Session implements [fleet.Store].
func (s *Store) Session(ctx context.Context, secret fleet.Hash) (fleet.Session, error) {
	session, err := scanSession(s.read.QueryRowContext(ctx, sessionQuery, secret[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return fleet.Session{}, noSession()
	}
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
	_, err := s.exec(ctx, "DELETE FROM sessions WHERE secret = (SELECT coalesce(parent, secret) FROM sessions WHERE secret = ?)", secret[:])
	return err
}

// DeleteExpired implements [fleet.Store].
func (s *Store) DeleteExpired(ctx context.Context, now time.Time) (int64, error) {
	grace := now.Add(-fleet.TokenGrace)
	var total int64
	err := s.tx(ctx, func(tx *sql.Tx) error {
		for _, remove := range []struct {
			query string
			until time.Time
		}{
			{"DELETE FROM join_tokens WHERE expires_at <= ?1 OR uses_left = 0 AND coalesce(last_used_at, created_at) <= ?1", grace},
			{"DELETE FROM api_tokens WHERE expires_at <= ?1", grace},
			{"DELETE FROM login_codes WHERE expires_at <= ?1", now},
			{"DELETE FROM sessions WHERE expires_at <= ?1", now},
		} {
			result, err := tx.ExecContext(ctx, remove.query, remove.until.UnixMilli())
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

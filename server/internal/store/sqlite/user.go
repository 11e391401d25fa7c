package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"sonde.dev/sonde/server/internal/fleet"
)

const userColumns = "id, name, role, disabled, password, issuer, subject, created_at, last_sign_in_at"

// CreateUser implements [fleet.Store].
func (s *Store) CreateUser(ctx context.Context, u fleet.User) error {
	return s.tx(ctx, func(tx *sql.Tx) error { return insertUser(ctx, tx, u) })
}

func insertUser(ctx context.Context, tx *sql.Tx, u fleet.User) error {
	if err := room(ctx, tx, "users", "users", fleet.MaxUsers); err != nil {
		return err
	}
	external := u.Issuer != ""
	_, err := tx.ExecContext(ctx,
		"INSERT INTO users ("+userColumns+", folded_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		u.ID, u.Name, u.Role, u.Disabled, u.Password,
		sql.NullString{String: u.Issuer, Valid: external}, sql.NullString{String: u.Subject, Valid: external},
		millis(u.CreatedAt), millis(u.LastSignInAt), fleet.FoldName(u.Name))
	if isUniqueViolation(err) {
		return fleet.Errorf(fleet.Exists, "another user has the name %q", u.Name)
	}
	return err
}

// room returns a Limit error when a table holds as many rows as it may.
func room(ctx context.Context, tx *sql.Tx, table, what string, most int) error {
	var count int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&count); err != nil {
		return err
	}
	if count >= most {
		return fleet.Errorf(fleet.Limit, "there are %d %s, which is the most: remove some", count, what)
	}
	return nil
}

// Users implements [fleet.Store].
func (s *Store) Users(ctx context.Context) ([]fleet.User, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+userColumns+" FROM users ORDER BY folded_name")
	return collect(s, rows, err, scanUser)
}

// collect reads all rows of a query, whose error is err.
func collect[T any](s *Store, rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, s.failure(err)
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, s.failure(err)
		}
		list = append(list, v)
	}
	return list, s.failure(rows.Err())
}

// scanner is a *sql.Row or *sql.Rows.
type scanner interface{ Scan(...any) error }

// User implements [fleet.Store].
func (s *Store) User(ctx context.Context, id string) (fleet.User, error) {
	return s.user(ctx, "id", id)
}

// UserByName implements [fleet.Store].
func (s *Store) UserByName(ctx context.Context, name string) (fleet.User, error) {
	return s.user(ctx, "folded_name", fleet.FoldName(name))
}

func (s *Store) user(ctx context.Context, column, value string) (fleet.User, error) {
	u, err := scanUser(s.read.QueryRowContext(ctx, "SELECT "+userColumns+" FROM users WHERE "+column+" = ?", value))
	if errors.Is(err, sql.ErrNoRows) {
		return u, noUser(value)
	}
	return u, s.failure(err)
}

func noUser(idOrName string) error {
	return fleet.Errorf(fleet.NotFound, "there is no user %q", idOrName)
}

func scanUser(row scanner) (fleet.User, error) {
	var (
		u                   fleet.User
		issuer, subject     sql.NullString
		createdAt, signedIn sql.NullInt64
	)
	err := row.Scan(&u.ID, &u.Name, &u.Role, &u.Disabled, &u.Password, &issuer, &subject, &createdAt, &signedIn)
	if err != nil {
		return fleet.User{}, err
	}
	u.Issuer, u.Subject = issuer.String, subject.String
	u.CreatedAt, u.LastSignInAt = fromMillis(createdAt), fromMillis(signedIn)
	return u, nil
}

// UpdateUser implements [fleet.Store].
func (s *Store) UpdateUser(ctx context.Context, id string, change fleet.UserChange) (u fleet.User, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		var role sql.NullString
		if change.Role != nil {
			role = sql.NullString{String: string(*change.Role), Valid: true}
		}
		var disabled sql.NullBool
		if change.Disabled != nil {
			disabled = sql.NullBool{Bool: *change.Disabled, Valid: true}
		}
		var err error
		u, err = scanUser(tx.QueryRowContext(ctx,
			"UPDATE users SET role = coalesce(?, role), disabled = coalesce(?, disabled) WHERE id = ? RETURNING "+userColumns,
			role, disabled, id))
		if errors.Is(err, sql.ErrNoRows) {
			return noUser(id)
		}
		if err != nil || !u.Disabled {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM sessions WHERE user_id = ?1; DELETE FROM login_codes WHERE user_id = ?1", id)
		return err
	})
	if err != nil {
		return fleet.User{}, err
	}
	return u, nil
}

// SetPassword implements [fleet.Store].
func (s *Store) SetPassword(ctx context.Context, id, password string, keep fleet.Hash) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "UPDATE users SET password = ? WHERE id = ?", password, id)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, noUser(id))
		}
		for _, query := range []string{
			"DELETE FROM sessions WHERE user_id = ?1 AND secret <> ?2 AND secret IS NOT (SELECT parent FROM sessions WHERE secret = ?2)",
			"UPDATE sessions SET resets_password = 0 WHERE user_id = ?1 AND secret = ?2",
			"DELETE FROM login_codes WHERE user_id = ?1",
		} {
			if _, err := tx.ExecContext(ctx, query, id, keep[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeleteUser implements [fleet.Store].
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	n, err := s.exec(ctx, "DELETE FROM users WHERE id = ?", id)
	if err == nil && n == 0 {
		return noUser(id)
	}
	return err
}

// SignInExternal implements [fleet.Store].
func (s *Store) SignInExternal(ctx context.Context, u fleet.User, session fleet.Session) (fleet.User, fleet.Session, error) {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		known, err := scanUser(tx.QueryRowContext(ctx, `
			UPDATE users SET role = coalesce(nullif(?, ''), role) WHERE issuer = ? AND subject = ?
			RETURNING `+userColumns, u.Role, u.Issuer, u.Subject))
		switch {
		case err == nil && known.Disabled:
			return fleet.Errorf(fleet.PermissionDenied, "the user %s is disabled", known.Name)
		case err == nil:
			u = known
		case !errors.Is(err, sql.ErrNoRows):
			return err
		case u.Role == "":
			return fleet.Errorf(fleet.PermissionDenied, "%s may not come in: the identity provider says no role, and there is no such user", u.Name)
		default:
			if err := insertUser(ctx, tx, u); err != nil {
				return err
			}
		}
		session.UserID = u.ID
		if err := insertSession(ctx, tx, session); err != nil {
			return err
		}
		u.LastSignInAt = session.CreatedAt
		session, err = scanSession(tx.QueryRowContext(ctx, sessionQuery, session.Secret[:]))
		return err
	})
	if err != nil {
		return fleet.User{}, fleet.Session{}, err
	}
	return u, session, nil
}

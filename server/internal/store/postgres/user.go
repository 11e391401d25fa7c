package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"sonde.dev/sonde/server/internal/fleet"
)

const userColumns = "id, name, role, disabled, password, issuer, subject, created_at, last_sign_in_at"

// CreateUser implements [fleet.Store].
func (s *Store) CreateUser(ctx context.Context, u fleet.User) error {
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error { return insertUser(ctx, tx, u) })
}

func insertUser(ctx context.Context, tx pgx.Tx, u fleet.User) error {
	if err := lock(ctx, tx, lockUsers); err != nil {
		return err
	}
	if err := room(ctx, tx, "users", "users", fleet.MaxUsers); err != nil {
		return err
	}
	var issuer, subject *string
	if u.Issuer != "" {
		issuer, subject = new(text(u.Issuer)), new(text(u.Subject))
	}
	_, err := tx.Exec(ctx,
		"INSERT INTO users ("+userColumns+", folded_name) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
		u.ID, text(u.Name), u.Role, u.Disabled, u.Password, issuer, subject,
		moment(u.CreatedAt), moment(u.LastSignInAt), text(fleet.FoldName(u.Name)))
	if isUniqueViolation(err) {
		return fleet.Errorf(fleet.Exists, "another user has the name %q", u.Name)
	}
	return err
}

// Users implements [fleet.Store].
func (s *Store) Users(ctx context.Context) ([]fleet.User, error) {
	return list(ctx, s, scanUser, "SELECT "+userColumns+" FROM users ORDER BY folded_name")
}

// User implements [fleet.Store].
func (s *Store) User(ctx context.Context, id string) (fleet.User, error) {
	return one(ctx, s, noUser(id), scanUser, "SELECT "+userColumns+" FROM users WHERE id = $1", text(id))
}

// UserByName implements [fleet.Store].
func (s *Store) UserByName(ctx context.Context, name string) (fleet.User, error) {
	return one(ctx, s, noUser(name), scanUser, "SELECT "+userColumns+" FROM users WHERE folded_name = $1", text(fleet.FoldName(name)))
}

func noUser(idOrName string) error {
	return fleet.Errorf(fleet.NotFound, "there is no user %q", idOrName)
}

func scanUser(row pgx.Row) (fleet.User, error) {
	var (
		u                   fleet.User
		issuer, subject     *string
		createdAt, signedIn *time.Time
	)
	err := row.Scan(&u.ID, &u.Name, &u.Role, &u.Disabled, &u.Password, &issuer, &subject, &createdAt, &signedIn)
	if err != nil {
		return fleet.User{}, err
	}
	u.Issuer, u.Subject = fromOptional(issuer), fromOptional(subject)
	u.CreatedAt, u.LastSignInAt = fromMoment(createdAt), fromMoment(signedIn)
	return u, nil
}

// UpdateUser implements [fleet.Store].
func (s *Store) UpdateUser(ctx context.Context, id string, change fleet.UserChange) (u fleet.User, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var role *string
		if change.Role != nil {
			role = new(string(*change.Role))
		}
		var err error
		u, err = scanUser(tx.QueryRow(ctx,
			"UPDATE users SET role = coalesce($1, role), disabled = coalesce($2, disabled) WHERE id = $3 RETURNING "+userColumns,
			role, change.Disabled, text(id)))
		if errors.Is(err, pgx.ErrNoRows) {
			return noUser(id)
		}
		if err != nil || !u.Disabled {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM sessions WHERE user_id = $1", id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM login_codes WHERE user_id = $1", id)
		return err
	})
	if err != nil {
		return fleet.User{}, err
	}
	return u, nil
}

// SetPassword implements [fleet.Store].
func (s *Store) SetPassword(ctx context.Context, id, password string, keep fleet.Hash) error {
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "UPDATE users SET password = $1 WHERE id = $2", password, text(id))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return noUser(id)
		}
		if _, err := tx.Exec(ctx, `
			DELETE FROM sessions WHERE user_id = $1 AND secret <> $2
			AND secret IS DISTINCT FROM (SELECT parent FROM sessions WHERE secret = $2)`, id, keep[:]); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE sessions SET resets_password = false WHERE user_id = $1", id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM login_codes WHERE user_id = $1", id)
		return err
	})
}

// DeleteUser implements [fleet.Store].
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	return s.must(ctx, noUser(id), "DELETE FROM users WHERE id = $1", text(id))
}

// SignInExternal implements [fleet.Store].
func (s *Store) SignInExternal(ctx context.Context, u fleet.User, session fleet.Session) (stored fleet.User, opened fleet.Session, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// Of two servers that sign a new user in at once, one makes the user.
		if err := lock(ctx, tx, lockUsers); err != nil {
			return err
		}
		known, err := scanUser(tx.QueryRow(ctx, `
			UPDATE users SET role = coalesce(nullif($1, ''), role) WHERE issuer = $2 AND subject = $3
			RETURNING `+userColumns, string(u.Role), text(u.Issuer), text(u.Subject)))
		switch {
		case err == nil && known.Disabled:
			return fleet.Errorf(fleet.PermissionDenied, "the user %s is disabled", known.Name)
		case err == nil:
			stored = known
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		case u.Role == "":
			return fleet.Errorf(fleet.PermissionDenied, "%s may not come in: the identity provider says no role, and there is no such user", u.Name)
		default:
			stored = u
			if err := insertUser(ctx, tx, u); err != nil {
				return err
			}
		}
		wanted := session
		wanted.UserID = stored.ID
		if err := insertSession(ctx, tx, wanted); err != nil {
			return err
		}
		stored.LastSignInAt = session.CreatedAt
		opened, err = scanSession(tx.QueryRow(ctx, sessionQuery, session.Secret[:]))
		return err
	})
	if err != nil {
		return fleet.User{}, fleet.Session{}, err
	}
	return stored, opened, nil
}

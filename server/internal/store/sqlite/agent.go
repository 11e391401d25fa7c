package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/store/record"
)

const agentColumns = "id, name, labels, host, enrolled_at, last_seen_at, credential_issued_at, staged_credential IS NOT NULL"

// EnrollAgent implements [fleet.Store].
func (s *Store) EnrollAgent(ctx context.Context, token fleet.Hash, a fleet.Agent, credential fleet.Hash) (fleet.Agent, fleet.JoinToken, error) {
	var used fleet.JoinToken
	err := s.tx(ctx, func(tx *sql.Tx) (err error) {
		if used, err = useJoinToken(ctx, tx, token, a.EnrolledAt); err != nil {
			return err
		}
		if used.AgentID != "" {
			a, err = readmit(ctx, tx, used.AgentID, a, credential)
			return err
		}
		if len(used.Labels) > 0 {
			a.Labels = used.Labels
		}
		a, err = insertAgent(ctx, tx, a, credential)
		return err
	})
	if err != nil {
		return fleet.Agent{}, fleet.JoinToken{}, err
	}
	return a, used, nil
}

func insertAgent(ctx context.Context, tx *sql.Tx, a fleet.Agent, credential fleet.Hash) (fleet.Agent, error) {
	var count int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM agents").Scan(&count); err != nil {
		return a, err
	}
	if count >= fleet.MaxAgents {
		return a, fleet.Errorf(fleet.Limit, "the fleet has %d agents, which is the most: remove some, or revoke the join token if they are not yours", count)
	}
	taken, err := namesLike(ctx, tx, a.Name)
	if err != nil {
		return a, err
	}
	a.Name = fleet.FirstFree(a.Name, taken)
	labels, facts, err := record.EncodeAgent(a.Labels, a.Host)
	if err != nil {
		return a, err
	}
	_, err = tx.ExecContext(ctx,
		"INSERT INTO agents (id, name, labels, host, enrolled_at, last_seen_at, credential, credential_issued_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		a.ID, a.Name, labels, facts, millis(a.EnrolledAt), millis(a.LastSeenAt), credential[:], millis(a.EnrolledAt))
	if err != nil {
		return a, err
	}
	return scanAgent(tx.QueryRowContext(ctx, "SELECT "+agentColumns+" FROM agents WHERE id = ?", a.ID))
}

// readmit gives an agent that is known a new credential.
func readmit(ctx context.Context, tx *sql.Tx, id string, as fleet.Agent, credential fleet.Hash) (fleet.Agent, error) {
	_, facts, err := record.EncodeAgent(nil, as.Host)
	if err != nil {
		return fleet.Agent{}, err
	}
	return scanAgent(tx.QueryRowContext(ctx,
		`UPDATE agents SET host = ?, credential = ?, credential_issued_at = ?, staged_credential = NULL, staged_at = NULL
		WHERE id = ? RETURNING `+agentColumns, facts, credential[:], millis(as.EnrolledAt), id))
}

// useJoinToken takes one use of a token, and returns it as it was before.
func useJoinToken(ctx context.Context, tx *sql.Tx, secret fleet.Hash, now time.Time) (fleet.JoinToken, error) {
	t, err := scanJoinToken(tx.QueryRowContext(ctx, "SELECT "+joinTokenColumns+` FROM join_tokens
		WHERE secret = ? AND uses_left <> 0 AND (expires_at IS NULL OR expires_at > ?)`, secret[:], now.UnixMilli()))
	if errors.Is(err, sql.ErrNoRows) {
		return t, fleet.Errorf(fleet.Unauthenticated, "the join token is unknown, used up or expired: take the one of this server")
	}
	if err != nil {
		return t, err
	}
	_, err = tx.ExecContext(ctx,
		"UPDATE join_tokens SET uses_left = uses_left - (uses_left > 0), uses = uses + 1, last_used_at = ? WHERE secret = ?",
		millis(now), secret[:])
	return t, err
}

// namesLike returns the names that [fleet.FirstFree] may meet.
func namesLike(ctx context.Context, tx *sql.Tx, base string) (map[string]bool, error) {
	prefix := fleet.NamePrefix(base)
	// No byte of UTF-8 is 0xff, so it ends the range of what begins with prefix.
	rows, err := tx.QueryContext(ctx, "SELECT name FROM agents WHERE name >= ? AND name < ?", prefix, prefix+"\xff")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	taken := make(map[string]bool)
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		taken[name] = true
	}
	return taken, rows.Err()
}

// AgentByCredential implements [fleet.Store].
func (s *Store) AgentByCredential(ctx context.Context, credential fleet.Hash) (fleet.Agent, error) {
	a, err := scanAgent(s.read.QueryRowContext(ctx, "SELECT "+agentColumns+" FROM agents WHERE credential = ?1 OR staged_credential = ?1", credential[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return a, fleet.Errorf(fleet.NotFound, "there is no agent with this credential")
	}
	return a, s.failure(err)
}

// Agent implements [fleet.Store].
func (s *Store) Agent(ctx context.Context, id string) (fleet.Agent, error) {
	a, err := scanAgent(s.read.QueryRowContext(ctx, "SELECT "+agentColumns+" FROM agents WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return a, noAgent(id)
	}
	return a, s.failure(err)
}

func noAgent(id string) error {
	return fleet.Errorf(fleet.NotFound, "there is no agent %s", id)
}

// Agents implements [fleet.Store].
func (s *Store) Agents(ctx context.Context, after string, limit int) ([]fleet.Agent, error) {
	rows, err := s.read.QueryContext(ctx,
		"SELECT "+agentColumns+" FROM agents WHERE name > ? ORDER BY name LIMIT ?", after, limit)
	return collect(s, rows, err, scanAgent)
}

// UpdateAgent implements [fleet.Store].
func (s *Store) UpdateAgent(ctx context.Context, id string, change fleet.Change) (a fleet.Agent, renamed bool, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		var err error
		a, err = scanAgent(tx.QueryRowContext(ctx, "SELECT "+agentColumns+" FROM agents WHERE id = ?", id))
		if errors.Is(err, sql.ErrNoRows) {
			return noAgent(id)
		}
		if err != nil {
			return err
		}
		if change.Name != nil {
			renamed = a.Name != *change.Name
			a.Name = *change.Name
		}
		if change.Labels != nil {
			a.Labels = change.Labels
		}
		labels, facts, err := record.EncodeAgent(a.Labels, a.Host)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE agents SET name = ?, labels = ?, host = ? WHERE id = ?", a.Name, labels, facts, id)
		if isUniqueViolation(err) {
			return fleet.Errorf(fleet.Exists, "another agent has the name %q", a.Name)
		}
		return err
	})
	if err != nil {
		return fleet.Agent{}, false, err
	}
	return a, renamed, nil
}

// DeleteAgent implements [fleet.Store].
func (s *Store) DeleteAgent(ctx context.Context, id string) error {
	n, err := s.exec(ctx, "DELETE FROM agents WHERE id = ?", id)
	if err == nil && n == 0 {
		return noAgent(id)
	}
	return err
}

// SeeAgents implements [fleet.Store].
func (s *Store) SeeAgents(ctx context.Context, sightings []fleet.Sighting) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, `
			UPDATE agents SET last_seen_at = max(coalesce(last_seen_at, ?1), ?1), host = coalesce(?2, host)
			WHERE id = ?3`)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for _, sighting := range sightings {
			var facts sql.NullString
			if sighting.Host != nil {
				_, text, err := record.EncodeAgent(nil, *sighting.Host)
				if err != nil {
					return err
				}
				facts = sql.NullString{String: text, Valid: true}
			}
			if _, err := stmt.ExecContext(ctx, millis(sighting.At), facts, sighting.AgentID); err != nil {
				return err
			}
		}
		return nil
	})
}

// scanAgent reads a row of agentColumns.
func scanAgent(row scanner) (fleet.Agent, error) {
	var (
		a                    fleet.Agent
		labels, facts        []byte
		enrolledAt, lastSeen sql.NullInt64
		issuedAt             sql.NullInt64
	)
	if err := row.Scan(&a.ID, &a.Name, &labels, &facts, &enrolledAt, &lastSeen, &issuedAt, &a.CredentialStaged); err != nil {
		return fleet.Agent{}, err
	}
	a.EnrolledAt, a.LastSeenAt, a.CredentialIssuedAt = fromMillis(enrolledAt), fromMillis(lastSeen), fromMillis(issuedAt)
	err := record.DecodeAgent(&a, labels, facts)
	return a, err
}

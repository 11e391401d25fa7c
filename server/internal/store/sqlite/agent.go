package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/store/record"
)

const agentColumns = "id, name, labels, host, enrolled_at, last_seen_at"

// EnrollAgent implements [fleet.Store].
func (s *Store) EnrollAgent(ctx context.Context, token fleet.Hash, a fleet.Agent, credential fleet.Hash) (fleet.Agent, error) {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := useJoinToken(ctx, tx, token, a.EnrolledAt); err != nil {
			return err
		}
		var count int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM agents").Scan(&count); err != nil {
			return err
		}
		if count >= fleet.MaxAgents {
			return fleet.Errorf(fleet.Limit, "the fleet has %d agents, which is the most: remove some, or revoke the join token if they are not yours", count)
		}
		taken, err := namesLike(ctx, tx, a.Name)
		if err != nil {
			return err
		}
		a.Name = fleet.FirstFree(a.Name, taken)
		labels, facts, err := record.EncodeAgent(a.Labels, a.Host)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx,
			"INSERT INTO agents ("+agentColumns+", credential) VALUES (?, ?, ?, ?, ?, ?, ?)",
			a.ID, a.Name, labels, facts, millis(a.EnrolledAt), millis(a.LastSeenAt), credential[:])
		if err != nil {
			return err
		}
		a, err = scanAgent(tx.QueryRowContext(ctx, "SELECT "+agentColumns+" FROM agents WHERE id = ?", a.ID))
		return err
	})
	if err != nil {
		return fleet.Agent{}, err
	}
	return a, nil
}

func useJoinToken(ctx context.Context, tx *sql.Tx, token fleet.Hash, now time.Time) error {
	result, err := tx.ExecContext(ctx, `
		UPDATE join_tokens SET uses_left = uses_left - (uses_left > 0)
		WHERE secret = ? AND uses_left <> 0 AND (expires_at IS NULL OR expires_at > ?)`,
		token[:], now.UnixMilli())
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return fleet.Errorf(fleet.Unauthenticated, "the join token is unknown, used up or expired: take the one of this server")
	}
	return nil
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
	a, err := scanAgent(s.read.QueryRowContext(ctx, "SELECT "+agentColumns+" FROM agents WHERE credential = ?", credential[:]))
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
	if err != nil {
		return nil, s.failure(err)
	}
	defer rows.Close()
	var agents []fleet.Agent
	for rows.Next() {
		a, err := scanAgent(rows)
		if err != nil {
			return nil, s.failure(err)
		}
		agents = append(agents, a)
	}
	return agents, s.failure(rows.Err())
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

// scanAgent reads a row of agentColumns, from a *sql.Row or *sql.Rows.
func scanAgent(row interface{ Scan(...any) error }) (fleet.Agent, error) {
	var (
		a                    fleet.Agent
		labels, facts        []byte
		enrolledAt, lastSeen sql.NullInt64
	)
	if err := row.Scan(&a.ID, &a.Name, &labels, &facts, &enrolledAt, &lastSeen); err != nil {
		return fleet.Agent{}, err
	}
	a.EnrolledAt, a.LastSeenAt = fromMillis(enrolledAt), fromMillis(lastSeen)
	err := record.DecodeAgent(&a, labels, facts)
	return a, err
}

package postgres

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/store/record"
)

const agentColumns = "id, name, labels, host, enrolled_at, last_seen_at"

// EnrollAgent implements [fleet.Store].
func (s *Store) EnrollAgent(ctx context.Context, token fleet.Hash, a fleet.Agent, credential fleet.Hash) (fleet.Agent, error) {
	var stored fleet.Agent
	err := s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// Before anything is read, so that the next free name is free.
		if err := lock(ctx, tx, lockNames); err != nil {
			return err
		}
		if err := useJoinToken(ctx, tx, token, a.EnrolledAt); err != nil {
			return err
		}
		var count int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM agents").Scan(&count); err != nil {
			return err
		}
		if count >= fleet.MaxAgents {
			return fleet.Errorf(fleet.Limit, "the fleet has %d agents, which is the most: remove some, or revoke the join token if they are not yours", count)
		}
		taken, err := namesLike(ctx, tx, a.Name)
		if err != nil {
			return err
		}
		labels, facts, err := record.EncodeAgent(a.Labels, a.Host)
		if err != nil {
			return err
		}
		stored, err = scanAgent(tx.QueryRow(ctx,
			"INSERT INTO agents ("+agentColumns+", credential) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING "+agentColumns,
			a.ID, fleet.FirstFree(a.Name, taken), labels, facts, moment(a.EnrolledAt), moment(a.LastSeenAt), credential[:]))
		return err
	})
	if err != nil {
		return fleet.Agent{}, err
	}
	return stored, nil
}

func useJoinToken(ctx context.Context, tx pgx.Tx, token fleet.Hash, now time.Time) error {
	tag, err := tx.Exec(ctx, `
		UPDATE join_tokens SET uses_left = uses_left - (uses_left > 0)::int
		WHERE secret = $1 AND uses_left <> 0 AND (expires_at IS NULL OR expires_at > $2)`,
		token[:], moment(now))
	if err == nil && tag.RowsAffected() == 0 {
		return fleet.Errorf(fleet.Unauthenticated, "the join token is unknown, used up or expired: take the one of this server")
	}
	return err
}

// namesLike returns the names that [fleet.FirstFree] may meet.
func namesLike(ctx context.Context, tx pgx.Tx, base string) (map[string]bool, error) {
	// What is left of a character that NamePrefix cut in two would match nothing.
	prefix := strings.ToValidUTF8(fleet.NamePrefix(base), "")
	// No name that begins with prefix lies behind as many U+10FFFF as fit.
	rows, err := tx.Query(ctx, "SELECT name FROM agents WHERE name >= $1 AND name < $2", prefix, prefix+strings.Repeat("\U0010FFFF", fleet.MaxNameChars))
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	taken := make(map[string]bool, len(names))
	for _, name := range names {
		taken[name] = true
	}
	return taken, nil
}

// one reads one agent.
func (s *Store) one(ctx context.Context, missing error, where string, arg any) (a fleet.Agent, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		var err error
		a, err = scanAgent(s.pool.QueryRow(ctx, "SELECT "+agentColumns+" FROM agents WHERE "+where, arg))
		if errors.Is(err, pgx.ErrNoRows) {
			return missing
		}
		return err
	})
	return a, err
}

// AgentByCredential implements [fleet.Store].
func (s *Store) AgentByCredential(ctx context.Context, credential fleet.Hash) (fleet.Agent, error) {
	return s.one(ctx, fleet.Errorf(fleet.NotFound, "there is no agent with this credential"), "credential = $1", credential[:])
}

// Agent implements [fleet.Store].
func (s *Store) Agent(ctx context.Context, id string) (fleet.Agent, error) {
	return s.one(ctx, noAgent(id), "id = $1", text(id))
}

func noAgent(id string) error {
	return fleet.Errorf(fleet.NotFound, "there is no agent %s", id)
}

// Agents implements [fleet.Store].
func (s *Store) Agents(ctx context.Context, after string, limit int) (agents []fleet.Agent, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx,
			"SELECT "+agentColumns+" FROM agents WHERE name > $1 ORDER BY name LIMIT $2", text(after), limit)
		if err != nil {
			return err
		}
		agents, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (fleet.Agent, error) { return scanAgent(row) })
		return err
	})
	return agents, err
}

// UpdateAgent implements [fleet.Store].
func (s *Store) UpdateAgent(ctx context.Context, id string, change fleet.Change) (a fleet.Agent, renamed bool, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if change.Name != nil {
			if err := lock(ctx, tx, lockNames); err != nil {
				return err
			}
		}
		var err error
		a, err = scanAgent(tx.QueryRow(ctx, "SELECT "+agentColumns+" FROM agents WHERE id = $1 FOR UPDATE", text(id)))
		if errors.Is(err, pgx.ErrNoRows) {
			return noAgent(id)
		}
		if err != nil {
			return err
		}
		renamed = false
		if change.Name != nil {
			renamed = a.Name != *change.Name
			a.Name = *change.Name
		}
		if change.Labels != nil {
			a.Labels = change.Labels
		}
		labels, _, err := record.EncodeAgent(a.Labels, a.Host)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE agents SET name = $1, labels = $2 WHERE id = $3", a.Name, labels, id)
		if isUniqueViolation(err) {
			return fleet.Errorf(fleet.Exists, "another agent has the name %q", a.Name)
		}
		if err != nil {
			return err
		}
		return s.notify(ctx, tx, fleet.AgentChanged, id, 0)
	})
	if err != nil {
		return fleet.Agent{}, false, err
	}
	return a, renamed, nil
}

// DeleteAgent implements [fleet.Store].
func (s *Store) DeleteAgent(ctx context.Context, id string) error {
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM agents WHERE id = $1", text(id))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return noAgent(id)
		}
		return s.notify(ctx, tx, fleet.AgentChanged, id, 0)
	})
}

// SeeAgents implements [fleet.Store].
func (s *Store) SeeAgents(ctx context.Context, sightings []fleet.Sighting) error {
	// In one order, so that servers do not wait for each other in a circle.
	sightings = slices.SortedStableFunc(slices.Values(sightings), func(a, b fleet.Sighting) int { return cmp.Compare(a.AgentID, b.AgentID) })
	batch := new(pgx.Batch)
	for _, sighting := range sightings {
		var facts *string
		if sighting.Host != nil {
			_, encoded, err := record.EncodeAgent(nil, *sighting.Host)
			if err != nil {
				return err
			}
			facts = &encoded
		}
		batch.Queue(`
			UPDATE agents SET last_seen_at = greatest(last_seen_at, $1), host = coalesce($2, host) WHERE id = $3`,
			moment(sighting.At), facts, text(sighting.AgentID))
	}
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() })
}

// scanAgent reads a row of agentColumns.
func scanAgent(row pgx.Row) (fleet.Agent, error) {
	var (
		a                    fleet.Agent
		labels, facts        []byte
		enrolledAt, lastSeen *time.Time
	)
	if err := row.Scan(&a.ID, &a.Name, &labels, &facts, &enrolledAt, &lastSeen); err != nil {
		return fleet.Agent{}, err
	}
	a.EnrolledAt, a.LastSeenAt = fromMoment(enrolledAt), fromMoment(lastSeen)
	err := record.DecodeAgent(&a, labels, facts)
	return a, err
}

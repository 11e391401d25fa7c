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

const agentColumns = "id, name, labels, host, enrolled_at, last_seen_at, credential_issued_at, staged_credential IS NOT NULL, rotation_asked"

// EnrollAgent implements [fleet.Store].
func (s *Store) EnrollAgent(ctx context.Context, token fleet.Hash, a fleet.Agent, credential fleet.Hash) (stored fleet.Agent, used fleet.JoinToken, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		// Before anything is read, so that the next free name is free.
		if err := lock(ctx, tx, lockNames); err != nil {
			return err
		}
		if used, err = useJoinToken(ctx, tx, token, a.EnrolledAt); err != nil {
			return err
		}
		if used.AgentID != "" {
			stored, err = readmit(ctx, tx, used.AgentID, a, credential)
			if err != nil {
				return err
			}
			// Sessions with the credential from before end.
			return s.notify(ctx, tx, fleet.AgentChanged, used.AgentID, 0)
		}
		fresh := a
		if len(used.Labels) > 0 {
			fresh.Labels = used.Labels
		}
		stored, err = insertAgent(ctx, tx, fresh, credential)
		return err
	})
	if err != nil {
		return fleet.Agent{}, fleet.JoinToken{}, err
	}
	return stored, used, nil
}

func insertAgent(ctx context.Context, tx pgx.Tx, a fleet.Agent, credential fleet.Hash) (fleet.Agent, error) {
	var count int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM agents").Scan(&count); err != nil {
		return a, err
	}
	if count >= fleet.MaxAgents {
		return a, fleet.Errorf(fleet.Limit, "the fleet has %d agents, which is the most: remove some, or revoke the join token if they are not yours", count)
	}
	taken, err := namesLike(ctx, tx, a.Name)
	if err != nil {
		return a, err
	}
	labels, facts, err := record.EncodeAgent(a.Labels, a.Host)
	if err != nil {
		return a, err
	}
	return scanAgent(tx.QueryRow(ctx,
		`INSERT INTO agents (id, name, labels, host, enrolled_at, last_seen_at, credential, credential_issued_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $5) RETURNING `+agentColumns,
		a.ID, fleet.FirstFree(a.Name, taken), labels, facts, moment(a.EnrolledAt), moment(a.LastSeenAt), credential[:]))
}

// readmit gives an agent that is known a new credential.
func readmit(ctx context.Context, tx pgx.Tx, id string, as fleet.Agent, credential fleet.Hash) (fleet.Agent, error) {
	_, facts, err := record.EncodeAgent(nil, as.Host)
	if err != nil {
		return fleet.Agent{}, err
	}
	return scanAgent(tx.QueryRow(ctx,
		`UPDATE agents SET host = $1, credential = $2, credential_issued_at = $4, staged_credential = NULL, staged_at = NULL,
			rotation_asked = false
		WHERE id = $3 RETURNING `+agentColumns, facts, credential[:], id, moment(as.EnrolledAt)))
}

// useJoinToken takes one use of a token, and returns it as it was before.
func useJoinToken(ctx context.Context, tx pgx.Tx, secret fleet.Hash, now time.Time) (fleet.JoinToken, error) {
	t, err := scanJoinToken(tx.QueryRow(ctx, "SELECT "+joinTokenColumns+` FROM join_tokens
		WHERE secret = $1 AND uses_left <> 0 AND (expires_at IS NULL OR expires_at > $2) FOR UPDATE`, secret[:], moment(now)))
	if errors.Is(err, pgx.ErrNoRows) {
		return t, fleet.Errorf(fleet.Unauthenticated, "the join token is unknown, used up or expired: take the one of this server")
	}
	if err != nil {
		return t, err
	}
	_, err = tx.Exec(ctx,
		"UPDATE join_tokens SET uses_left = uses_left - (uses_left > 0)::int, uses = uses + 1, last_used_at = $1 WHERE secret = $2",
		moment(now), secret[:])
	return t, err
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

// AgentByCredential implements [fleet.Store].
func (s *Store) AgentByCredential(ctx context.Context, credential fleet.Hash) (fleet.Agent, error) {
	return one(ctx, s, fleet.Errorf(fleet.NotFound, "there is no agent with this credential"), scanAgent,
		"SELECT "+agentColumns+" FROM agents WHERE credential = $1 OR staged_credential = $1", credential[:])
}

// Agent implements [fleet.Store].
func (s *Store) Agent(ctx context.Context, id string) (fleet.Agent, error) {
	return one(ctx, s, noAgent(id), scanAgent, "SELECT "+agentColumns+" FROM agents WHERE id = $1", text(id))
}

func noAgent(id string) error {
	return fleet.Errorf(fleet.NotFound, "there is no agent %s", id)
}

// Agents implements [fleet.Store].
func (s *Store) Agents(ctx context.Context, after string, limit int) ([]fleet.Agent, error) {
	return list(ctx, s, scanAgent,
		"SELECT "+agentColumns+" FROM agents WHERE name > $1 ORDER BY name LIMIT $2", text(after), limit)
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
	facts := make([]*string, len(sightings))
	for i, sighting := range sightings {
		if sighting.Host == nil {
			continue
		}
		_, encoded, err := record.EncodeAgent(nil, *sighting.Host)
		if err != nil {
			return err
		}
		facts[i] = &encoded
	}
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return batch(ctx, tx, func(b *pgx.Batch) {
			for i, sighting := range sightings {
				b.Queue(`
					UPDATE agents SET last_seen_at = greatest(last_seen_at, $1), host = coalesce($2, host) WHERE id = $3`,
					moment(sighting.At), facts[i], text(sighting.AgentID))
			}
		})
	})
}

// scanAgent reads a row of agentColumns.
func scanAgent(row pgx.Row) (fleet.Agent, error) {
	var (
		a                    fleet.Agent
		labels, facts        []byte
		enrolledAt, lastSeen *time.Time
		issuedAt             *time.Time
	)
	if err := row.Scan(&a.ID, &a.Name, &labels, &facts, &enrolledAt, &lastSeen, &issuedAt, &a.CredentialStaged, &a.RotationAsked); err != nil {
		return fleet.Agent{}, err
	}
	a.EnrolledAt, a.LastSeenAt, a.CredentialIssuedAt = fromMoment(enrolledAt), fromMoment(lastSeen), fromMoment(issuedAt)
	err := record.DecodeAgent(&a, labels, facts)
	return a, err
}

package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"sonde.dev/sonde/server/internal/fleet"
)

// channel is where servers hear of changes.
const channel = "sonde"

// reconnectInterval is how long a server that lost its ear waits before it tries
// again.
const reconnectInterval = time.Second

// notify tells the other servers of a change, once the transaction has
// happened.
func (s *Store) notify(ctx context.Context, tx pgx.Tx, kind fleet.ChangeKind, agentID string, generation uint64) error {
	_, err := tx.Exec(ctx, "SELECT pg_notify($1, $2)", channel, fmt.Sprintf("%s %s %d %s", s.self, kind, generation, agentID))
	return err
}

// notice is the change that a notification tells of, false for one of this
// server or of a program that we do not know.
func (s *Store) notice(payload string) (fleet.Notice, bool) {
	fields := strings.SplitN(payload, " ", 4)
	if len(fields) != 4 || fields[0] == s.self {
		return fleet.Notice{}, false
	}
	generation, err := strconv.ParseUint(fields[2], 10, 64)
	return fleet.Notice{Kind: fleet.ChangeKind(fields[1]), AgentID: fields[3], Generation: generation}, err == nil
}

// Listen implements [fleet.Cluster].
func (s *Store) Listen(ctx context.Context, f func(fleet.Notice)) error {
	deaf := false
	for {
		err := s.listen(ctx, func() {
			if deaf {
				s.log.Info("the database says again what other servers change")
				deaf = false
			}
			f(fleet.Notice{Kind: fleet.Anything})
		}, f)
		if ctx.Err() != nil {
			return nil
		}
		if !deaf {
			s.log.Warn("the database does not say what other servers change: trying again until it does", "error", s.failure(err))
			deaf = true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reconnectInterval):
		}
	}
}

// listen listens on one connection until that breaks.
func (s *Store) listen(ctx context.Context, begin func(), f func(fleet.Notice)) error {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	begin()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if notice, ok := s.notice(n.Payload); ok {
			f(notice)
		}
	}
}

// Lease implements [fleet.Cluster].
func (s *Store) Lease(ctx context.Context, name string, ttl time.Duration) (bool, error) {
	n, err := s.exec(ctx, `
		INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, clock_timestamp() + $3::interval)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
		WHERE leases.holder = excluded.holder OR leases.expires_at <= clock_timestamp()`, name, s.self, ttl)
	return n == 1, err
}

// Release implements [fleet.Cluster].
func (s *Store) Release(ctx context.Context, name string) error {
	_, err := s.exec(ctx, "DELETE FROM leases WHERE name = $1 AND holder = $2", name, s.self)
	return err
}

// BeginSession implements [fleet.Cluster].
func (s *Store) BeginSession(ctx context.Context, agentID string) (generation uint64, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// The number is drawn when the agent's row is locked, so that the later of
		// two sessions has the higher one.
		var known int
		err := tx.QueryRow(ctx, "SELECT 1 FROM agents WHERE id = $1 FOR NO KEY UPDATE", text(agentID)).Scan(&known)
		if errors.Is(err, pgx.ErrNoRows) {
			return noAgent(agentID)
		}
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `
			INSERT INTO agent_sessions (agent_id, server_id, generation, status)
			VALUES ($1, $2, nextval('session_generations'), '{}')
			ON CONFLICT (agent_id) DO UPDATE SET server_id = excluded.server_id, generation = excluded.generation, status = excluded.status
			RETURNING generation`, agentID, s.self).Scan(&generation)
		if err != nil {
			return err
		}
		return s.notify(ctx, tx, fleet.SessionChanged, agentID, generation)
	})
	return generation, err
}

// EndSession implements [fleet.Cluster].
func (s *Store) EndSession(ctx context.Context, agentID string, generation uint64) error {
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM agent_sessions WHERE agent_id = $1 AND generation = $2", text(agentID), generation)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return s.notify(ctx, tx, fleet.SessionChanged, agentID, 0)
	})
}

// Report implements [fleet.Cluster].
func (s *Store) Report(ctx context.Context, ttl time.Duration, seen []fleet.Presence) error {
	if _, err := s.Lease(ctx, serverLease+s.self, ttl); err != nil || len(seen) == 0 {
		return err
	}
	ids, generations, statuses := make([]string, len(seen)), make([]int64, len(seen)), make([]string, len(seen))
	for i, p := range seen {
		text, err := json.Marshal(encodeStatus(p.Status))
		if err != nil {
			return fmt.Errorf("encoding the status of agent %s: %w", p.AgentID, err)
		}
		ids[i], generations[i], statuses[i] = p.AgentID, int64(p.Generation), string(text)
	}
	// The rows are locked in one order, which is that of PutConfigStatuses, so that
	// nobody waits in a circle.
	_, err := s.exec(ctx, `
		WITH mine AS MATERIALIZED (
			SELECT agent_id FROM agent_sessions WHERE agent_id = ANY ($1) ORDER BY agent_id FOR NO KEY UPDATE
		)
		UPDATE agent_sessions SET status = new.status::json
		FROM mine JOIN unnest($1::text[], $2::bigint[], $3::text[]) AS new (agent_id, generation, status) USING (agent_id)
		WHERE agent_sessions.agent_id = new.agent_id AND agent_sessions.generation = new.generation`,
		ids, generations, statuses)
	return err
}

// serverLease begins the name of the lease that says that a server lives.
const serverLease = "server/"

// Elsewhere implements [fleet.Cluster].
func (s *Store) Elsewhere(ctx context.Context) ([]fleet.Presence, error) {
	return list(ctx, s, scanPresence, `
		SELECT agent_id, generation, status FROM agent_sessions
		JOIN leases ON leases.name = 'server/' || server_id AND leases.expires_at > clock_timestamp()
		WHERE server_id <> $1`, s.self)
}

func scanPresence(row pgx.Row) (fleet.Presence, error) {
	var p fleet.Presence
	var text []byte
	if err := row.Scan(&p.AgentID, &p.Generation, &text); err != nil {
		return p, err
	}
	var st status
	if err := json.Unmarshal(text, &st); err != nil {
		return p, fmt.Errorf("status of agent %s: %w", p.AgentID, err)
	}
	p.Status = st.decode()
	return p, nil
}

// Shared implements [fleet.Cluster].
func (s *Store) Shared() bool { return true }

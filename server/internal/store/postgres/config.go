package postgres

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"sonde.dev/sonde/server/internal/fleet"
)

const revisionColumns = "number, created_at, author, message, rollback_of, plan, rollout_state, rollout_step, rollout_reason"

// CreateRevision implements [fleet.Store].
func (s *Store) CreateRevision(ctx context.Context, base uint64, ended fleet.Rollout, r fleet.Revision, c fleet.FleetConfig) error {
	plan, err := json.Marshal(r.Plan)
	if err != nil {
		return fmt.Errorf("encoding a plan: %w", err)
	}
	config, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding a configuration: %w", err)
	}
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lock(ctx, tx, lockRevisions); err != nil {
			return err
		}
		var newest uint64
		if err := tx.QueryRow(ctx, "SELECT coalesce(max(number), 0) FROM config_revisions").Scan(&newest); err != nil {
			return err
		}
		if newest != base {
			return fleet.StaleBase(base, newest)
		}
		_, err := tx.Exec(ctx, `
			UPDATE config_revisions SET rollout_state = $1, rollout_step = $2, rollout_reason = $3
			WHERE number = $4 AND rollout_state = 'running'`,
			string(ended.State), ended.Step, text(ended.Reason), base)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO config_revisions ("+revisionColumns+", config) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
			r.Number, moment(r.CreatedAt), text(r.Author), text(r.Message), r.RollbackOf, string(plan),
			string(r.Rollout.State), r.Rollout.Step, text(r.Rollout.Reason), string(config))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM config_revisions WHERE number <= $1", int64(r.Number)-fleet.MaxRevisions)
		if err != nil {
			return err
		}
		return s.notify(ctx, tx, fleet.ConfigChanged, "", 0)
	})
}

// MoveRollout implements [fleet.Store].
func (s *Store) MoveRollout(ctx context.Context, number uint64, r fleet.Rollout) error {
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var state string
		var step uint32
		err := tx.QueryRow(ctx, "SELECT rollout_state, rollout_step FROM config_revisions WHERE number = $1 FOR UPDATE", int64(number)).
			Scan(&state, &step)
		if errors.Is(err, pgx.ErrNoRows) {
			return noRevision(number)
		}
		if err != nil {
			return err
		}
		if fleet.RolloutState(state) != fleet.RolloutRunning || step > r.Step {
			return fleet.RolloutMoved(number)
		}
		_, err = tx.Exec(ctx, "UPDATE config_revisions SET rollout_state = $1, rollout_step = $2, rollout_reason = $3 WHERE number = $4",
			string(r.State), r.Step, text(r.Reason), int64(number))
		if err != nil {
			return err
		}
		return s.notify(ctx, tx, fleet.ConfigChanged, "", 0)
	})
}

func noRevision(number uint64) error {
	if number == 0 {
		return fleet.Errorf(fleet.NotFound, "there is no revision yet")
	}
	return fleet.Errorf(fleet.NotFound, "there is no revision %d", number)
}

// Revision implements [fleet.Store].
func (s *Store) Revision(ctx context.Context, number uint64) (r fleet.Revision, c fleet.FleetConfig, err error) {
	where := "WHERE number = $1"
	if number == 0 {
		where = "WHERE $1 = 0::bigint ORDER BY number DESC LIMIT 1"
	}
	err = s.read(ctx, func(ctx context.Context) error {
		var config []byte
		var err error
		r, err = scanRevision(s.pool.QueryRow(ctx, "SELECT "+revisionColumns+", config FROM config_revisions "+where, int64(number)), &config)
		if errors.Is(err, pgx.ErrNoRows) {
			return noRevision(number)
		}
		if err != nil {
			return err
		}
		c = fleet.FleetConfig{}
		if err := json.Unmarshal(config, &c); err != nil {
			return fmt.Errorf("configuration of revision %d: %w", r.Number, err)
		}
		return nil
	})
	if err != nil {
		return fleet.Revision{}, fleet.FleetConfig{}, err
	}
	return r, c, nil
}

// Revisions implements [fleet.Store].
func (s *Store) Revisions(ctx context.Context, before uint64, limit int) ([]fleet.Revision, error) {
	if before == 0 || before > math.MaxInt64 {
		before = math.MaxInt64
	}
	return list(ctx, s, func(row pgx.Row) (fleet.Revision, error) { return scanRevision(row) },
		"SELECT "+revisionColumns+" FROM config_revisions WHERE number < $1 ORDER BY number DESC LIMIT $2", int64(before), limit)
}

// scanRevision reads a row of revisionColumns, and what comes behind them.
func scanRevision(row pgx.Row, behind ...any) (fleet.Revision, error) {
	var (
		r         fleet.Revision
		createdAt *time.Time
		plan      []byte
	)
	err := row.Scan(append([]any{
		&r.Number, &createdAt, &r.Author, &r.Message, &r.RollbackOf, &plan,
		(*string)(&r.Rollout.State), &r.Rollout.Step, &r.Rollout.Reason,
	}, behind...)...)
	if err != nil {
		return fleet.Revision{}, err
	}
	r.CreatedAt = fromMoment(createdAt)
	if err := json.Unmarshal(plan, &r.Plan); err != nil {
		return fleet.Revision{}, fmt.Errorf("plan of revision %d: %w", r.Number, err)
	}
	return r, nil
}

// PutConfigStatuses implements [fleet.Store].
func (s *Store) PutConfigStatuses(ctx context.Context, statuses []fleet.ConfigStatus) error {
	// In one order, so that servers do not wait for each other in a circle.
	statuses = slices.SortedStableFunc(slices.Values(statuses), func(a, b fleet.ConfigStatus) int { return cmp.Compare(a.AgentID, b.AgentID) })
	faults := make([]string, len(statuses))
	for i, c := range statuses {
		faults[i] = "[]"
		if len(c.Errors) > 0 {
			encoded, err := json.Marshal(c.Errors)
			if err != nil {
				return fmt.Errorf("encoding errors of agent %s: %w", c.AgentID, err)
			}
			faults[i] = string(encoded)
		}
	}
	queue := func(b *pgx.Batch, c fleet.ConfigStatus, faults string) {
		// The rows of the agent and of its session are locked first: neither a
		// removal nor a session that begins comes in between.
		b.Queue("SELECT 1 FROM agents WHERE id = $1 FOR KEY SHARE", text(c.AgentID))
		b.Queue("SELECT 1 FROM agent_sessions WHERE agent_id = $1 FOR SHARE", text(c.AgentID))
		b.Queue(`
			INSERT INTO agent_config_state AS old (agent_id, revision, desired_hash, in_force_hash, state, errors, changed_at)
			SELECT id, $2, $3, $4, $5, $6, $7 FROM agents WHERE id = $1
			ON CONFLICT (agent_id) DO UPDATE SET revision = excluded.revision, desired_hash = excluded.desired_hash,
				in_force_hash = excluded.in_force_hash, state = excluded.state, errors = excluded.errors,
				changed_at = excluded.changed_at
			WHERE excluded.revision > old.revision OR excluded.revision = old.revision AND NOT EXISTS (
				SELECT 1 FROM agent_sessions WHERE agent_id = $1 AND server_id <> $8)`,
			text(c.AgentID), c.Revision, hash(c.Desired), hash(c.InForce), string(c.State), faults, moment(c.ChangedAt), s.self)
	}
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		err := batch(ctx, tx, func(b *pgx.Batch) {
			for i, c := range statuses {
				queue(b, c, faults[i])
			}
		})
		if err != nil {
			return err
		}
		return s.notify(ctx, tx, fleet.StatusesChanged, "", 0)
	})
}

// hash is how a hash is stored: an integer of PostgreSQL has a sign.
func hash(h uint64) []byte { return binary.BigEndian.AppendUint64(nil, h) }

// ConfigStatuses implements [fleet.Store].
func (s *Store) ConfigStatuses(ctx context.Context) ([]fleet.ConfigStatus, error) {
	return list(ctx, s, scanStatus,
		"SELECT agent_id, revision, desired_hash, in_force_hash, state, errors, changed_at FROM agent_config_state")
}

func scanStatus(row pgx.Row) (fleet.ConfigStatus, error) {
	var (
		c                        fleet.ConfigStatus
		desired, inForce, faults []byte
		changedAt                *time.Time
	)
	if err := row.Scan(&c.AgentID, &c.Revision, &desired, &inForce, (*string)(&c.State), &faults, &changedAt); err != nil {
		return c, err
	}
	if err := json.Unmarshal(faults, &c.Errors); err != nil {
		return c, fmt.Errorf("errors of agent %s: %w", c.AgentID, err)
	}
	c.Desired, c.InForce = binary.BigEndian.Uint64(desired), binary.BigEndian.Uint64(inForce)
	c.ChangedAt = fromMoment(changedAt)
	return c, nil
}

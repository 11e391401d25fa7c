package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

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
	return s.tx(ctx, func(tx *sql.Tx) error {
		var newest uint64
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(number), 0) FROM config_revisions").Scan(&newest); err != nil {
			return err
		}
		if newest != base {
			return fleet.StaleBase(base, newest)
		}
		_, err := tx.ExecContext(ctx, `
			UPDATE config_revisions SET rollout_state = ?, rollout_step = ?, rollout_reason = ?
			WHERE number = ? AND rollout_state = ?`,
			ended.State, ended.Step, ended.Reason, base, fleet.RolloutRunning)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO config_revisions ("+revisionColumns+", config) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			r.Number, millis(r.CreatedAt), r.Author, r.Message, r.RollbackOf, string(plan),
			r.Rollout.State, r.Rollout.Step, r.Rollout.Reason, string(config))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM config_revisions WHERE number <= ?", int64(r.Number)-fleet.MaxRevisions)
		return err
	})
}

// MoveRollout implements [fleet.Store].
func (s *Store) MoveRollout(ctx context.Context, number uint64, r fleet.Rollout) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		var state fleet.RolloutState
		var step uint32
		err := tx.QueryRowContext(ctx, "SELECT rollout_state, rollout_step FROM config_revisions WHERE number = ?", number).Scan(&state, &step)
		if errors.Is(err, sql.ErrNoRows) {
			return noRevision(number)
		}
		if err != nil {
			return err
		}
		if state != fleet.RolloutRunning || step > r.Step {
			return fleet.RolloutMoved(number)
		}
		_, err = tx.ExecContext(ctx, "UPDATE config_revisions SET rollout_state = ?, rollout_step = ?, rollout_reason = ? WHERE number = ?",
			r.State, r.Step, r.Reason, number)
		return err
	})
}

func noRevision(number uint64) error {
	if number == 0 {
		return fleet.Errorf(fleet.NotFound, "there is no revision yet")
	}
	return fleet.Errorf(fleet.NotFound, "there is no revision %d", number)
}

// Revision implements [fleet.Store].
func (s *Store) Revision(ctx context.Context, number uint64) (fleet.Revision, fleet.FleetConfig, error) {
	where := "WHERE number = ?1"
	if number == 0 {
		where = "WHERE ?1 = 0 ORDER BY number DESC LIMIT 1"
	}
	var config []byte
	r, err := scanRevision(s.read.QueryRowContext(ctx, "SELECT "+revisionColumns+", config FROM config_revisions "+where, int64(number)), &config)
	if errors.Is(err, sql.ErrNoRows) {
		return fleet.Revision{}, fleet.FleetConfig{}, noRevision(number)
	}
	if err != nil {
		return fleet.Revision{}, fleet.FleetConfig{}, s.failure(err)
	}
	var c fleet.FleetConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return fleet.Revision{}, fleet.FleetConfig{}, s.failure(fmt.Errorf("configuration of revision %d: %w", r.Number, err))
	}
	return r, c, nil
}

// Revisions implements [fleet.Store].
func (s *Store) Revisions(ctx context.Context, before uint64, limit int) ([]fleet.Revision, error) {
	if before == 0 || before > math.MaxInt64 {
		before = math.MaxInt64
	}
	rows, err := s.read.QueryContext(ctx,
		"SELECT "+revisionColumns+" FROM config_revisions WHERE number < ? ORDER BY number DESC LIMIT ?", int64(before), limit)
	if err != nil {
		return nil, s.failure(err)
	}
	defer rows.Close()
	var revisions []fleet.Revision
	for rows.Next() {
		r, err := scanRevision(rows)
		if err != nil {
			return nil, s.failure(err)
		}
		revisions = append(revisions, r)
	}
	return revisions, s.failure(rows.Err())
}

// scanRevision reads a row of revisionColumns and what is behind them.
func scanRevision(row interface{ Scan(...any) error }, behind ...any) (fleet.Revision, error) {
	var (
		r         fleet.Revision
		createdAt sql.NullInt64
		plan      []byte
	)
	err := row.Scan(append([]any{
		&r.Number, &createdAt, &r.Author, &r.Message, &r.RollbackOf, &plan,
		&r.Rollout.State, &r.Rollout.Step, &r.Rollout.Reason,
	}, behind...)...)
	if err != nil {
		return fleet.Revision{}, err
	}
	r.CreatedAt = fromMillis(createdAt)
	if err := json.Unmarshal(plan, &r.Plan); err != nil {
		return fleet.Revision{}, fmt.Errorf("plan of revision %d: %w", r.Number, err)
	}
	return r, nil
}

// PutConfigStatuses implements [fleet.Store].
func (s *Store) PutConfigStatuses(ctx context.Context, statuses []fleet.ConfigStatus) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, `
			INSERT INTO agent_config_state
				(agent_id, revision, desired_hash, in_force_hash, state, errors, changed_at)
			SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM agents WHERE id = ?1
			ON CONFLICT (agent_id) DO UPDATE SET revision = excluded.revision, desired_hash = excluded.desired_hash,
				in_force_hash = excluded.in_force_hash, state = excluded.state, errors = excluded.errors,
				changed_at = excluded.changed_at
			WHERE excluded.revision >= agent_config_state.revision`)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for _, c := range statuses {
			faults := []byte("[]")
			if len(c.Errors) > 0 {
				if faults, err = json.Marshal(c.Errors); err != nil {
					return fmt.Errorf("encoding errors of agent %s: %w", c.AgentID, err)
				}
			}
			_, err := stmt.ExecContext(ctx, c.AgentID, c.Revision, hash(c.Desired), hash(c.InForce), c.State, string(faults), c.ChangedAt.UnixMilli())
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// hash is how a hash is stored: an integer of SQLite has a sign.
func hash(h uint64) []byte { return binary.BigEndian.AppendUint64(nil, h) }

// ConfigStatuses implements [fleet.Store].
func (s *Store) ConfigStatuses(ctx context.Context) ([]fleet.ConfigStatus, error) {
	rows, err := s.read.QueryContext(ctx,
		"SELECT agent_id, revision, desired_hash, in_force_hash, state, errors, changed_at FROM agent_config_state")
	if err != nil {
		return nil, s.failure(err)
	}
	defer rows.Close()
	var statuses []fleet.ConfigStatus
	for rows.Next() {
		var (
			c                        fleet.ConfigStatus
			desired, inForce, faults []byte
			changedAt                sql.NullInt64
		)
		if err := rows.Scan(&c.AgentID, &c.Revision, &desired, &inForce, &c.State, &faults, &changedAt); err != nil {
			return nil, s.failure(err)
		}
		if err := json.Unmarshal(faults, &c.Errors); err != nil {
			return nil, s.failure(fmt.Errorf("errors of agent %s: %w", c.AgentID, err))
		}
		c.Desired, c.InForce = binary.BigEndian.Uint64(desired), binary.BigEndian.Uint64(inForce)
		c.ChangedAt = fromMillis(changedAt)
		statuses = append(statuses, c)
	}
	return statuses, s.failure(rows.Err())
}

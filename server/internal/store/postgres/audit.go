package postgres

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"sonde.dev/sonde/server/internal/fleet"
)

// AddAuditEntry implements [fleet.Store].
func (s *Store) AddAuditEntry(ctx context.Context, e fleet.AuditEntry) error {
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// One after the other, so that an entry never appears behind one that was
		// read before.
		if err := lock(ctx, tx, lockAudit); err != nil {
			return err
		}
		var id int64
		err := tx.QueryRow(ctx, `
			INSERT INTO audit_entries (id, time, actor, address, action, target, detail, error_code, request_id)
			SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8 FROM audit_entries RETURNING id`,
			moment(e.Time), text(e.Actor), text(e.Address), text(e.Action), text(e.Target), text(e.Detail), text(e.ErrorCode), text(e.RequestID)).
			Scan(&id)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM audit_entries WHERE id <= $1", id-fleet.MaxAuditEntries)
		return err
	})
}

// AuditEntries implements [fleet.Store].
func (s *Store) AuditEntries(ctx context.Context, before uint64, limit int, search string) ([]fleet.AuditEntry, error) {
	if before == 0 || before > math.MaxInt64 {
		before = math.MaxInt64
	}
	// What separates the texts is in no search of a person. The collation C knows
	// the case of ASCII letters only.
	return list(ctx, s, scanAuditEntry, `
		SELECT id, time, actor, address, action, target, detail, error_code, request_id FROM audit_entries
		WHERE id < $1 AND ($2 = '' OR strpos(
			lower((actor || chr(31) || action || chr(31) || target || chr(31) || detail) COLLATE "C"), lower($2 COLLATE "C")) > 0)
		ORDER BY id DESC LIMIT $3`, int64(before), text(search), limit)
}

func scanAuditEntry(row pgx.Row) (e fleet.AuditEntry, err error) {
	var at *time.Time
	err = row.Scan(&e.ID, &at, &e.Actor, &e.Address, &e.Action, &e.Target, &e.Detail, &e.ErrorCode, &e.RequestID)
	e.Time = fromMoment(at)
	return e, err
}

package sqlite

import (
	"context"
	"database/sql"
	"math"

	"sonde.dev/sonde/server/internal/fleet"
)

// AddAuditEntry implements [fleet.Store].
func (s *Store) AddAuditEntry(ctx context.Context, e fleet.AuditEntry) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			INSERT INTO audit_entries (time, actor, address, action, target, detail, error_code, request_id)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			millis(e.Time), e.Actor, e.Address, e.Action, e.Target, e.Detail, e.ErrorCode, e.RequestID)
		if err != nil {
			return err
		}
		id, err := result.LastInsertId()
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM audit_entries WHERE id <= ?", id-fleet.MaxAuditEntries)
		return err
	})
}

// AuditEntries implements [fleet.Store].
func (s *Store) AuditEntries(ctx context.Context, before uint64, limit int, search string) ([]fleet.AuditEntry, error) {
	if before == 0 || before > math.MaxInt64 {
		before = math.MaxInt64
	}
	// What separates the texts is in no search of a person.
	rows, err := s.read.QueryContext(ctx, `
		SELECT id, time, actor, address, action, target, detail, error_code, request_id FROM audit_entries
		WHERE id < ?1 AND (?2 = '' OR instr(lower(actor || char(31) || action || char(31) || target || char(31) || detail), lower(?2)) > 0)
		ORDER BY id DESC LIMIT ?3`, int64(before), search, limit)
	return collect(s, rows, err, func(row scanner) (e fleet.AuditEntry, err error) {
		var at sql.NullInt64
		err = row.Scan(&e.ID, &at, &e.Actor, &e.Address, &e.Action, &e.Target, &e.Detail, &e.ErrorCode, &e.RequestID)
		e.Time = fromMillis(at)
		return e, err
	})
}

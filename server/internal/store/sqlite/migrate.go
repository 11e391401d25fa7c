package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/store/migration"
)

// applicationID marks a file as ours, in the field of SQLite's header that is
// meant for it: "sond".
const applicationID = 0x736f6e64

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrate brings the schema up to date. Each step is one transaction, together
// with the row that records it: a crash leaves a whole number of steps.
func (s *Store) migrate(ctx context.Context) error {
	steps, err := migration.Steps(migrationFiles)
	if err != nil {
		return err
	}
	if err := s.tx(ctx, s.claim(ctx)); err != nil {
		return err
	}
	for _, step := range steps {
		err := s.tx(ctx, func(tx *sql.Tx) error { return apply(ctx, tx, step) })
		if err != nil {
			return fmt.Errorf("migration %d (%s): %w", step.Version, step.Name, err)
		}
	}
	var version int
	err = s.write.QueryRowContext(ctx, "SELECT max(version) FROM migrations").Scan(&version)
	if err != nil {
		return s.failure(err)
	}
	if known := len(steps); version > known {
		return fleet.Errorf(fleet.State,
			"the database %s has version %d, and this program knows versions up to %d: start the newer program that wrote it, or put a backup from before in its place",
			s.path, version, known)
	}
	return nil
}

// claim makes an empty file ours, and refuses one of somebody else's.
func (s *Store) claim(ctx context.Context) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		var id, objects int
		if err := tx.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
			return err
		}
		if id == applicationID {
			return nil
		}
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&objects); err != nil {
			return err
		}
		if id != 0 || objects != 0 {
			return fleet.Errorf(fleet.State, "the database %s belongs to another program: give the server a data directory of its own", s.path)
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf(`
			PRAGMA application_id = %d;
			CREATE TABLE migrations (
				version    INTEGER NOT NULL PRIMARY KEY,
				name       TEXT NOT NULL,
				applied_at INTEGER NOT NULL
			) STRICT`, applicationID))
		return err
	}
}

func apply(ctx context.Context, tx *sql.Tx, step migration.Step) error {
	var done bool
	err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM migrations WHERE version = ?)", step.Version).Scan(&done)
	if err != nil || done {
		return err
	}
	if _, err := tx.ExecContext(ctx, step.SQL); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO migrations (version, name, applied_at) VALUES (?, ?, ?)",
		step.Version, step.Name, time.Now().UnixMilli())
	return err
}

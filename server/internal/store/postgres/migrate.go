package postgres

import (
	"context"
	"embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/store/migration"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrate brings the schema up to date: all that is missing in one transaction,
// under a lock that the servers that start at once wait for.
func (s *Store) migrate(ctx context.Context) error {
	steps, err := migration.Steps(migrationFiles)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error { return s.apply(ctx, tx, steps) })
}

func (s *Store) apply(ctx context.Context, tx pgx.Tx, steps []migration.Step) error {
	if err := lock(ctx, tx, lockSchema); err != nil {
		return err
	}
	var exists bool
	err := tx.QueryRow(ctx, "SELECT to_regclass('sonde.migrations') IS NOT NULL").Scan(&exists)
	if err != nil {
		return err
	}
	version := 0
	if exists {
		if err := tx.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM migrations").Scan(&version); err != nil {
			return err
		}
	} else {
		_, err := tx.Exec(ctx, `
			CREATE SCHEMA IF NOT EXISTS sonde;
			CREATE TABLE migrations (
				version    integer NOT NULL PRIMARY KEY,
				name       text NOT NULL,
				applied_at timestamptz(3) NOT NULL
			)`)
		if err != nil {
			return err
		}
	}
	if version > len(steps) {
		return fleet.Errorf(fleet.State,
			"the database %s has version %d, and this program knows versions up to %d: start the newer program that wrote it, or put a backup from before in its place",
			s.place, version, len(steps))
	}
	for _, step := range steps[version:] {
		if _, err := tx.Exec(ctx, step.SQL); err != nil {
			return fmt.Errorf("migration %d (%s): %w", step.Version, step.Name, err)
		}
		_, err := tx.Exec(ctx, "INSERT INTO migrations (version, name, applied_at) VALUES ($1, $2, clock_timestamp())", step.Version, step.Name)
		if err != nil {
			return err
		}
	}
	return nil
}

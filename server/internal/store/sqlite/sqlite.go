// Package sqlite keeps the control plane in one SQLite file.
//
// It promises what [fleet.Store] asks for: a write that returned is on the disk
// (WAL mode, synchronous=FULL), one transaction a method, readers that never
// wait for a writer. A file that is damaged, foreign, or written by a newer
// version of the program is refused at [Open], with what to do about it.
//
// It is for one server process. More than one at a time on the same file is
// safe but slow, and nothing tells one of what the other does.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"

	"sonde.dev/sonde/internal/durable"
	"sonde.dev/sonde/server/internal/fleet"
)

const (
	// busyTimeout is how long a statement waits for another process's lock.
	// This process does not compete with itself: it has one writer.
	busyTimeout = 5 * time.Second
	// readers bounds the connections that read at once, each of which has a
	// page cache of about 2 MB.
	readers = 4
)

// Store is a [fleet.Store]. Safe for concurrent use.
type Store struct {
	path string
	// write has one connection, so that writers queue in Go, fairly, and not
	// in SQLite's busy handler.
	write *sql.DB
	read  *sql.DB
}

var _ fleet.Store = (*Store)(nil)

// Open opens the database in a file, creating it (mode 0600) when there is
// none, and brings its schema up to date. The directory must exist.
//
// Errors name the file and what to do, as [fleet.Error]: State for a file that
// is damaged, foreign, or newer than the program; Unavailable for one that
// cannot be reached, is locked, or does not fit on its disk.
func Open(ctx context.Context, path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("finding the working directory: %w", err)
	}
	if err := create(path); err != nil {
		return nil, fleet.Wrapf(fleet.Unavailable, err,
			"the database %s cannot be opened: its directory must exist, and the user that runs the server must be able to write there", path)
	}
	s := &Store{path: path}
	if s.write, err = connect(path, "immediate", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"); err != nil {
		return nil, err
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = connect(path, "deferred", "query_only(1)"); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// create makes an empty file when there is none: SQLite would, but readable by
// everybody, and its errors do not say what the system said.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		f, err = os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return f.Close()
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	// The name must be as durable as the contents.
	return durable.SyncDir(filepath.Dir(path))
}

func connect(path, txlock string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{
		"_txlock":       {txlock},
		"_busy_timeout": {fmt.Sprint(busyTimeout.Milliseconds())},
		"_pragma":       pragmas,
		"_dqs":          {"0"},
		"_defensive":    {"1"},
		"_error_rc":     {"1"},
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, fmt.Errorf("opening the database %s: %w", path, err)
	}
	return sql.OpenDB(connector), nil
}

// prepare checks that the file is whole and ours, and migrates it.
func (s *Store) prepare(ctx context.Context) error {
	var verdict string
	err := s.write.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict)
	if err != nil {
		return s.failure(err)
	}
	if verdict != "ok" {
		return s.damaged(errors.New(verdict))
	}
	return s.migrate(ctx)
}

// Close waits for what is running, and closes the file.
func (s *Store) Close() error {
	// Readers first: the last connection to close folds the log into the file.
	return errors.Join(s.read.Close(), s.write.Close())
}

// tx runs f in a transaction that writes, and makes it durable.
func (s *Store) tx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.failure(err)
	}
	defer tx.Rollback() // does nothing after Commit
	if err := f(tx); err != nil {
		return s.failure(err)
	}
	return s.failure(tx.Commit())
}

// exec runs one statement as its own transaction and says how many rows it
// touched.
func (s *Store) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := s.write.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, s.failure(err)
	}
	n, err := result.RowsAffected()
	return n, s.failure(err)
}

// millis is how a time is stored: NULL for the zero time.
func millis(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: !t.IsZero()}
}

func fromMillis(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMilli(n.Int64).UTC()
}

package sqlite

import (
	"context"
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"sonde.dev/sonde/server/internal/fleet"
)

// failure gives an error of the driver its code and a message that says what to
// do. Errors that have a code already, and those of a context, stay.
func (s *Store) failure(err error) error {
	var coded *fleet.Error
	switch {
	case err == nil,
		errors.As(err, &coded),
		errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded):
		return err
	}
	switch primary(err) {
	case sqlite3.SQLITE_INTERRUPT:
		// Only the end of a context interrupts a statement.
		return errors.Join(context.Canceled, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fleet.Wrapf(fleet.Unavailable, err,
			"the database %s is locked by another process: stop that, and try again", s.path)
	case sqlite3.SQLITE_FULL:
		return fleet.Wrapf(fleet.Unavailable, err,
			"the disk with the database %s is full: make room, and try again", s.path)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fleet.Wrapf(fleet.Unavailable, err,
			"the database %s cannot be written: the user that runs the server must be able to write this file and its directory", s.path)
	case sqlite3.SQLITE_IOERR:
		return fleet.Wrapf(fleet.Unavailable, err,
			"the disk with the database %s has failed or is full: look at the system's log", s.path)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return s.damaged(err)
	}
	return fleet.Wrapf(fleet.Internal, err, "database %s", s.path)
}

func (s *Store) damaged(cause error) error {
	return fleet.Wrapf(fleet.State, cause,
		"the database %s is damaged, or not a database: move it away and put a backup in its place; without a backup the server starts with an empty fleet, and agents must enrol again", s.path)
}

// primary returns SQLite's result code without its extension, 0 for an error
// that is not SQLite's.
func primary(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

func isUniqueViolation(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) &&
		(e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

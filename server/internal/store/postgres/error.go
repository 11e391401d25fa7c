package postgres

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"sonde.dev/sonde/server/internal/fleet"
)

// failure gives an error of the driver its code and a message that says what to
// do. Errors that have a code already, and those of a context, stay.
func (s *Store) failure(err error) error {
	var coded *fleet.Error
	var connect *pgconn.ConnectError
	connecting := errors.As(err, &connect)
	switch {
	case err == nil,
		errors.As(err, &coded),
		errors.Is(err, context.Canceled),
		// That a connection was not made in time is something else.
		errors.Is(err, context.DeadlineExceeded) && !connecting:
		return err
	}
	state := sqlState(err)
	switch class := class(state); {
	case class == "28", state == "3D000":
		return fleet.Wrapf(fleet.Unavailable, err,
			"the database %s does not let the server in: the user, the password or the name of the database in its URL is wrong", s.place)
	case class == "53" && state == "53300":
		return fleet.Wrapf(fleet.Unavailable, err,
			"the database %s has too many connections: raise its max_connections, or set pool_max_conns in the URL", s.place)
	case class == "53", class == "58":
		return fleet.Wrapf(fleet.Unavailable, err,
			"the database %s lacks room or memory, or its disk has failed: look at its log", s.place)
	case state == "25006":
		return fleet.Wrapf(fleet.Unavailable, err,
			"the database %s is a standby that only reads: name the primary in the URL, or all with target_session_attrs=read-write", s.place)
	case state == "42501":
		return fleet.Wrapf(fleet.State, err,
			"the database %s does not let the server make its tables: make its user the owner of the database", s.place)
	case class == "40", state == "55P03", state == "57014", state == "25P03":
		return fleet.Wrapf(fleet.Unavailable, err, "the database %s is busy: try again", s.place)
	case connecting, disconnected(err):
		return fleet.Wrapf(fleet.Unavailable, err,
			"the database %s cannot be reached: see that it runs and that this machine may connect; the server goes on once it can", s.place)
	}
	return fleet.Wrapf(fleet.Internal, err, "database %s", s.place)
}

// sqlState returns PostgreSQL's code of an error, "" for one that is not its.
func sqlState(err error) string {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code
}

func class(state string) string { return state[:min(2, len(state))] }

// lostRace reports whether a transaction was undone for the sake of another.
func lostRace(err error) bool { return class(sqlState(err)) == "40" }

// disconnected reports whether the connection broke or could not be made.
func disconnected(err error) bool {
	state := sqlState(err)
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case state != "":
		// 57P01 to 57P05: the database stops, starts, or ended the session.
		return class(state) == "08" || state > "57P00" && state < "57P06"
	}
	var network net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &network) || pgconn.SafeToRetry(err)
}

func isUniqueViolation(err error) bool { return sqlState(err) == "23505" }

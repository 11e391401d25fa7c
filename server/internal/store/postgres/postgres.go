// Package postgres keeps the control plane in a PostgreSQL database, which many
// servers may share.
//
// It promises what [fleet.Store] and [fleet.Cluster] ask for: a write that
// returned is on the database's disk (synchronous_commit is on, whatever its
// default), each method is one transaction, and what one server changes the
// others hear of in the same instant in which it holds. Rules that span rows are
// kept by locks that transactions of all servers take; a transaction that lost a
// deadlock, or its connection before it was to be made durable, is tried again.
//
// The tables are in a schema of their own, "sonde". Connections that broke are
// made anew when they are needed. It needs sessions: behind a pooler that gives
// each transaction another connection, no server would hear of a change.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"sonde.dev/sonde/server/internal/fleet"
)

const (
	// minVersion is the oldest PostgreSQL, as server_version_num has it.
	minVersion = 15_00_00
	// connections is how many a server uses at most, one more to listen, unless
	// the URL says pool_max_conns.
	connections = 16
	// patience is how long a transaction may take, waiting for a connection and
	// for locks included.
	patience = 20 * time.Second
	// connectTimeout holds unless the URL says connect_timeout.
	connectTimeout = 5 * time.Second
	// tries is how often a transaction is begun that did not get to its end.
	tries = 5
)

// Store is a [fleet.Store] and a [fleet.Cluster]. Safe for concurrent use.
type Store struct {
	pool *pgxpool.Pool
	// self is the server, anew with each start.
	self string
	// place is the database as messages name it: no user, no password.
	place string
	log   *slog.Logger
}

var (
	_ fleet.Store   = (*Store)(nil)
	_ fleet.Cluster = (*Store)(nil)
)

// Check says what is wrong with the URL of a database, without its password.
func Check(text string) error {
	_, _, err := parse(text)
	return err
}

func parse(text string) (*pgxpool.Config, string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		// The error of url.Parse has the password.
		return nil, "", errors.New("is not a URL such as postgres://user@host:5432/database (a password with special characters must be percent-encoded)")
	}
	config, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, "", errors.New(withoutSecrets(err, u))
	}
	c := config.ConnConfig
	if !u.Query().Has("pool_max_conns") {
		config.MaxConns = connections
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	// A machine that vanished is found out within nine seconds, also by who only
	// listens.
	alive := net.KeepAliveConfig{Enable: true, Idle: 3 * time.Second, Interval: 2 * time.Second, Count: 3}
	c.DialFunc = (&net.Dialer{KeepAliveConfig: alive}).DialContext
	for name, value := range map[string]string{
		"application_name":   "sonde",
		"search_path":        "sonde",
		"synchronous_commit": "on",
		// A server that was paused does not keep the others waiting for ever.
		"statement_timeout":                   fmt.Sprint(patience.Milliseconds()),
		"idle_in_transaction_session_timeout": fmt.Sprint(patience.Milliseconds()),
		// The database finds out as soon, not after hours: connections that the server
		// has given up do not count against max_connections.
		"tcp_keepalives_idle":     fmt.Sprint(alive.Idle.Seconds()),
		"tcp_keepalives_interval": fmt.Sprint(alive.Interval.Seconds()),
		"tcp_keepalives_count":    fmt.Sprint(alive.Count),
		"tcp_user_timeout":        fmt.Sprint((alive.Idle + alive.Interval*time.Duration(alive.Count)).Milliseconds()),
	} {
		if name == "application_name" && c.RuntimeParams[name] != "" {
			continue
		}
		c.RuntimeParams[name] = value
	}
	place := url.URL{Scheme: "postgres", Host: fmt.Sprintf("%s:%d", c.Host, c.Port), Path: "/" + c.Database}
	if strings.HasPrefix(c.Host, "/") {
		place.Host, place.Path = "", c.Host+"/"+c.Database
	}
	return config, place.String(), nil
}

// withoutSecrets returns the text of an error about a URL without the password.
func withoutSecrets(err error, u *url.URL) string {
	// The error itself shows the URL, its cause does not.
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) && parse.Unwrap() != nil {
		err = parse.Unwrap()
	}
	text := err.Error()
	password, _ := u.User.Password()
	for _, secret := range []string{password, url.QueryEscape(password), u.Query().Get("password"), u.Query().Get("sslpassword")} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "xxxxx")
		}
	}
	return text
}

// Open connects to the database of a URL and brings its schema up to date.
//
// Errors name the database and what to do, as [fleet.Error]: Invalid for a URL
// that is none; State for a database that is too old, too new, or not in UTF-8;
// Unavailable for one that cannot be reached or does not let the server in.
func Open(ctx context.Context, text string, log *slog.Logger) (*Store, error) {
	config, place, err := parse(text)
	if err != nil {
		return nil, fleet.Errorf(fleet.Invalid, "database: %v", err)
	}
	s := &Store{self: uuid.Must(uuid.NewV7()).String(), place: place, log: log}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, s.failure(err)
	}
	if err := s.prepare(ctx); err != nil {
		s.pool.Close()
		return nil, err
	}
	return s, nil
}

// prepare checks that the database is fit, and migrates it.
func (s *Store) prepare(ctx context.Context) error {
	var version int
	var encoding string
	err := s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')").
			Scan(&version, &encoding)
	})
	switch {
	case err != nil:
		return err
	case version < minVersion:
		return fleet.Errorf(fleet.State, "the database %s is PostgreSQL %d: Sonde needs %d or newer", s.place, version/10_000, minVersion/10_000)
	case encoding != "UTF8":
		return fleet.Errorf(fleet.State, "the database %s is encoded in %s: create it with ENCODING 'UTF8'", s.place, encoding)
	}
	return s.migrate(ctx)
}

// Close waits for what is running, and disconnects.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// read runs f, which reads, again when it lost its connection.
func (s *Store) read(ctx context.Context, f func(context.Context) error) error {
	return s.persist(ctx, func(ctx context.Context) (bool, error) { return false, f(ctx) })
}

// tx runs f in a transaction, and makes it durable. f may run several times.
func (s *Store) tx(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	return s.persist(ctx, func(ctx context.Context) (uncertain bool, err error) {
		tx, err := s.pool.Begin(ctx)
		if err != nil {
			return false, err
		}
		defer tx.Rollback(context.WithoutCancel(ctx)) // does nothing after Commit
		if err := f(ctx, tx); err != nil {
			return false, err
		}
		return true, tx.Commit(ctx)
	})
}

// persist tries again what did not succeed because of others, unless it is
// uncertain whether it did.
func (s *Store) persist(ctx context.Context, try func(context.Context) (uncertain bool, err error)) error {
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for n := 1; ; n++ {
		uncertain, err := try(limited)
		lost := !uncertain && disconnected(err)
		if n < tries && limited.Err() == nil && (lost || lostRace(err)) {
			continue
		}
		if err != nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
			return fleet.Wrapf(fleet.Unavailable, err, "the database %s has not answered for %v: try again", s.place, time.Since(began).Round(time.Second))
		}
		if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			return errors.Join(ctx.Err(), err)
		}
		return s.failure(err)
	}
}

// batch runs the statements that queue queues, anew at each try: a batch has been
// prepared on the connection that it was sent on.
func batch(ctx context.Context, tx pgx.Tx, queue func(*pgx.Batch)) error {
	var b pgx.Batch
	queue(&b)
	return tx.SendBatch(ctx, &b).Close()
}

// exec runs one statement as a transaction and says how many rows it touched.
func (s *Store) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, query, args...)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

// Locks of rules that span rows, held until the end of a transaction. The first
// half of the key is Sonde's, the letters of "sond".
const (
	lockSchema = iota + 1
	lockNames
	lockRevisions
	lockTokens
	lockUsers
	lockAudit
)

func lock(ctx context.Context, tx pgx.Tx, which int32) error {
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(1936682596, $1)", which)
	return err
}

// text is how a string is stored: PostgreSQL has no U+0000 in a text.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// moment is how a time is stored: NULL for the zero time, else milliseconds.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(time.UnixMilli(t.UnixMilli()).UTC())
}

func fromMoment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// optional is how an id or a text that may be missing is stored: NULL for "".
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return new(text(s))
}

func fromOptional(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// room returns a Limit error when a table holds as many rows as it may.
func room(ctx context.Context, tx pgx.Tx, table, what string, most int) error {
	var count int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&count); err != nil {
		return err
	}
	if count >= most {
		return fleet.Errorf(fleet.Limit, "there are %d %s, which is the most: remove some", count, what)
	}
	return nil
}

// one reads one row; missing is the error when there is none.
func one[T any](ctx context.Context, s *Store, missing error, scan func(pgx.Row) (T, error), query string, arg any) (v T, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		var err error
		v, err = scan(s.pool.QueryRow(ctx, query, arg))
		if errors.Is(err, pgx.ErrNoRows) {
			return missing
		}
		return err
	})
	return v, err
}

// list reads all rows of a query.
func list[T any](ctx context.Context, s *Store, scan func(pgx.Row) (T, error), query string, args ...any) (all []T, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (T, error) { return scan(row) })
		return err
	})
	return all, err
}

// must runs one statement as a transaction; missing is the error when it touches
// no row.
func (s *Store) must(ctx context.Context, missing error, query string, args ...any) error {
	n, err := s.exec(ctx, query, args...)
	if err == nil && n == 0 {
		return missing
	}
	return err
}

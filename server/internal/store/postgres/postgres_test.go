package postgres

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"sonde.dev/sonde/internal/postgrestest"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/store/migration"
	"sonde.dev/sonde/server/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, database string) *Store {
	t.Helper()
	s, err := Open(t.Context(), database, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	cluster := postgrestest.Start(t)
	storetest.Run(t, func(t *testing.T) fleet.Store { return open(t, cluster.Database(t)) })
}

// Every rule must also hold between servers, each with a pool of its own.
func TestTwoServers(t *testing.T) {
	cluster := postgrestest.Start(t)
	storetest.Run(t, func(t *testing.T) fleet.Store {
		database := cluster.Database(t)
		return &turns{Store: open(t, database), other: open(t, database)}
	})
}

func TestCluster(t *testing.T) {
	cluster := postgrestest.Start(t)
	storetest.RunCluster(t, func(t *testing.T) (a, b storetest.Server) {
		database := cluster.Database(t)
		return open(t, database), open(t, database)
	})
}

var anyone = fleet.JoinToken{Name: "any", Secret: fleet.Hash{1}, CreatedAt: time.UnixMilli(1), UsesLeft: -1}

func enroll(t testing.TB, s *Store, id string) error {
	t.Helper()
	if err := s.PutJoinToken(t.Context(), anyone); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.EnrollAgent(t.Context(), anyone.Secret, fleet.Agent{ID: id, Name: id, EnrolledAt: time.UnixMilli(1)}, fleet.Hash{2, 31: byte(len(id))})
	return err
}

// Servers that start at once on an empty database all start, and make it once.
func TestOpenAtOnce(t *testing.T) {
	database := postgrestest.Start(t).Database(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := Open(t.Context(), database, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
	s := open(t, database)
	var n int
	if err := s.pool.QueryRow(t.Context(), "SELECT count(*) FROM migrations").Scan(&n); err != nil {
		t.Fatal(err)
	}
	steps, err := migration.Steps(migrationFiles)
	files, ferr := fs.Glob(migrationFiles, "migrations/*")
	if err := errors.Join(err, ferr); err != nil || n != len(steps) || n != len(files) {
		t.Errorf("%d steps done, there are %d in %d files (%v)", n, len(steps), len(files), err)
	}
}

// A step that fails leaves nothing of itself or of those before it.
func TestMigrationIsAtomic(t *testing.T) {
	s := open(t, postgrestest.Start(t).Database(t))
	steps, err := migration.Steps(migrationFiles)
	if err != nil {
		t.Fatal(err)
	}
	n := len(steps)
	steps = append(steps,
		migration.Step{Version: n + 1, Name: "fine", SQL: "CREATE TABLE half (x int)"},
		migration.Step{Version: n + 2, Name: "broken", SQL: "INSERT INTO nowhere VALUES (1)"})
	err = s.tx(t.Context(), func(ctx context.Context, tx pgx.Tx) error { return s.apply(ctx, tx, steps) })
	if err == nil {
		t.Fatal("a broken step was applied")
	}
	var left bool
	err = s.pool.QueryRow(t.Context(), "SELECT to_regclass('half') IS NOT NULL OR EXISTS (SELECT 1 FROM migrations WHERE version > $1)", n).Scan(&left)
	if err != nil || left {
		t.Errorf("traces of the broken step are left (%v)", err)
	}
}

func TestRefused(t *testing.T) {
	cluster := postgrestest.Start(t)
	cluster.Exec(t, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
	cluster.Exec(t, "CREATE USER guest PASSWORD 'guest'")
	newer := cluster.Database(t)
	if _, err := open(t, newer).pool.Exec(t.Context(), "INSERT INTO migrations VALUES (1000, 'later', now())"); err != nil {
		t.Fatal(err)
	}
	good, err := url.Parse(cluster.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(u *url.URL)) string {
		u := *good
		change(&u)
		return u.String()
	}
	for name, test := range map[string]struct {
		url  string
		code fleet.Code
		text string
	}{
		"password":         {with(func(u *url.URL) { u.User = url.UserPassword("sonde", "s3cret") }), fleet.Unavailable, "password"},
		"no such database": {with(func(u *url.URL) { u.Path = "/nowhere" }), fleet.Unavailable, "the name of the database"},
		"nobody there":     {with(func(u *url.URL) { u.Host = "127.0.0.1:1" }), fleet.Unavailable, "cannot be reached"},
		"silent":           {with(func(u *url.URL) { u.Host, u.RawQuery = mute(t), "sslmode=disable&connect_timeout=1" }), fleet.Unavailable, "cannot be reached"},
		"no TLS there":     {with(func(u *url.URL) { u.RawQuery = "sslmode=require" }), fleet.Unavailable, "cannot be reached"},
		"encoding":         {with(func(u *url.URL) { u.Path = "/latin" }), fleet.State, "encoded in LATIN1"},
		"may make nothing": {with(func(u *url.URL) { u.User = url.UserPassword("guest", "guest") }), fleet.State, "owner"},
		"newer":            {newer, fleet.State, "has version 1000, and this program knows versions up to"},
		"no URL":           {"host=127.0.0.1 password=s3cret", fleet.Invalid, "is not a URL"},
		"broken URL":       {"postgres://u:s3cret%@h/d", fleet.Invalid, "is not a URL"},
		"broken option":    {with(func(u *url.URL) { u.RawQuery = "sslmode=s3cret&password=s3cret" }), fleet.Invalid, "sslmode"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.Context(), test.url, slog.New(slog.DiscardHandler))
			if err == nil {
				s.Close()
				t.Fatal("was opened")
			}
			var e *fleet.Error
			if !errors.As(err, &e) || e.Code != test.code || !strings.Contains(e.Message, test.text) {
				t.Fatalf("got %v, want %v with %q", err, test.code, test.text)
			}
			for _, secret := range []string{"s3cret", cluster.Password(), url.QueryEscape(cluster.Password())} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the password is in %v", err)
				}
			}
		})
	}
}

// mute returns the address of a listener that says nothing.
func mute(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestStandby(t *testing.T) {
	cluster := postgrestest.Start(t)
	s := open(t, cluster.Database(t))
	cluster.Exec(t, "ALTER DATABASE test_1 SET default_transaction_read_only = on")
	s.pool.Reset()
	err := s.PutJoinToken(t.Context(), anyone)
	if fleet.ErrorCode(err) != fleet.Unavailable || !strings.Contains(err.Error(), "only reads") {
		t.Errorf("got %v", err)
	}
}

func TestTooManyConnections(t *testing.T) {
	cluster := postgrestest.Start(t)
	cluster.Exec(t, "CREATE USER narrow PASSWORD 'narrow' CONNECTION LIMIT 1")
	database := cluster.Database(t)
	cluster.Exec(t, "ALTER DATABASE test_1 OWNER TO narrow")
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("narrow", "narrow")
	s := open(t, u.String())
	held, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = s.PutJoinToken(t.Context(), anyone)
	if fleet.ErrorCode(err) != fleet.Unavailable || !strings.Contains(err.Error(), "too many connections") {
		t.Errorf("got %v", err)
	}
	held.Release()
	if err := s.PutJoinToken(t.Context(), anyone); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// While PostgreSQL is away everything is Unavailable; once it is back the same
// store goes on.
func TestRestart(t *testing.T) {
	cluster := postgrestest.Start(t)
	s := open(t, cluster.Database(t))
	if err := enroll(t, s, "before"); err != nil {
		t.Fatal(err)
	}
	cluster.Stop(t)
	if _, err := s.Agent(t.Context(), "before"); fleet.ErrorCode(err) != fleet.Unavailable {
		t.Errorf("reading: %v", err)
	}
	if err := s.PutJoinToken(t.Context(), anyone); fleet.ErrorCode(err) != fleet.Unavailable {
		t.Errorf("writing: %v", err)
	}
	cluster.Start(t)
	if _, err := s.Agent(t.Context(), "before"); err != nil {
		t.Error(err)
	}
	if err := enroll(t, s, "afterwards"); err != nil {
		t.Error(err)
	}
}

// Connections that the database ended cost nobody an error.
func TestConnectionsEnded(t *testing.T) {
	cluster := postgrestest.Start(t)
	s := open(t, cluster.Database(t))
	for range 3 {
		if err := s.PutJoinToken(t.Context(), anyone); err != nil {
			t.Fatal(err)
		}
		cluster.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'test_1'")
	}
}

// A batch of statements whose connection broke while they ran is sent again.
func TestConnectionEndedWithinABatch(t *testing.T) {
	cluster := postgrestest.Start(t)
	s := open(t, cluster.Database(t))
	if err := enroll(t, s, "seen"); err != nil {
		t.Fatal(err)
	}
	_, err := s.pool.Exec(t.Context(), `
		CREATE SEQUENCE tries;
		CREATE FUNCTION break_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('tries') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER break_once BEFORE UPDATE ON agents FOR EACH ROW EXECUTE FUNCTION break_once()`)
	if err != nil {
		t.Fatal(err)
	}
	at := time.UnixMilli(1_700_000_000_000).UTC()
	if err := s.SeeAgents(t.Context(), []fleet.Sighting{{AgentID: "seen", At: at}}); err != nil {
		t.Fatal(err)
	}
	if a, err := s.Agent(t.Context(), "seen"); err != nil || !a.LastSeenAt.Equal(at) {
		t.Errorf("%v, %v", a.LastSeenAt, err)
	}
}

func TestMaxAgents(t *testing.T) {
	s := open(t, postgrestest.Start(t).Database(t))
	_, err := s.pool.Exec(t.Context(), `
		INSERT INTO agents (id, name, labels, host, credential, enrolled_at)
		SELECT 'id-' || i, 'host-' || i, '{}', '{}', sha256(i::text::bytea), now() FROM generate_series(1, $1) AS i`, fleet.MaxAgents-1)
	if err != nil {
		t.Fatal(err)
	}
	if err := enroll(t, s, "last"); err != nil {
		t.Fatal(err)
	}
	if err := enroll(t, s, "one-more"); fleet.ErrorCode(err) != fleet.Limit {
		t.Errorf("got %v, want the limit", err)
	}
}

// Nothing that is logged has the password.
func TestPasswordIsNotLogged(t *testing.T) {
	cluster := postgrestest.Start(t)
	var out bytes.Buffer
	s, err := Open(t.Context(), cluster.Database(t), slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cluster.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Listen(ctx, func(fleet.Notice) {}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "cannot be reached") || strings.Contains(text, cluster.Password()) || strings.Contains(text, "pass%") {
		t.Errorf("logged: %s", text)
	}
}

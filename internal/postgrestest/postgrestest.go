// Package postgrestest runs a PostgreSQL for tests: a real one, in a folder of
// its own, on a free port of loopback, gone when the test ends.
//
// It is as strict as a real one where a test could be fooled: passwords are
// asked for, and the default collation is not that of bytes. It does not sync to
// the disk, which no test needs.
package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser = "sonde"
	password  = "pass/word?of:te@sts"
)

// Cluster is one running PostgreSQL.
type Cluster struct {
	dir, bin   string
	port       int
	credential *syscall.Credential // nil for that of the test
	databases  int
	place      Place

	postmaster *exec.Cmd // nil while it is stopped
	log        bytes.Buffer
}

// Place is where a PostgreSQL runs, if not beside the test.
type Place struct {
	// Addresses are those on which it listens. The test must reach the first.
	Addresses []string
	// Start starts its process, as [exec.Cmd.Start] does.
	Start func(*exec.Cmd) error
}

// Start starts a PostgreSQL and stops it when t ends. Where its programs are not
// installed t is skipped, but not on CI.
func Start(t testing.TB) *Cluster {
	t.Helper()
	return StartAt(t, Place{Addresses: []string{"127.0.0.1"}, Start: (*exec.Cmd).Start})
}

// StartAt is [Start] at a place.
func StartAt(t testing.TB, place Place) *Cluster {
	t.Helper()
	c := &Cluster{bin: programs(t), place: place}
	var err error
	if c.dir, err = os.MkdirTemp("", "sonde-postgres-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(c.dir) })
	c.becomeUser(t)
	secret := filepath.Join(c.dir, "password")
	if err := os.WriteFile(secret, []byte(password), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := c.command("initdb", "--no-sync", "--no-instructions", "--username="+superuser, "--pwfile="+secret,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=und",
		"--pgdata="+c.data()).CombinedOutput()
	if err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	c.port = freePort(t)
	c.letIn(t)
	c.Start(t)
	t.Cleanup(func() { c.Stop(t) })
	return c
}

// programs returns the folder of PostgreSQL's programs.
func programs(t testing.TB) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) > 0 {
		slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
		return filepath.Dir(found[0])
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path)
	}
	const missing = "PostgreSQL is not installed: scripts/deps.sh installs it"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// version is that in the path of a program.
func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// becomeUser has PostgreSQL run as another user than root, as it wants.
func (c *Cluster) becomeUser(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("PostgreSQL does not run as root: %v", err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2, os.Chown(c.dir, uid, gid)); err != nil {
		t.Fatal(err)
	}
	c.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// letIn lets in who is on the networks that it is on, and not only on loopback.
func (c *Cluster) letIn(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(c.data(), "pg_hba.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("host all all samenet scram-sha-256\n")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	// It dies with the test, however that ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.credential, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Start starts a PostgreSQL that Stop has stopped, on the same port. It returns
// once it takes connections.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	c.postmaster = c.command("postgres", "-D", c.data(), "-k", c.dir, "-h", strings.Join(c.place.Addresses, ","), "-p", strconv.Itoa(c.port),
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "shared_buffers=16MB",
		"-c", "max_connections=60", "-c", "logging_collector=off", "-c", "autovacuum=off")
	c.postmaster.Stdout, c.postmaster.Stderr = &c.log, &c.log
	if err := c.place.Start(c.postmaster); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		err := c.admin(func(context.Context, *pgx.Conn) error { return nil })
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.Stop(t)
			t.Fatalf("PostgreSQL does not start: %v\n%s", err, c.log.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Stop ends all connections and stops PostgreSQL; once it is stopped it does
// nothing. It is what PostgreSQL calls a fast shutdown.
func (c *Cluster) Stop(t testing.TB) {
	t.Helper()
	c.end(t, syscall.SIGINT)
}

// Abort is Stop by an immediate shutdown: connections break without a word, and
// the next Start finds out from the log what was committed.
func (c *Cluster) Abort(t testing.TB) {
	t.Helper()
	c.end(t, syscall.SIGQUIT)
}

func (c *Cluster) end(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if c.postmaster == nil {
		return
	}
	c.postmaster.Process.Signal(signal)
	if err := c.postmaster.Wait(); err != nil {
		t.Errorf("PostgreSQL: %v\n%s", err, c.log.String())
	}
	c.postmaster = nil
}

// admin runs f on a connection of the superuser.
func (c *Cluster) admin(f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return f(ctx, conn)
}

// Exec runs a statement as the superuser.
func (c *Cluster) Exec(t testing.TB, query string) {
	t.Helper()
	err := c.admin(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, query)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// Count returns the one number that a query has, read in a database.
func (c *Cluster) Count(t testing.TB, database, query string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// Database makes an empty database and returns its URL.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	c.databases++
	name := fmt.Sprintf("test_%d", c.databases)
	c.Exec(t, "CREATE DATABASE "+name)
	return c.url(name)
}

// As returns the URL of a database for a user of its own, who may do everything.
func (c *Cluster) As(t testing.TB, database, name string) string {
	t.Helper()
	c.Exec(t, fmt.Sprintf("CREATE USER %s SUPERUSER PASSWORD '%s'", name, password))
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(name, password)
	return u.String()
}

// Shut ends the connections of a user and lets it in no more.
func (c *Cluster) Shut(t testing.TB, name string) {
	t.Helper()
	c.Exec(t, fmt.Sprintf("ALTER USER %s NOLOGIN", name))
	c.Exec(t, fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '%s'", name))
}

// url has the password.
func (c *Cluster) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, password), Host: fmt.Sprintf("%s:%d", c.place.Addresses[0], c.port), Path: "/" + database}
	return u.String()
}

// Password is that of the URLs, which nothing may log.
func (c *Cluster) Password() string { return password }

package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/store/migration"
	"sonde.dev/sonde/server/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) fleet.Store { return open(t, filepath.Join(t.TempDir(), "fleet.db")) })
}

var anyone = fleet.JoinToken{Name: "any", Secret: fleet.Hash{1}, CreatedAt: time.UnixMilli(1), UsesLeft: -1}

func enroll(t testing.TB, s *Store, id string) error {
	t.Helper()
	if err := s.PutJoinToken(t.Context(), anyone); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.EnrollAgent(t.Context(), anyone.Secret, fleet.Agent{ID: id, Name: id, EnrolledAt: time.UnixMilli(1)}, fleet.Hash{2})
	return err
}

// A path may hold what means something in a URI.
func TestOpenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a ?b#c%20&d=e'.db")
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := enroll(t, s, "a"); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s is %v, want 0600", info.Name(), info.Mode())
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, path).Agent(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// Every connection of the pools must have the settings, not only the first.
func TestSettings(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "fleet.db"))
	check := func(db *sql.DB, pragma, want string) {
		t.Helper()
		var got string
		if err := db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
		}
	}
	check(s.write, "journal_mode", "wal")
	check(s.write, "synchronous", "2")
	check(s.write, "foreign_keys", "1")
	check(s.write, "busy_timeout", "5000")
	check(s.read, "query_only", "1")
	check(s.read, "busy_timeout", "5000")
}

func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		make func(t *testing.T, path string)
		code fleet.Code
		text string
	}{
		"no directory": {
			make: func(t *testing.T, path string) {
				if err := os.Remove(filepath.Dir(path)); err != nil {
					t.Fatal(err)
				}
			},
			code: fleet.Unavailable, text: "directory must exist",
		},
		"directory not writable": {
			make: func(t *testing.T, path string) {
				if os.Geteuid() == 0 {
					t.Skip("root may write everywhere")
				}
				if err := os.Chmod(filepath.Dir(path), 0o500); err != nil {
					t.Fatal(err)
				}
			},
			code: fleet.Unavailable, text: "must be able to write there",
		},
		"a directory": {
			make: func(t *testing.T, path string) {
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			},
			code: fleet.Unavailable, text: "cannot be opened",
		},
		"not a database": {
			make: func(t *testing.T, path string) { write(t, path, bytes.Repeat([]byte("no database "), 1000)) },
			code: fleet.State, text: "damaged",
		},
		"torn": {
			make: func(t *testing.T, path string) {
				b := database(t, path)
				write(t, path, b[:len(b)/2])
			},
			code: fleet.State, text: "damaged",
		},
		"overwritten": {
			make: func(t *testing.T, path string) {
				b := database(t, path)
				copy(b[len(b)/2:], bytes.Repeat([]byte{0xa5}, 8192))
				write(t, path, b)
			},
			code: fleet.State, text: "damaged",
		},
		"newer": {
			make: func(t *testing.T, path string) {
				s := open(t, path)
				if _, err := s.write.Exec("INSERT INTO migrations (version, name, applied_at) VALUES (1000, 'later', 0)"); err != nil {
					t.Fatal(err)
				}
			},
			code: fleet.State, text: "has version 1000, and this program knows versions up to",
		},
		"foreign": {
			make: func(t *testing.T, path string) {
				db, err := sql.Open("sqlite", path)
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				if _, err := db.Exec("CREATE TABLE bookmarks (url TEXT)"); err != nil {
					t.Fatal(err)
				}
			},
			code: fleet.State, text: "belongs to another program",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "fleet.db")
			test.make(t, path)
			s, err := Open(t.Context(), path)
			if err == nil {
				s.Close()
				t.Fatal("was opened")
			}
			wantFailure(t, err, test.code, path, test.text)
		})
	}
}

// wantFailure wants a message that names the file.
func wantFailure(t *testing.T, err error, code fleet.Code, path, text string) {
	t.Helper()
	var e *fleet.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v has no code", err)
	}
	if e.Code != code || !strings.Contains(e.Message, path) || !strings.Contains(e.Message, text) {
		t.Errorf("got %v: %s\nwant %v with %q and the path", e.Code, e.Message, code, text)
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// database returns the bytes of a file with agents in it.
func database(t *testing.T, path string) []byte {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 2000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fill stores many agents at once.
func fill(t testing.TB, s *Store, agents int) {
	t.Helper()
	_, err := s.write.Exec(`
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO agents (id, name, labels, host, credential, enrolled_at)
		SELECT 'id-' || i, 'host-' || i, '{}', '{}', randomblob(32), 0 FROM n`, agents)
	if err != nil {
		t.Fatal(err)
	}
}

func TestMaxAgents(t *testing.T) {
	if testing.Short() {
		t.Skip("a hundred thousand rows take a minute under the race detector")
	}
	s := open(t, filepath.Join(t.TempDir(), "fleet.db"))
	fill(t, s, fleet.MaxAgents-1)
	if err := enroll(t, s, "last"); err != nil {
		t.Fatal(err)
	}
	if err := enroll(t, s, "one-more"); fleet.ErrorCode(err) != fleet.Limit {
		t.Errorf("got %v, want the limit", err)
	}
}

func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.db")
	s := open(t, path)
	if err := s.PutJoinToken(t.Context(), anyone); err != nil {
		t.Fatal(err)
	}
	var pages int
	if err := s.write.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := range 1000 {
		a := fleet.Agent{ID: fmt.Sprint(i), Name: fmt.Sprint(i), EnrolledAt: time.UnixMilli(1), Host: fleet.HostFacts{CPUModel: strings.Repeat("x", 256)}}
		if _, _, err = s.EnrollAgent(t.Context(), anyone.Secret, a, fleet.Hash{byte(i), byte(i >> 8), 1}); err != nil {
			break
		}
	}
	wantFailure(t, err, fleet.Unavailable, path, "full")

	if _, err := s.write.Exec("PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	if err := enroll(t, s, "after"); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestLockedByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.db")
	s := open(t, path)
	if _, err := s.write.Exec("PRAGMA busy_timeout = 1"); err != nil {
		t.Fatal(err)
	}
	other := open(t, path)
	tx, err := other.write.Begin()
	if err != nil {
		t.Fatal(err)
	}
	err = s.PutJoinToken(t.Context(), anyone)
	wantFailure(t, err, fleet.Unavailable, path, "locked by another process")
	if _, err := s.Agents(t.Context(), "", 1); err != nil {
		t.Errorf("reading while another writes: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.PutJoinToken(t.Context(), anyone); err != nil {
		t.Errorf("with the lock free again: %v", err)
	}
}

// A step that fails leaves neither half of itself nor a mark that it was done.
func TestMigrationIsAtomic(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "fleet.db"))
	step := migration.Step{Version: 999, Name: "broken", SQL: "CREATE TABLE half (x INTEGER) STRICT; INSERT INTO nowhere VALUES (1)"}
	err := s.tx(t.Context(), func(tx *sql.Tx) error { return apply(t.Context(), tx, step) })
	if err == nil {
		t.Fatal("a broken step was applied")
	}
	var n int
	err = s.write.QueryRow("SELECT (SELECT count(*) FROM sqlite_schema WHERE name = 'half') + (SELECT count(*) FROM migrations WHERE version = 999)").Scan(&n)
	if err != nil || n != 0 {
		t.Errorf("%d traces of the broken step are left (%v)", n, err)
	}
}

func TestMigrationsAreNumbered(t *testing.T) {
	steps, err := migration.Steps(migrationFiles)
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(migrationFiles, "migrations/*")
	if err != nil || len(files) != len(steps) {
		t.Errorf("%d files, %d steps (%v)", len(files), len(steps), err)
	}
}

func BenchmarkEnroll(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "fleet.db"))
	if err := s.PutJoinToken(b.Context(), anyone); err != nil {
		b.Fatal(err)
	}
	fill(b, s, 10_000)
	i := 0
	for b.Loop() {
		i++
		a := fleet.Agent{ID: fmt.Sprint(i), Name: fmt.Sprint(i), EnrolledAt: time.UnixMilli(1)}
		if _, _, err := s.EnrollAgent(b.Context(), anyone.Secret, a, fleet.Hash{byte(i), byte(i >> 8), byte(i >> 16), 1}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAgents10k(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "fleet.db"))
	fill(b, s, 10_000)
	for b.Loop() {
		if agents, err := s.Agents(b.Context(), "", 10_000); err != nil || len(agents) != 10_000 {
			b.Fatal(len(agents), err)
		}
	}
}

package server

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

const (
	givenJoinToken  = "sonde_join_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	givenAdminToken = "sonde_api_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// secretFiles writes both secrets into files that are only read, and returns a
// configuration that names them.
func secretFiles(t *testing.T, join, admin string) Config {
	t.Helper()
	dir := t.TempDir()
	c := Config{
		DataDir: filepath.Join(dir, "data"), Listen: "127.0.0.1:0", TLS: TLSOwn, Retention: 24 * time.Hour, MaxSeries: 1000,
		QueryTimeout: 10 * time.Second, QuerySamples: 1e6, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Out: io.Discard,
		JoinTokenFile: filepath.Join(dir, "join"), AdminTokenFile: filepath.Join(dir, "admin"),
	}
	for path, text := range map[string]string{c.JoinTokenFile: join, c.AdminTokenFile: admin} {
		if err := os.WriteFile(path, []byte(text), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestGivenSecrets(t *testing.T) {
	c := secretFiles(t, givenJoinToken+"\n", givenAdminToken)
	s, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	principal, err := s.access.APIToken(t.Context(), fleet.Secret(givenAdminToken))
	if err != nil || principal.Role != fleet.Admin {
		t.Errorf("with the given admin token: %+v, %v", principal, err)
	}
	registrar := fleet.NewRegistrar(s.control, time.Now)
	if _, _, _, err := registrar.Enroll(t.Context(), givenJoinToken, fleet.HostFacts{Hostname: "h"}); err != nil {
		t.Errorf("with the given join token: %v", err)
	}
	// The own authority's fingerprint goes into no file that is given, and no
	// second file is made.
	if text, err := os.ReadFile(c.JoinTokenFile); err != nil || string(text) != givenJoinToken+"\n" {
		t.Errorf("the given file holds %q, %v", text, err)
	}
	for _, name := range []string{joinTokenFile, adminTokenFile} {
		if _, err := os.Stat(filepath.Join(c.DataDir, name)); !os.IsNotExist(err) {
			t.Errorf("%s in the data directory: %v, want none", name, err)
		}
	}
}

func TestGivenSecretsRefused(t *testing.T) {
	for _, test := range []struct{ join, admin, want string }{
		{"", givenAdminToken, "join-token-file: "},
		{givenAdminToken, givenAdminToken, "join-token-file: "},
		{givenJoinToken, "secret", "admin-token-file: "},
		{givenJoinToken, givenJoinToken, "admin-token-file: "},
	} {
		err := secretFiles(t, test.join, test.admin).Check()
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "holds no") {
			t.Errorf("%q and %q: %v, want an error with %q", test.join, test.admin, err, test.want)
		}
	}
	c := secretFiles(t, givenJoinToken, givenAdminToken)
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	c.JoinTokenFile += "-missing"
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "join-token-file: open ") {
		t.Errorf("a missing file: %v", err)
	}
}

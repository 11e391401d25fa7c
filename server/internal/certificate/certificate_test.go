package certificate

import (
	"bytes"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func open(t *testing.T, dir string, now func() time.Time, names ...string) *Authority {
	t.Helper()
	a, err := OpenAuthority(dir, func() []string { return names }, slog.New(slog.DiscardHandler), now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// verify checks the certificate as a client would that trusts the authority.
func verify(a *Authority, name string) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.PEM())
	_, err := a.Certificate().Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: a.now()})
	return err
}

func TestAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	a := open(t, dir, time.Now, "localhost", "127.0.0.1", "::1", "sonde.example")
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "sonde.example"} {
		if err := verify(a, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if verify(a, "other.example") == nil {
		t.Error("the certificate is for other.example too")
	}
	if c := a.Certificate(); len(c.Certificate) != 2 || !bytes.Equal(c.Certificate[1], a.cert.Raw) {
		t.Error("the chain ends without the authority")
	}
	for name, mode := range map[string]os.FileMode{"ca-key.pem": 0o600, "ca.pem": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if again := open(t, dir, time.Now, "localhost"); again.Pin() != a.Pin() {
		t.Error("a second start has another authority")
	}
}

func TestDamagedAuthority(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"no key":  func(dir string) error { return os.Remove(filepath.Join(dir, "ca-key.pem")) },
		"rubbish": func(dir string) error { return os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("x"), 0o600) },
		"another key": func(dir string) error {
			return os.Rename(filepath.Join(dir, "other", "ca-key.pem"), filepath.Join(dir, "ca-key.pem"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			open(t, dir, time.Now, "localhost")
			open(t, filepath.Join(dir, "other"), time.Now, "localhost")
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			_, err := OpenAuthority(dir, func() []string { return nil }, slog.New(slog.DiscardHandler), time.Now)
			if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "make a new authority") {
				t.Errorf("got %v", err)
			}
		})
	}
	// A key alone is what a crash leaves of a first start.
	dir := t.TempDir()
	open(t, dir, time.Now, "localhost")
	if err := os.Remove(filepath.Join(dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	open(t, dir, time.Now, "localhost")
}

func TestRenewal(t *testing.T) {
	now := time.Now()
	names := []string{"localhost"}
	a, err := OpenAuthority(t.TempDir(), func() []string { return names }, slog.New(slog.DiscardHandler), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	first := a.Certificate()
	if a.renew(); a.Certificate() != first {
		t.Error("renewed at once")
	}
	names = []string{"localhost", "new.example"}
	a.renew()
	if err := verify(a, "new.example"); err != nil {
		t.Errorf("a new name: %v", err)
	}
	second := a.Certificate()
	now = now.Add(leafLifetime - renewBefore + time.Second)
	if a.renew(); a.Certificate() == second {
		t.Error("not renewed before its end")
	}
	if err := verify(a, "localhost"); err != nil {
		t.Error(err)
	}
}

// write puts a certificate of a new authority into two files.
func write(t *testing.T, cert, key string) *Authority {
	t.Helper()
	a := open(t, t.TempDir(), time.Now, "localhost")
	// The authority's own will do: it is a pair.
	for from, to := range map[string]string{"ca.pem": cert, "ca-key.pem": key} {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(a.Path()), from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func TestFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	first := write(t, cert, key)
	var log bytes.Buffer
	f, err := Open(cert, key, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	shows := func(a *Authority, what string) {
		t.Helper()
		if !bytes.Equal(f.Certificate().Certificate[0], a.cert.Raw) {
			t.Errorf("%s: another certificate is shown\n%s", what, log.String())
		}
	}
	f.look()
	shows(first, "nothing changed")
	if log.Len() > 0 {
		t.Errorf("logged without a reason: %s", log.String())
	}

	// A certificate without its key, as between two renames, takes no place.
	other := filepath.Join(dir, "other.pem")
	second := write(t, other, filepath.Join(dir, "other-key.pem"))
	if err := os.Rename(other, cert); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.look()
	}
	shows(first, "half of a new one")
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("complained %d times:\n%s", n, log.String())
	}
	if err := os.Rename(filepath.Join(dir, "other-key.pem"), key); err != nil {
		t.Fatal(err)
	}
	f.look()
	shows(second, "a new one")

	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.look()
	}
	shows(second, "no file")
	if n := strings.Count(log.String(), "cannot be used"); n != 2 {
		t.Errorf("complained %d times:\n%s", n, log.String())
	}
}

func TestRunLooks(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, cert, key)
	synctest.Test(t, func(t *testing.T) {
		f, err := Open(cert, key, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		go f.Run(t.Context())
		second := write(t, cert, key)
		time.Sleep(pollInterval + 1)
		synctest.Wait()
		if !bytes.Equal(f.Certificate().Certificate[0], second.cert.Raw) {
			t.Error("the new certificate is not shown")
		}
	})
}

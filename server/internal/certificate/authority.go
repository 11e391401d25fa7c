package certificate

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"sonde.dev/sonde/internal/durable"
)

const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime      = 90 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is made anew, and
	// checkInterval how often that is looked at.
	renewBefore   = 30 * 24 * time.Hour
	checkInterval = time.Hour
	// backdated allows for clients whose clock is behind.
	backdated = time.Hour
)

// Authority is the server's own, kept in a folder, with a certificate for the
// server by it.
type Authority struct {
	names   func() []string
	log     *slog.Logger
	now     func() time.Time
	path    string
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	current atomic.Pointer[tls.Certificate]
}

// OpenAuthority reads the authority in dir, or makes it, and has it certify the
// server for names: host names and addresses. Those are asked for again whenever
// the certificate is looked at.
func OpenAuthority(dir string, names func() []string, log *slog.Logger, now func() time.Time) (*Authority, error) {
	a := &Authority{names: names, log: log, now: now, path: filepath.Join(dir, "ca.pem")}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	keyPath := filepath.Join(dir, "ca-key.pem")
	err := a.load(keyPath)
	if errors.Is(err, fs.ErrNotExist) {
		err = a.create(keyPath)
	}
	if err != nil {
		return nil, err
	}
	if left := a.cert.NotAfter.Sub(now()); left < leafLifetime {
		log.Warn("the server's own authority ends soon: remove the folder and start the server to make a new one, and let agents join anew",
			"folder", dir, "until", a.cert.NotAfter)
	}
	return a, a.certify()
}

func (a *Authority) load(keyPath string) error {
	certPEM, err := os.ReadFile(a.path)
	if err != nil {
		return err
	}
	keyPEM, err := os.ReadFile(keyPath)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there and %s is not: put it back, or remove both to make a new authority", a.path, keyPath)
	}
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("%s and %s: %w: put them back from a backup, or remove both to make a new authority", a.path, keyPath, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return fmt.Errorf("%s is not an authority that this server made: remove it and %s to make one", a.path, keyPath)
	}
	a.cert, a.key = pair.Leaf, key
	return nil
}

// create makes the authority. The key first: a crash in between leaves a key that
// nothing was signed with, and the next start makes both anew.
func (a *Authority) create(keyPath string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := a.now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "Sonde server's own authority"},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(authorityLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return err
	}
	if err := durable.WriteFile(a.path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return err
	}
	a.cert, err = x509.ParseCertificate(der)
	a.key = key
	return err
}

// certify makes a certificate of the server.
func (a *Authority) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := a.now()
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: "Sonde server"},
		NotBefore:    now.Add(-backdated),
		NotAfter:     minTime(now.Add(leafLifetime), a.cert.NotAfter),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	names := sorted(a.names())
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("certifying the server for %s: %w", strings.Join(names, ", "), err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	// The authority goes along: who knows only its fingerprint finds it there.
	a.current.Store(&tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf})
	return nil
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

// Certificate implements [Source].
func (a *Authority) Certificate() *tls.Certificate { return a.current.Load() }

// Run implements [Source]: it certifies the server anew before the end of its
// certificate, and when it has got other names.
func (a *Authority) Run(ctx context.Context) {
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.renew()
		}
	}
}

func (a *Authority) renew() {
	leaf := a.current.Load().Leaf
	if a.now().Before(leaf.NotAfter.Add(-renewBefore)) && slices.Equal(certified(leaf), sorted(a.names())) {
		return
	}
	if err := a.certify(); err != nil {
		a.log.Error("the certificate cannot be renewed", "until", leaf.NotAfter, "error", err)
		return
	}
	a.log.Info("the certificate was renewed", "until", a.current.Load().Leaf.NotAfter)
}

// certified returns the names that a certificate is for.
func certified(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return sorted(names)
}

// sorted returns names in order, each once, addresses in their usual form.
func sorted(names []string) []string {
	names = slices.Clone(names)
	for i, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			names[i] = ip.String()
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Pin is the SHA-256 of the authority's certificate, by which an agent knows it.
func (a *Authority) Pin() [sha256.Size]byte { return sha256.Sum256(a.cert.Raw) }

// Fingerprint is Pin as people compare it.
func (a *Authority) Fingerprint() string {
	pin := a.Pin()
	return hex.EncodeToString(pin[:])
}

// Path is the file of the authority's certificate.
func (a *Authority) Path() string { return a.path }

// PEM is the authority's certificate.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

package uplink

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// A join token may name the authority of the server that made it: behind a dot
// stands the SHA-256 of the authority's certificate. Whoever enrols with such a
// token trusts that authority and no other, then and ever after.

// pinOf returns the fingerprint in a join token; ok is false when there is none.
func pinOf(token string) (pin [sha256.Size]byte, ok bool, err error) {
	_, text, ok := strings.Cut(token, ".")
	if !ok {
		return pin, false, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != len(pin) {
		return pin, false, errors.New("the join token is damaged: what stands behind its dot is no fingerprint of an authority; copy it anew")
	}
	return [sha256.Size]byte(b), true, nil
}

// tokenHash names a join token without telling it. The fingerprint is no part of
// it.
func tokenHash(token string) string {
	bare, _, _ := strings.Cut(token, ".")
	sum := sha256.Sum256([]byte(bare))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// mismatchError says that a server is not the one that made a join token.
type mismatchError struct {
	pin   [sha256.Size]byte
	cause error // nil: its authority is another one
}

func (e *mismatchError) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("the server's certificate is not valid by the authority that the join token names: %v", e.cause)
	}
	return fmt.Sprintf("the server's certificate is not by the authority that the join token names (SHA-256 %x): "+
		"either this is another server, or it has a new authority; take a join token from the very server", e.pin)
}

// pinned is a configuration that trusts the authority with a fingerprint, which
// is the last in the chain that the server shows. found gets its certificate.
func pinned(server string, pin [sha256.Size]byte, found func(*x509.Certificate)) (*tls.Config, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		// VerifyConnection does it all: there are no roots to begin with.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			var authority *x509.Certificate
			between := x509.NewCertPool()
			for _, c := range state.PeerCertificates {
				if sha256.Sum256(c.Raw) == pin {
					authority = c
				} else {
					between.AddCert(c)
				}
			}
			if authority == nil {
				return &mismatchError{pin: pin}
			}
			roots := x509.NewCertPool()
			roots.AddCert(authority)
			// The name is that of the address: the state has none for an IP.
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: u.Hostname()})
			if err != nil {
				return &mismatchError{pin: pin, cause: err}
			}
			found(authority)
			return nil
		},
	}, nil
}

// fileRoots trusts the authorities in a PEM file.
func fileRoots(path string) (*tls.Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authority: %w", err)
	}
	config, ok := pemRoots(string(text))
	if !ok {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return config, nil
}

func pemRoots(text string) (*tls.Config, bool) {
	pool := x509.NewCertPool()
	ok := pool.AppendCertsFromPEM([]byte(text))
	return &tls.Config{RootCAs: pool}, ok
}

func pemOf(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

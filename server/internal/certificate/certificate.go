// Package certificate gives the server the certificate that it shows on its port.
//
// It promises that a certificate that is replaced or renewed is shown to the next
// connection, without a restart, that one that cannot be used never takes the
// place of one that can, and that the key of the server's own authority is
// readable by its user only.
//
// It does not talk to anybody: a certificate is given in files, or made here.
package certificate

import (
	"context"
	"crypto/tls"
)

// Source is where the certificate of a connection comes from. Safe for concurrent
// use.
type Source interface {
	// Certificate returns the one to show now.
	Certificate() *tls.Certificate
	// Run keeps it current until ctx ends.
	Run(ctx context.Context)
}

// Config returns how a server shows what a source has: HTTP/2 and HTTP/1.1, TLS
// 1.2 at least.
func Config(s Source) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.Certificate(), nil
		},
	}
}

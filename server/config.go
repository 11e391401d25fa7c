package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"time"

	"sonde.dev/sonde/server/internal/ingest"
)

// TLS modes of [Config.TLS].
const (
	// TLSAuto encrypts when a certificate is given, and else listens on
	// loopback only.
	TLSAuto = "auto"
	// TLSOff listens without encryption wherever it is told to.
	TLSOff = "off"
)

// Config is what a server is told at its start. The names in its errors are
// those of the flags of `sonde server`.
type Config struct {
	// DataDir holds everything that the server keeps.
	DataDir string
	// Listen is host:port; port 0 takes a free one.
	Listen string
	// TLS is TLSAuto or TLSOff.
	TLS string
	// TLSCert and TLSKey are PEM files, both or none.
	TLSCert, TLSKey string
	// PublicURL is what people put before the path of a page; empty: made from
	// Listen.
	PublicURL string
	// Retention is how long samples are kept, RetentionBytes how much room they
	// may take; 0 bytes is no bound.
	Retention      time.Duration
	RetentionBytes int64
	// Metrics says where samples are kept when not in DataDir.
	Metrics MetricsConfig
	// MaxSeries bounds the series of one agent.
	MaxSeries int
	// QueryTimeout and QuerySamples bound one query.
	QueryTimeout time.Duration
	QuerySamples int
	// OIDC lets people sign in by an identity provider.
	OIDC   OIDC
	Logger *slog.Logger
	// Out is where the link to the web application is printed.
	Out io.Writer
}

// Check returns all that is wrong with c and can be seen without opening
// anything.
func (c Config) Check() error {
	var errs []error
	wrong := func(flag, format string, args ...any) {
		errs = append(errs, fmt.Errorf(flag+": "+format, args...))
	}
	if c.DataDir == "" {
		wrong("data-dir", "is empty")
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		wrong("listen", "%q is not host:port", c.Listen)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		wrong("tls-cert", "tls-cert and tls-key are given both or not at all")
	}
	switch {
	case c.TLS != TLSAuto && c.TLS != TLSOff:
		wrong("tls", "%q is neither %s nor %s", c.TLS, TLSAuto, TLSOff)
	case c.TLS == TLSOff && c.TLSCert != "":
		wrong("tls", "is off, and a certificate is given: which one?")
	case c.TLS == TLSAuto && c.TLSCert == "" && err == nil && !loopback(host):
		wrong("listen", "%s can be reached from other machines, and without TLS anybody on the way could read the "+
			"credentials: give --tls-cert and --tls-key, or say --tls=off if something in front of it encrypts", c.Listen)
	}
	if c.TLSCert != "" && c.TLSKey != "" {
		if _, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey); err != nil {
			wrong("tls-cert", "%w", err)
		}
	}
	if c.PublicURL != "" {
		if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			wrong("public-url", "%q is not a URL such as https://sonde.example", c.PublicURL)
		}
	}
	if c.Retention < 2*time.Hour {
		wrong("retention", "%v is shorter than 2h, the smallest unit in which samples are deleted", c.Retention)
	}
	if c.RetentionBytes < 0 {
		wrong("retention-bytes", "%d is negative", c.RetentionBytes)
	}
	if c.MaxSeries < 1 {
		wrong("max-series", "%d is not positive", c.MaxSeries)
	}
	if c.QueryTimeout <= 0 {
		wrong("query-timeout", "%v is not positive", c.QueryTimeout)
	}
	if c.QuerySamples < 1 {
		wrong("query-samples", "%d is not positive", c.QuerySamples)
	}
	c.OIDC.check(wrong)
	return errors.Join(append(errs, c.Metrics.check())...)
}

func (c Config) limits() ingest.Limits {
	limits := ingest.DefaultLimits
	limits.MaxSeries = c.MaxSeries
	return limits
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

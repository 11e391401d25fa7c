package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"sonde.dev/sonde/server/internal/ingest"
	"sonde.dev/sonde/server/internal/series"
	"sonde.dev/sonde/server/internal/store/postgres"
)

// TLS modes of [Config.TLS].
const (
	// TLSAuto encrypts with the certificate that is given, or else, on any address
	// that other machines can reach, with one of the server's own authority.
	TLSAuto = "auto"
	// TLSOwn encrypts with one of the server's own authority on any address.
	TLSOwn = "own"
	// TLSOff listens without encryption wherever it is told to.
	TLSOff = "off"
)

// Config is what a server is told at its start. The names in its errors are
// those of the flags of `sonde server`.
type Config struct {
	// DataDir holds everything that the server keeps by itself.
	DataDir string
	// Database is the URL of a PostgreSQL database for the control plane, which
	// servers may share; empty: SQLite in DataDir. DatabaseFile is a file that
	// holds it instead.
	Database, DatabaseFile string
	// JoinTokenFile and AdminTokenFile hold the two secrets in place of the files
	// of DataDir; they are only read.
	JoinTokenFile, AdminTokenFile string
	// Listen is host:port; port 0 takes a free one.
	Listen string
	// TLS is TLSAuto, TLSOwn or TLSOff.
	TLS string
	// TLSCert and TLSKey are PEM files, both or none.
	TLSCert, TLSKey string
	// TLSNames are further host names and addresses in a certificate of the
	// server's own authority.
	TLSNames []string
	// PublicURL is what people put before the path of a page; empty: made from
	// Listen.
	PublicURL string
	// TrustedProxies are the addresses and networks of balancers and proxies before
	// the server, which are believed when they say for whom they come.
	TrustedProxies []string
	// WebOrigins are the origins from which the web application may come, beside
	// the server's own: that of a static host, "https://sonde.example".
	WebOrigins []string
	// Retention is how long samples are kept, RetentionBytes how much room they
	// may take; 0 bytes is no bound.
	Retention      time.Duration
	RetentionBytes int64
	// RetentionMinutes and RetentionHours are how long samples are kept rolled up
	// by the minute and by the hour, never shorter than Retention; 0 is not at all.
	RetentionMinutes, RetentionHours time.Duration
	// Metrics says where samples are kept when not in DataDir.
	Metrics MetricsConfig
	// MaxSeries bounds the series of one agent.
	MaxSeries int
	// QueryTimeout and QuerySamples bound one query.
	QueryTimeout time.Duration
	QuerySamples int
	// CredentialLifetime is how old an agent's credential may grow before the agent
	// gets a new one; 0 for no bound.
	CredentialLifetime time.Duration
	// OIDC lets people sign in by an identity provider.
	OIDC   OIDC
	Logger *slog.Logger
	// Out is where the link to the web application is printed.
	Out io.Writer

	faults faults
}

// faults are what tests break; the zero value is none.
type faults struct {
	// appender wraps the store that batches go to.
	appender func(series.Appender) series.Appender
	// flush is [local.Options.Flush].
	flush func(*os.File) error
}

func (f faults) wrap(store series.Appender) series.Appender {
	if f.appender == nil {
		return store
	}
	return f.appender(store)
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
	if c.Database != "" && c.DatabaseFile != "" {
		wrong("database", "database and database-file are not given both")
	} else if text, err := c.database(); err != nil {
		wrong("database-file", "%w", err)
	} else if text != "" {
		if err := postgres.Check(text); err != nil {
			wrong("database", "%w", err)
		}
	}
	if _, err := c.givenSecrets(); err != nil {
		errs = append(errs, err)
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		wrong("listen", "%q is not host:port", c.Listen)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		wrong("tls-cert", "tls-cert and tls-key are given both or not at all")
	}
	switch {
	case c.TLS != TLSAuto && c.TLS != TLSOwn && c.TLS != TLSOff:
		wrong("tls", "%q is none of %s, %s and %s", c.TLS, TLSAuto, TLSOwn, TLSOff)
	case c.TLS != TLSAuto && c.TLSCert != "":
		wrong("tls", "is %s, and a certificate is given: which one?", c.TLS)
	}
	for _, name := range c.TLSNames {
		if name == "" || strings.ContainsAny(name, " /:") && net.ParseIP(name) == nil {
			wrong("tls-names", "%q is neither a host name nor an address", name)
		}
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
	if _, err := parseProxies(c.TrustedProxies); err != nil {
		wrong("trusted-proxies", "%w", err)
	}
	for _, origin := range c.WebOrigins {
		if err := checkOrigin(origin); err != nil {
			wrong("web-origins", "%w", err)
		}
	}
	if c.Retention < 2*time.Hour {
		wrong("retention", "%v is shorter than 2h, the smallest unit in which samples are deleted", c.Retention)
	}
	if c.RetentionMinutes < 0 {
		wrong("retention-1m", "%v is negative", c.RetentionMinutes)
	}
	if c.RetentionHours < 0 {
		wrong("retention-1h", "%v is negative", c.RetentionHours)
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
	if c.CredentialLifetime != 0 && c.CredentialLifetime < time.Minute {
		wrong("credential-lifetime", "%v is neither 0 nor at least a minute", c.CredentialLifetime)
	}
	c.OIDC.check(wrong)
	return errors.Join(append(errs, c.Metrics.check())...)
}

// checkOrigin returns an error unless browsers would send an origin as it is
// written: they are compared letter by letter.
func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Contains(origin, "*"):
		return fmt.Errorf("%q is not an origin such as https://sonde.example", origin)
	case origin != u.Scheme+"://"+u.Host:
		return fmt.Errorf("%q has more than scheme, host and port: write %s://%s", origin, u.Scheme, u.Host)
	case origin != strings.ToLower(origin):
		return fmt.Errorf("%q has upper-case letters: write %s", origin, strings.ToLower(origin))
	case u.Scheme == "http" && u.Port() == "80" || u.Scheme == "https" && u.Port() == "443":
		return fmt.Errorf("%q names the port that goes without saying: write %s://%s", origin, u.Scheme, strings.TrimSuffix(u.Host, ":"+u.Port()))
	}
	return nil
}

// database returns the URL of the database, empty for none.
func (c Config) database() (string, error) {
	if c.DatabaseFile == "" {
		return c.Database, nil
	}
	return readSecret(c.DatabaseFile, "the URL of a database")
}

// readSecret returns what somebody wrote into a file that must hold what.
func readSecret(file, what string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("%s is empty: it must hold %s", file, what)
	}
	return secret, nil
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

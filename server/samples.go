package server

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"

	"sonde.dev/sonde/server/internal/series"
	"sonde.dev/sonde/server/internal/series/local"
	"sonde.dev/sonde/server/internal/series/remote"
	"sonde.dev/sonde/server/internal/series/rollup"
)

// MetricsConfig says where samples are kept when not in the data directory:
// in a store that takes Prometheus' remote write and answers its query API.
// The zero value is none.
type MetricsConfig struct {
	// Write and Read are URLs, both or none: of remote write, and of what
	// stands before /api/v1/query.
	Write, Read string
	// Headers are sent to the store, each "Name: value".
	Headers []string
	// BearerTokenFile, or Username and PasswordFile, are the credentials.
	BearerTokenFile        string
	Username, PasswordFile string
	// Histograms is "native" or "vmrange", the form in which the store takes them.
	Histograms string
	// CAFile holds the authorities of the store's certificate.
	CAFile string
}

func (c MetricsConfig) options() remote.Options {
	return remote.Options{
		WriteURL: c.Write, ReadURL: c.Read, Headers: c.Headers, CAFile: c.CAFile, Histograms: c.Histograms,
		BearerTokenFile: c.BearerTokenFile, Username: c.Username, PasswordFile: c.PasswordFile,
	}
}

func (c MetricsConfig) elsewhere() bool { return c.Write != "" || c.Read != "" }

func (c MetricsConfig) check() error {
	if c.elsewhere() {
		return c.options().Check()
	}
	if len(c.Headers) > 0 || c.BearerTokenFile != "" || c.Username != "" || c.PasswordFile != "" || c.CAFile != "" {
		return errors.New("metrics-write: is empty, and other metrics- flags say how to reach a store: which one?")
	}
	return nil
}

// sampleStore is what the server needs of a store of samples.
type sampleStore interface {
	series.Appender
	Queryable() storage.Queryable
	// Tiers are coarser forms of the samples, nil for none.
	Tiers() series.Tiers
	// Wait blocks until the store has failed for good, or ctx ends.
	Wait(ctx context.Context) error
	// Ready says why the store cannot store or answer now, or nil.
	Ready(ctx context.Context) error
	// Close stores what was appended, and returns when all is done.
	Close() error
}

func openSamples(c Config, metrics prometheus.Registerer) (sampleStore, error) {
	if c.Metrics.elsewhere() {
		o := c.Metrics.options()
		o.Logger, o.Registerer = c.Logger, metrics
		s, err := remote.Open(o)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := local.Open(local.Options{
		Dir:        filepath.Join(c.DataDir, "samples"),
		Retention:  c.Retention,
		Tiers:      c.tiers(),
		MaxBytes:   c.RetentionBytes,
		Logger:     c.Logger,
		Registerer: metrics,
		Flush:      c.faults.flush,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// tiers are what is kept longer than samples as taken.
func (c Config) tiers() (tiers []rollup.Tier) {
	atLeast := c.Retention
	for _, tier := range []rollup.Tier{
		{Window: time.Minute, Retention: c.RetentionMinutes},
		{Window: time.Hour, Retention: c.RetentionHours},
	} {
		if tier.Retention > 0 {
			atLeast = max(atLeast, tier.Retention)
			tier.Retention = atLeast
			tiers = append(tiers, tier)
		}
	}
	return tiers
}

// ready says whether the server can store and answer, and no more: anybody may
// ask.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.samples.Ready(r.Context()) != nil {
		http.Error(w, "not ready: the log says why", http.StatusServiceUnavailable)
		return
	}
	healthy(w, nil)
}

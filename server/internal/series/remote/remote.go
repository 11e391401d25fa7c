// Package remote keeps samples in a store that speaks Prometheus: remote write
// to write, the query API to read.
//
// # What it promises
//
// Done is called with a nil error only after the store has answered 2xx, or has
// named what it refuses. What was refused is counted by reason. A request whose
// answer got lost is sent again; a store that takes samples out of order changes
// nothing by that. The Writes of one caller reach the store in their order.
//
// While the store is down, slow or says 429, Append waits once the queue is
// full, and what waits longer than Options.Patience is given back with
// series.ErrUnavailable: whoever sent it still has it. Patience begins with a
// failure, and ends with a success. An answer that does not
// clearly refuse samples, such as 404 or 401, counts as unavailable too: a wrong
// URL must not throw samples away.
//
// PromQL is evaluated here, over samples that were read from the store, so that
// expressions mean the same whatever the store is.
//
// # What it does not
//
// How durable an accepted sample is, is the store's matter. Which of several
// samples a store refuses, it says for people only; where it does not count what
// it took, the request is halved until the refused samples stand alone; of one
// caller's, what is older than one that was too old for any series is refused with it. A store
// that takes nothing out of order may then refuse what it has already: those
// count as refused, and are there.
package remote

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
)

// Options say where the store is. WriteURL and ReadURL are needed.
type Options struct {
	// WriteURL takes remote write, such as http://host:9090/api/v1/write.
	WriteURL string
	// ReadURL is what stands before /api/v1/query, such as http://host:9090.
	ReadURL string
	// Headers are sent with every request, each "Name: value".
	Headers []string
	// BearerTokenFile holds a token, read again when it changes.
	BearerTokenFile string
	// Username and PasswordFile are basic credentials.
	Username, PasswordFile string
	// CAFile holds the authorities that the store's certificate is checked
	// against; empty: those of the system.
	CAFile string
	// Histograms is Native or VMRange; empty: Native.
	Histograms string
	// QueueSamples bounds the samples that wait; default 1<<20.
	QueueSamples int
	// Patience is how long a store that fails is asked again before samples are
	// given back; default 5 s.
	Patience time.Duration
	// Logger defaults to slog.Default.
	Logger *slog.Logger
	// Registerer takes the metrics of the store, until Close; nil is none.
	Registerer prometheus.Registerer
}

// Forms of Options.Histograms.
const (
	// Native is for stores that take native histograms.
	Native = "native"
	// VMRange is for those that do not: counters with the label vmrange.
	VMRange = "vmrange"
)

const (
	defaultPatience     = 5 * time.Second
	defaultQueueSamples = 1 << 20
	// writeTimeout bounds one write request.
	writeTimeout = 10 * time.Second
	// requestWeight bounds a write request: a number weighs 1, a histogram as
	// many as it has buckets and one more.
	requestWeight = 10_000
	// maxAnswer bounds the answer to one query, maxText the text of an error.
	maxAnswer = 512 << 20
	maxText   = 64 << 10
)

// Check returns all that is wrong with o and can be seen without asking the
// store. The names in its errors are those of the flags of `sonde server`.
func (o Options) Check() error {
	var errs []error
	wrong := func(flag, format string, args ...any) {
		errs = append(errs, fmt.Errorf(flag+": "+format, args...))
	}
	for _, u := range []struct{ flag, value string }{{"metrics-write", o.WriteURL}, {"metrics-read", o.ReadURL}} {
		if u.value == "" {
			wrong(u.flag, "is empty: metrics-write and metrics-read are given both or not at all")
			continue
		}
		if p, err := url.Parse(u.value); err != nil || p.Host == "" || p.Scheme != "http" && p.Scheme != "https" {
			wrong(u.flag, "%q is not a URL such as https://store.example:9090", u.value)
		} else if p.User != nil {
			wrong(u.flag, "holds a password: give --metrics-username and --metrics-password-file instead")
		}
	}
	for _, h := range o.Headers {
		name, _, ok := strings.Cut(h, ":")
		if _, reserved := config.ReservedHeaders[http.CanonicalHeaderKey(strings.TrimSpace(name))]; !ok || strings.TrimSpace(name) == "" {
			wrong("metrics-header", "%q is not of the form Name: value", h)
		} else if reserved {
			wrong("metrics-header", "%s is set by the server itself", name)
		}
	}
	if o.Histograms != "" && o.Histograms != Native && o.Histograms != VMRange {
		wrong("metrics-histograms", "%q is neither %s nor %s", o.Histograms, Native, VMRange)
	}
	if (o.Username == "") != (o.PasswordFile == "") {
		wrong("metrics-username", "metrics-username and metrics-password-file are given both or not at all")
	}
	if o.Username != "" && o.BearerTokenFile != "" {
		wrong("metrics-bearer-token-file", "is given beside metrics-username: which one?")
	}
	for _, f := range []struct{ flag, path string }{
		{"metrics-bearer-token-file", o.BearerTokenFile}, {"metrics-password-file", o.PasswordFile}, {"metrics-ca", o.CAFile},
	} {
		if f.path == "" {
			continue
		}
		if _, err := os.ReadFile(f.path); err != nil {
			wrong(f.flag, "%w", err)
		}
	}
	return errors.Join(errs...)
}

func (o Options) withDefaults() Options {
	o.ReadURL = strings.TrimSuffix(o.ReadURL, "/")
	if o.QueueSamples == 0 {
		o.QueueSamples = defaultQueueSamples
	}
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// client makes the HTTP client of both directions.
func (o Options) client() (*http.Client, error) {
	c := config.HTTPClientConfig{
		FollowRedirects: false,
		EnableHTTP2:     true,
		TLSConfig:       config.TLSConfig{CAFile: o.CAFile},
	}
	if o.BearerTokenFile != "" {
		c.Authorization = &config.Authorization{Type: "Bearer", CredentialsFile: o.BearerTokenFile}
	}
	if o.Username != "" {
		c.BasicAuth = &config.BasicAuth{Username: o.Username, PasswordFile: o.PasswordFile}
	}
	if len(o.Headers) > 0 {
		c.HTTPHeaders = &config.Headers{Headers: make(map[string]config.Header)}
		for _, h := range o.Headers {
			name, value, _ := strings.Cut(h, ":")
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			header := c.HTTPHeaders.Headers[name]
			header.Values = append(header.Values, strings.TrimSpace(value))
			c.HTTPHeaders.Headers[name] = header
		}
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return config.NewClientFromConfig(c, "sonde_metrics")
}

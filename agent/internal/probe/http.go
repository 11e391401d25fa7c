package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	defaultBodyLimit = 10 << 20
	maxBodyLimit     = 1 << 30
	maxRedirects     = 10
)

var errBodyLimit = errors.New("body is longer than the limit")

func checkHTTP(s *Spec) error {
	u, err := url.Parse(s.Target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return &FieldError{"target", s.Target, "must be a URL with http or https"}
	}
	if u.User != nil {
		// Not quoted: it is a secret.
		return &FieldError{"target", "(hidden)", "must not have credentials: the target is a label that many can read"}
	}
	if err := checkHost(u.Hostname()); err != nil {
		return &FieldError{"target", s.Target, "must have an IP address or a host name"}
	}
	if !slices.Contains([]string{"", http.MethodGet, http.MethodHead}, s.HTTP.Method) {
		return &FieldError{"http.method", s.HTTP.Method, "must be GET or HEAD"}
	}
	if !slices.Contains([]string{"", "1xx", "2xx", "3xx", "4xx", "5xx"}, s.HTTP.Status) {
		return &FieldError{"http.status", s.HTTP.Status, "must be 1xx, 2xx, 3xx, 4xx or 5xx"}
	}
	if err := checkRange("http.body_limit", s.HTTP.BodyLimit, 1, maxBodyLimit); err != nil {
		return err
	}
	return checkRange("http.redirects", s.HTTP.Redirects, 1, maxRedirects)
}

// httpProber makes requests, directly and never through a proxy. Its times are
// taken in this process, but for that of the connection's handshake.
type httpProber struct {
	method    string
	target    string
	class     int
	bodyLimit int64
	client    http.Client
}

func newHTTPProber(s Spec, cfg *Config) prober {
	p := &httpProber{method: s.HTTP.Method, target: s.Target, class: 2, bodyLimit: s.HTTP.BodyLimit}
	if p.method == "" {
		p.method = http.MethodGet
	}
	if s.HTTP.Status != "" {
		p.class = int(s.HTTP.Status[0] - '0')
	}
	if p.bodyLimit == 0 {
		p.bodyLimit = defaultBodyLimit
	}
	dialer := net.Dialer{Resolver: cfg.Resolver, FallbackDelay: -1}
	p.client = http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dialer.DialContext(ctx, network, address)
				if t, ok := ctx.Value(httpTimesKey{}).(*httpTimes); ok && err == nil {
					t.connected(conn)
				}
				return conn, err
			},
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: s.HTTP.SkipVerify},
			DisableKeepAlives: !s.HTTP.Reuse,
			// The body is timed as it comes over the network.
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           networkInFlight,
			MaxIdleConnsPerHost:    networkInFlight,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > s.HTTP.Redirects {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
	return p
}

func (p *httpProber) attempt(ctx context.Context, a *attempt) (Outcome, error) {
	var t httpTimes
	traced := context.WithValue(httptrace.WithClientTrace(ctx, t.trace()), httpTimesKey{}, &t)
	req, err := http.NewRequestWithContext(traced, p.method, p.target, nil)
	if err != nil {
		return Error, err
	}
	req.Header.Set("User-Agent", "sonde-agent")
	begin := time.Now()
	res, err := p.client.Do(req)
	if err != nil {
		return t.outcome(ctx, err), err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(res.Body, p.bodyLimit+1))
	end := time.Now()
	switch {
	case err != nil:
		return t.outcome(ctx, err), err
	case n > p.bodyLimit:
		return Protocol, errBodyLimit
	case res.StatusCode/100 != p.class:
		return Status, fmt.Errorf("answered with %s", res.Status)
	}
	t.report(a, end)
	a.add(phaseTotal, end.Sub(begin))
	return Success, nil
}

func (p *httpProber) close() error {
	p.client.CloseIdleConnections()
	return nil
}

// httpTimesKey is the key of the *httpTimes in a context.
type httpTimesKey struct{}

// httpTimes adds up the phases of the requests of an attempt. Its hooks run on
// goroutines of the transport, some even after the attempt.
type httpTimes struct {
	mu      sync.Mutex
	begin   [phaseCount]time.Time
	took    [phaseCount]time.Duration
	ended   [phaseCount]bool
	last    time.Duration // the phase that ended last
	inTLS   bool
	answers bool // a connection was made, so what follows is up to the server
}

func (t *httpTimes) start(p phase) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begin[p] = time.Now()
}

func (t *httpTimes) end(p phase) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begin[p].IsZero() {
		t.last = time.Since(t.begin[p])
		t.took[p] += t.last
		t.begin[p] = time.Time{}
		t.ended[p] = true
	}
}

// connected replaces the time of the handshake by what the kernel has measured.
func (t *httpTimes) connected(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.took[phaseConnect] += handshake(tcp, t.last) - t.last
}

func (t *httpTimes) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart:     func(httptrace.DNSStartInfo) { t.start(phaseDNS) },
		DNSDone:      func(httptrace.DNSDoneInfo) { t.end(phaseDNS) },
		ConnectStart: func(string, string) { t.start(phaseConnect) },
		ConnectDone:  func(string, string, error) { t.end(phaseConnect) },
		TLSHandshakeStart: func() {
			t.start(phaseTLS)
			t.setTLS(true)
		},
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			t.end(phaseTLS)
			t.setTLS(err != nil)
		},
		GotConn: func(httptrace.GotConnInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.answers = true
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { t.start(phaseTTFB) },
		GotFirstResponseByte: func() {
			t.end(phaseTTFB)
			t.start(phaseTransfer)
		},
	}
}

func (t *httpTimes) setTLS(in bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inTLS = in
}

// report adds the phases to a; the body ended at end.
func (t *httpTimes) report(a *attempt, end time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if begin := t.begin[phaseTransfer]; !begin.IsZero() {
		t.took[phaseTransfer] += end.Sub(begin)
		t.ended[phaseTransfer] = true
	}
	for p := range phaseCount {
		if t.ended[p] {
			a.add(p, t.took[p])
		}
	}
}

// outcome classifies an error by its sort and by where the attempt was.
func (t *httpTimes) outcome(ctx context.Context, err error) Outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	if outcome := outcomeOf(err); outcome == DNS || outcome == Timeout {
		return outcome
	}
	switch {
	case ctx.Err() != nil:
		return outcomeOf(ctx.Err())
	case t.inTLS:
		return TLS
	case t.answers:
		return Protocol
	}
	return outcomeOf(err)
}

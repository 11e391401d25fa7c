package remote_test

import (
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"sonde.dev/sonde/server/internal/series"
	"sonde.dev/sonde/server/internal/series/remote"
)

// fake is a store that answers as it is told, and keeps what it was asked.
type fake struct {
	*httptest.Server
	mu      sync.Mutex
	answers []func(http.ResponseWriter) // of the next requests; then 200
	asked   []*http.Request
}

func newFake(t *testing.T, answers ...func(http.ResponseWriter)) *fake {
	f := &fake{answers: answers}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		_, _ = io.Copy(io.Discard, r.Body)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.asked = append(f.asked, r)
		if len(f.answers) > 0 {
			f.answers[0](w)
			f.answers = f.answers[1:]
			return
		}
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", "1")
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) requests() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func status(code int, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

func (f *fake) open(t *testing.T, o remote.Options) *remote.Store {
	o.WriteURL, o.ReadURL = f.URL+"/api/v1/push", f.URL+"/prometheus"
	return open(t, o)
}

func oneSample() series.Rows {
	return series.Rows{Target: target(1, false), Times: ticks(1), Floats: []float64{1}}
}

func TestBusyStoreIsAskedAgain(t *testing.T) {
	f := newFake(t, status(429), status(503), status(500))
	s := f.open(t, remote.Options{Patience: time.Minute})
	if got := write(t, s, oneSample()); got.err != nil || got.result.Stored != 1 {
		t.Errorf("%+v", got)
	}
	if n := len(f.requests()); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
	f.mu.Lock()
	f.answers = append(f.answers, status(200, "X-Prometheus-Remote-Write-Samples-Written", "0"))
	f.mu.Unlock()
	if got := write(t, s, oneSample()); got.err != nil || got.result.Stored != 0 || len(got.result.Refused) != 1 {
		t.Errorf("a store that took nothing: %+v", got)
	}
}

func TestRetryAfterIsKeptAndWritesAreGivenBack(t *testing.T) {
	f := newFake(t, status(429, "Retry-After", "3600"))
	s := f.open(t, remote.Options{Patience: time.Millisecond})
	for range 3 {
		if got := write(t, s, oneSample()); !errors.Is(got.err, series.ErrUnavailable) {
			t.Fatalf("%+v, want ErrUnavailable", got)
		}
	}
	if n := len(f.requests()); n != 1 {
		t.Errorf("%d requests within the time that the store asked for, want 1", n)
	}
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "429") {
		t.Errorf("ready: %v", err)
	}
}

func TestCredentialsAndHeaders(t *testing.T) {
	f := newFake(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := f.open(t, remote.Options{BearerTokenFile: token, Headers: []string{"X-Scope-OrgID: fleet"}})
	if got := write(t, s, oneSample()); got.err != nil {
		t.Fatal(got.err)
	}
	_ = s.Ready(t.Context()) // what is asked counts
	asked := f.requests()
	if len(asked) != 2 || asked[0].URL.Path != "/api/v1/push" || asked[1].URL.Path != "/prometheus/api/v1/query" {
		t.Fatalf("%d requests", len(asked))
	}
	for _, r := range asked {
		if got := r.Header.Get("Authorization"); got != "Bearer secret" {
			t.Errorf("%s: authorization %q", r.URL, got)
		}
		if got := r.Header.Get("X-Scope-OrgID"); got != "fleet" {
			t.Errorf("%s: tenant %q", r.URL, got)
		}
	}
}

func TestAppendWaitsWhileTheQueueIsFull(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	f := newFake(t, func(w http.ResponseWriter) {
		close(entered)
		<-release
		w.WriteHeader(429)
	})
	s := f.open(t, remote.Options{QueueSamples: 1, Patience: time.Minute})
	done := make(chan error, 2)
	w := func() *series.Write {
		return &series.Write{Rows: []series.Rows{oneSample()}, Done: func(_ series.Result, err error) { done <- err }}
	}
	if err := s.Append(t.Context(), w()); err != nil {
		t.Fatal(err)
	}
	<-entered
	second := make(chan error, 1)
	go func() { second <- s.Append(t.Context(), w()) }()
	select {
	case err := <-second:
		t.Errorf("appended to a full queue: %v", err)
	default:
	}
	close(release)
	for _, c := range []chan error{second, done, done} {
		if err := <-c; err != nil {
			t.Error(err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	err := remote.Options{
		WriteURL: "host:9090", ReadURL: "http://u:p@host", Headers: []string{"nothing", "Authorization: x"},
		Username: "u", BearerTokenFile: "/missing",
	}.Check()
	for _, want := range []string{
		`metrics-write: "host:9090" is not a URL`, "metrics-read: holds a password", `metrics-header: "nothing"`,
		"metrics-header: Authorization is set", "metrics-username: metrics-username and", "metrics-bearer-token-file: open /missing",
		"which one?",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestOwnAuthoritiesAndBasicCredentials(t *testing.T) {
	var user, password string
	f := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ = r.BasicAuth()
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", "1")
	}))
	t.Cleanup(f.Close)
	f.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	dir := t.TempDir()
	ca, secret := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "password")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	if err := errors.Join(os.WriteFile(ca, text, 0o600), os.WriteFile(secret, []byte("s\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	o := remote.Options{WriteURL: f.URL, ReadURL: f.URL, Username: "u", PasswordFile: secret, Patience: time.Millisecond}
	if got := write(t, open(t, o), oneSample()); !errors.Is(got.err, series.ErrUnavailable) {
		t.Errorf("a certificate of unknown authorities: %+v", got)
	}
	o.CAFile = ca
	if got := write(t, open(t, o), oneSample()); got.err != nil || got.result.Stored != 1 {
		t.Errorf("%+v", got)
	}
	if user != "u" || password != "s" {
		t.Errorf("credentials %q %q", user, password)
	}
}

// A store that refuses all of an agent's old samples and does not say how many is
// not asked about each of them.
func TestOldSamplesAreRefusedTogether(t *testing.T) {
	answers := []func(http.ResponseWriter){status(http.StatusUnsupportedMediaType)}
	for range 100 {
		answers = append(answers, func(w http.ResponseWriter) { http.Error(w, "too old sample", http.StatusBadRequest) })
	}
	f := newFake(t, answers...)
	s := f.open(t, remote.Options{})
	const columns, rows = 200, 10
	got := write(t, s, series.Rows{Target: target(columns, false), Times: ticks(rows), Floats: make([]float64, columns*rows)})
	if got.err != nil || got.result.Stored != 0 || len(got.result.Refused) != 1 || got.result.Refused[0].Samples != columns*rows {
		t.Errorf("%+v", got)
	}
	if n := len(f.requests()); n > 60 {
		t.Errorf("%d requests", n)
	}
}

// A sample out of order says nothing of other series, which may have nothing newer.
func TestSamplesOutOfOrderAreRefusedAlone(t *testing.T) {
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			body, err = snappy.Decode(nil, body)
		}
		var req prompb.WriteRequest
		if err == nil {
			err = req.Unmarshal(body)
		}
		if err != nil || r.Header.Get("X-Prometheus-Remote-Write-Version") != "0.1.0" {
			w.WriteHeader(http.StatusUnsupportedMediaType)
			return
		}
		for _, ts := range req.Timeseries {
			if slices.ContainsFunc(ts.Labels, func(l prompb.Label) bool { return l.Name == "i" && l.Value == "0" }) {
				http.Error(w, "out of order sample", http.StatusBadRequest)
				return
			}
		}
	}))
	defer f.Close()
	s := open(t, remote.Options{WriteURL: f.URL, ReadURL: f.URL})
	const columns, rows = 5, 4
	got := write(t, s, series.Rows{Target: target(columns, false), Times: ticks(rows), Floats: make([]float64, columns*rows)})
	if got.err != nil || got.result.Stored != (columns-1)*rows || len(got.result.Refused) != 1 || got.result.Refused[0].Samples != rows {
		t.Errorf("%+v", got)
	}
}

// What succeeded before, however long it took, is no reason to give up at the
// first failure.
func TestPatienceBeginsWithTheFailure(t *testing.T) {
	const patience = time.Second
	written := func(n string) func(http.ResponseWriter) {
		return status(200, "X-Prometheus-Remote-Write-Samples-Written", n)
	}
	f := newFake(t, func(w http.ResponseWriter) {
		time.Sleep(2 * patience) // a slow store
		written("10000")(w)
	}, status(503), written("5000"))
	s := f.open(t, remote.Options{Patience: patience})
	got := write(t, s, series.Rows{Target: target(15, false), Times: ticks(1000), Floats: make([]float64, 15_000)})
	if got.err != nil || got.result.Stored != 15_000 {
		t.Errorf("%+v", got)
	}
}

func TestReadsAskForWholeAnswers(t *testing.T) {
	f := newFake(t)
	s := f.open(t, remote.Options{})
	_ = s.Ready(t.Context())
	if q := f.requests()[0].Form; q.Get("partial_response") != "false" || q.Get("deny_partial_response") != "1" {
		t.Errorf("%v", q)
	}
}

// Package e2e tests the whole system: the real programs, as processes, over real
// sockets.
package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// programs is the folder with sonde and sonde-agent.
var programs string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if config := os.Getenv(witnessConfig); config != "" {
		return runWitness(config)
	}
	dir, err := os.MkdirTemp("", "sonde-e2e-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-trimpath", "-o", dir, "sonde.dev/sonde/cmd/sonde", "sonde.dev/sonde/cmd/sonde-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the programs: %v\n%s", err, out)
		return 1
	}
	programs = dir
	return m.Run()
}

// process is a program that runs.
type process struct {
	cmd *exec.Cmd
	log *logBuffer
	// exited is closed once the program has; err is then its error.
	exited chan struct{}
	err    error
}

// start runs a program. It is killed at the end of the test.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	return startCommand(t, name, exec.Command(filepath.Join(programs, name), args...))
}

func startCommand(t *testing.T, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, log: &logBuffer{}, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("end of the output of %s:\n%s", name, p.log.tail(4000))
		}
	})
	return p
}

// kill ends the program by SIGKILL.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// stop ends the program by SIGTERM and fails the test when it does not end well.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.exited
	if p.err != nil {
		t.Errorf("%s ended with %v after SIGTERM", p.cmd.Path, p.err)
	}
}

// logBuffer collects what a program prints.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// deadline bounds every wait for a condition; it is reached only by a failure.
const deadline = 30 * time.Second

// await waits until done says so.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	awaitWithin(t, deadline, 10*time.Millisecond, what, done)
}

// awaitWithin waits until done, which it asks every so often, says so.
func awaitWithin(t *testing.T, patience, every time.Duration, what string, done func() bool) {
	t.Helper()
	poll := time.NewTicker(every)
	defer poll.Stop()
	timeout := time.After(patience)
	for !done() {
		select {
		case <-poll.C:
		case <-timeout:
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// sonde is a server that runs, and its data directory.
type sonde struct {
	*process
	dir, url string
	client   *http.Client // that trusts the server
}

// trusting returns a client that trusts the authorities in a file.
func trusting(t *testing.T, path string) *http.Client {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// startServer runs a server over dir, on the address of a server that ran over
// it before, if there was one.
func startServer(t *testing.T, dir string, args ...string) *sonde {
	t.Helper()
	addressFile := filepath.Join(dir, "address")
	address := "127.0.0.1:0"
	if text, err := os.ReadFile(addressFile); err == nil {
		address = string(text)
	}
	s := &sonde{dir: dir}
	s.process = start(t, "sonde", append([]string{"server", "--data-dir", dir, "--listen", address, "--log-level=info"}, args...)...)
	await(t, "the server's link", func() bool {
		select {
		case <-s.exited:
			t.Fatalf("the server ended: %v\n%s", s.err, s.log)
		default:
		}
		_, link, ok := strings.Cut(s.log.String(), "    http")
		rest, _, complete := strings.Cut(link, "/login?")
		s.url = "http" + rest
		return ok && complete
	})
	_, host, _ := strings.Cut(s.url, "://")
	if err := os.WriteFile(addressFile, []byte(host), 0o600); err != nil {
		t.Fatal(err)
	}
	s.client = http.DefaultClient
	if strings.HasPrefix(s.url, "https://") {
		s.client = trusting(t, filepath.Join(dir, "tls", "ca.pem"))
	}
	return s
}

// secret returns the content of a file of the data directory.
func (s *sonde) secret(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// request sends a request with the admin token and returns the answer.
func (s *sonde) request(t *testing.T, method, path, contentType string, body io.Reader) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.secret(t, "admin-token"))
	req.Header.Set("Content-Type", contentType)
	client := s.client
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, text
}

// call calls a method by Connect in JSON, as curl would.
func (s *sonde) call(t *testing.T, method, request string, response any) {
	t.Helper()
	status, body := s.request(t, http.MethodPost, "/sonde.v1."+method, "application/json", strings.NewReader(request))
	if status != http.StatusOK {
		t.Fatalf("%s: status %d: %s", method, status, body)
	}
	if err := json.Unmarshal(body, response); err != nil {
		t.Fatal(err)
	}
}

// agents is the answer of ListAgents, as far as tests care.
type agents struct {
	Agents []struct {
		ID, Name string
		Labels   map[string]string
		Status   struct {
			State     string
			LastError string
			Clone     *struct{ Hostname, Address string }
		}
	}
}

func (s *sonde) agents(t *testing.T) agents {
	t.Helper()
	var list agents
	s.call(t, "FleetService/ListAgents", "{}", &list)
	return list
}

// promSample is one series of an answer of the Prometheus API.
type promSample struct {
	Metric map[string]string
	Value  [2]any   // of a vector
	Values [][2]any // of a matrix
}

func (s *sonde) promQuery(t *testing.T, expr string) []promSample {
	t.Helper()
	status, body := s.request(t, http.MethodGet, "/api/v1/query?query="+url.QueryEscape(expr), "", nil)
	if status != http.StatusOK {
		t.Fatalf("query %s: status %d: %s", expr, status, body)
	}
	var answer struct{ Data struct{ Result []promSample } }
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Data.Result
}

// startAgent runs an agent whose probes stay on this machine.
func startAgent(t *testing.T, s *sonde, stateDir string, args ...string) *process {
	t.Helper()
	return start(t, "sonde-agent", append([]string{
		"--server", s.url, "--join-token-file", filepath.Join(s.dir, "join-token"), "--state-dir", stateDir,
		"--default-probes", "server,server-tcp,disk,sched",
	}, args...)...)
}

// tail returns the last n bytes.
func (l *logBuffer) tail(n int) string {
	text := l.String()
	return text[max(len(text)-n, 0):]
}

func contains(l *logBuffer, text string) bool { return strings.Contains(l.String(), text) }

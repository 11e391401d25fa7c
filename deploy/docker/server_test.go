//go:build container

package docker

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// server is a Sonde server that runs, and its admin token.
type server struct {
	url, token string
	// several is for servers behind one address: a request that one of them fails,
	// since it ends, is sent again.
	several bool
}

// startServer runs a server on this machine, listening on an address that
// containers reach. dir gets its data.
func startServer(t *testing.T, dir, address string) *server {
	t.Helper()
	program := filepath.Join(dir, "sonde")
	buildPrograms(t, dir, "./cmd/sonde")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, "server", "--data-dir", filepath.Join(dir, "data"), "--listen", address+":0", "--tls=off")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("end of the server's output:\n%s", text[max(len(text)-4000, 0):])
		}
	})
	s := &server{}
	await(t, "the server's link", func() bool {
		select {
		case <-exited:
			t.Fatal("the server ended")
		default:
		}
		text, _ := os.ReadFile(log.Name())
		_, link, ok := strings.Cut(string(text), "    http://")
		host, _, complete := strings.Cut(link, "/login?")
		s.url = "http://" + host
		return ok && complete
	})
	token, err := os.ReadFile(filepath.Join(dir, "data/admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	s.token = strings.TrimSpace(string(token))
	return s
}

// request sends a request with the admin token, and decodes the answer.
func (s *server) request(t *testing.T, method, path, body string, response any) {
	t.Helper()
	var text []byte
	status, err := 0, error(nil)
	send := func() bool {
		text, status, err = s.send(t, method, path, body)
		return err == nil && status < http.StatusInternalServerError
	}
	if !send() && s.several {
		await(t, path+" to be answered", send)
	}
	if err != nil {
		t.Fatal(err)
	}
	if status != http.StatusOK {
		t.Fatalf("%s: status %d: %s", path, status, text)
	}
	if err := json.Unmarshal(text, response); err != nil {
		t.Fatal(err)
	}
}

func (s *server) send(t *testing.T, method, path, body string) ([]byte, int, error) {
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return text, res.StatusCode, err
}

// up returns the ids of the agents that are connected and submit, sorted.
func (s *server) up(t *testing.T) []string {
	t.Helper()
	var list struct {
		Agents []struct {
			ID     string
			Status struct{ State string }
		}
	}
	s.request(t, http.MethodPost, "/sonde.v1.FleetService/ListAgents", "{}", &list)
	var ids []string
	for _, agent := range list.Agents {
		if agent.Status.State == "AGENT_STATE_UP" {
			ids = append(ids, agent.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// value returns the value of an expression of one series, and whether there is
// any.
func (s *server) value(t *testing.T, expr string) (float64, bool) {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any
			}
		}
	}
	s.request(t, http.MethodGet, "/api/v1/query?query="+url.QueryEscape(expr), "", &answer)
	if len(answer.Data.Result) == 0 {
		return 0, false
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatalf("query %s: value %q", expr, text)
	}
	return value, true
}

// awaitValue waits until an expression has a value that is wanted.
func (s *server) awaitValue(t *testing.T, expr string, wanted func(float64) bool) float64 {
	t.Helper()
	var value float64
	await(t, expr, func() bool {
		var ok bool
		value, ok = s.value(t, expr)
		return ok && wanted(value)
	})
	return value
}

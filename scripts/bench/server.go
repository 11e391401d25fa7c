package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"connectrpc.com/connect"
)

// server is a sonde server with data of its own.
type server struct {
	*process
	dir, url, address string
	args              []string
}

// startServer runs a server over a new folder in dir.
func startServer(ctx context.Context, dir string, args ...string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp(dir, "server-*")
	if err != nil {
		return nil, err
	}
	s := &server{dir: data, url: "http://" + address, address: address, args: args}
	if err := s.start(ctx, dir); err != nil {
		os.RemoveAll(data)
		return nil, err
	}
	return s, nil
}

// start runs the program in dir over the server's folder and waits until it
// answers.
func (s *server) start(ctx context.Context, dir string) (err error) {
	args := append([]string{"server", "--data-dir", s.dir, "--listen", s.address, "--log-level", "warn"}, s.args...)
	s.process, err = start(ctx, filepath.Join(dir, "sonde"), args...)
	if err != nil {
		return err
	}
	if err = s.answers(s.url + "/healthz"); err != nil {
		s.stop()
	}
	return err
}

func (s *server) close() {
	s.stop()
	os.RemoveAll(s.dir)
}

func (s *server) joinToken() string { return filepath.Join(s.dir, "join-token") }

func (s *server) adminToken() string { return filepath.Join(s.dir, "admin-token") }

// get asks the server as its admin.
func (s *server) get(path string) ([]byte, error) {
	token, err := os.ReadFile(s.adminToken())
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodGet, s.url+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", path, res.Status, body)
	}
	return body, err
}

// counter finds a counter without labels in what /metrics answers.
func counter(text []byte, name string) (float64, error) {
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("/metrics lacks %s", name)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

// value asks for an expression of one value.
func (s *server) value(expr string) (float64, error) {
	body, err := s.get("/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return 0, err
	}
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, err
	}
	if len(answer.Data.Result) != 1 {
		return 0, errors.New(expr + " has not one value")
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	return strconv.ParseFloat(text, 64)
}

// agents are the ids of all that have samples.
func (s *server) agents() ([]string, error) {
	body, err := s.get("/api/v1/label/agent/values")
	if err != nil {
		return nil, err
	}
	var answer struct{ Data []string }
	err = json.Unmarshal(body, &answer)
	return answer.Data, err
}

// asAdmin gives the calls that are made with what it returns the admin's token.
func (s *server) asAdmin(ctx context.Context) (context.Context, error) {
	token, err := os.ReadFile(s.adminToken())
	if err != nil {
		return nil, err
	}
	ctx, call := connect.NewClientContext(ctx)
	call.RequestHeader().Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	return ctx, nil
}

// startLoad runs `sonde bench agents` on the server and returns when the first
// samples are about to be taken.
func startLoad(ctx context.Context, dir, url, joinToken string, l load, args ...string) (*process, error) {
	p, err := start(ctx, filepath.Join(dir, "sonde"), append([]string{"bench", "agents",
		"--server", url, "--join-token-file", joinToken, "--count", fmt.Sprint(l.agents), "--series", fmt.Sprint(l.series),
		"--submission-interval", l.submission.String(), "--log-level", "error"}, args...)...)
	if err != nil {
		return nil, err
	}
	err = p.await("the first sample", func() bool { return strings.Contains(p.output.String(), "measuring\n") })
	if err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

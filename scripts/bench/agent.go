package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// agent measures a whole agent with all its default collectors, and with those
// of the default probes that need no network, for the length of window.
func agent(ctx context.Context, dir string, window time.Duration) (results, error) {
	s, err := startServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	state, err := os.MkdirTemp(dir, "agent-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(state)
	a, err := start(ctx, filepath.Join(dir, "sonde-agent"), "--server", s.url, "--join-token-file", s.joinToken(),
		"--state-dir", state, "--default-probes", "server,server-tcp,disk,sched", "--log-level", "warn")
	if err != nil {
		return nil, err
	}
	defer a.stop()
	var series float64
	err = a.await("the agent's samples", func() bool {
		series, err = s.value(`count({job="node"})`)
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	if err := sleep(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	before, err := a.cpu()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := sleep(ctx, window); err != nil {
		return nil, err
	}
	after, err := a.cpu()
	if err != nil {
		return nil, err
	}
	elapsed := time.Since(began)
	rss, anon, err := a.memory()
	if err != nil {
		return nil, err
	}
	if series, err = s.value(`count({job="node"})`); err != nil {
		return nil, err
	}
	r := make(results)
	r.add("agent cpu", (after-before).Seconds()/elapsed.Seconds())
	r.add("agent rss", rss)
	r.add("agent anon", anon)
	r.add("agent series", series)
	return r, nil
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

package main

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// runningAgent is one with a state folder of its own.
type runningAgent struct {
	*process
	state string
}

// startAgent runs an agent with all its default collectors, and with those of the
// default probes that need no other host.
func startAgent(ctx context.Context, dir string, s *server) (*runningAgent, error) {
	state, err := os.MkdirTemp(dir, "agent-*")
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, filepath.Join(dir, "sonde-agent"), "--server", s.url, "--join-token-file", s.joinToken(),
		"--state-dir", state, "--default-probes", "server,server-tcp,disk,sched", "--log-level", "warn")
	if err != nil {
		os.RemoveAll(state)
		return nil, err
	}
	a := &runningAgent{p, state}
	err = a.await("the agent's samples", func() bool {
		_, err := s.value(agentSeries)
		return err == nil
	})
	if err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

const agentSeries = `count({job="node"})`

func (a *runningAgent) close() {
	a.stop()
	os.RemoveAll(a.state)
}

// agent measures a whole agent for the length of window.
func agent(ctx context.Context, dir string, window time.Duration) (results, error) {
	s, err := startServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	a, err := startAgent(ctx, dir, s)
	if err != nil {
		return nil, err
	}
	defer a.close()
	if err := sleep(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	r := make(results)
	if err := r.use(ctx, window, map[string]*process{"agent": a.process}); err != nil {
		return nil, err
	}
	series, err := s.value(agentSeries)
	r.add("agent series", series)
	return r, err
}

package main

import (
	"context"
	"fmt"
	"time"
)

// storm has agents that submit a batch a second, kills their server, and starts
// it again after away: all agents come back at about the same time, each with
// what it took meanwhile.
func storm(ctx context.Context, dir string, agents int, away time.Duration) (results, error) {
	s, err := startServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	l := load{agents: agents, series: 20, submission: time.Second}
	generator, err := startLoad(ctx, dir, s.url, s.joinToken(), l, "--duration", (away + 20*time.Second).String())
	if err != nil {
		return nil, err
	}
	defer generator.stop()
	if err := sleep(ctx, 3*time.Second); err != nil {
		return nil, err
	}
	s.kill()
	if err := sleep(ctx, away); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := s.start(ctx, dir); err != nil {
		return nil, err
	}
	listening := time.Now()
	err = s.await("all agents", func() bool {
		text, err := s.get("/metrics")
		if err != nil {
			return false
		}
		sessions, err := counter(text, "sonde_server_ingest_sessions")
		return err == nil && int(sessions) == agents
	})
	if err != nil {
		return nil, err
	}
	r := make(results)
	r.add("server start", listening.Sub(began).Seconds())
	r.add("all back", time.Since(listening).Seconds())
	<-generator.exited // with an error when a sample was lost
	if generator.err != nil {
		return nil, fmt.Errorf("sonde bench agents: %w:\n%s", generator.err, generator.output.String())
	}
	peak, err := s.peak()
	r.add("peak rss", peak)
	return r, err
}

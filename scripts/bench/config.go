package main

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
)

// changes measures how soon a change of the configuration is in force at 1,000
// agents that keep their state in a folder.
func changes(ctx context.Context, dir, stateDir string) (results, error) {
	s, err := startServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	p, err := start(ctx, filepath.Join(dir, "sonde"), "bench", "config",
		"--server", s.url, "--token-file", s.adminToken(), "--join-token-file", s.joinToken(),
		"--count", "1000", "--changes", "20", "--state-dir", stateDir)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	<-p.exited
	if p.err != nil {
		return nil, fmt.Errorf("sonde bench config: %w:\n%s", p.err, p.output.String())
	}
	r := make(results)
	return r, r.addQuantiles("in force", inForceLine, p.output.String())
}

var inForceLine = regexp.MustCompile(`(?m)^in force +p50 (\S+), p99 (\S+), max`)

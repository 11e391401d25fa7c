package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/tsdb"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

// queries fills a server with an hour of one host, and ten minutes of others up
// to hosts, at one sample a second, and measures how long it takes to answer.
func queries(ctx context.Context, dir string, hosts, runs int) (results, error) {
	s, err := startServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	end := time.Now().Truncate(time.Second)
	first, err := s.fill(ctx, end, time.Hour)
	for i := 1; i < hosts && err == nil; i++ {
		_, err = s.fill(ctx, end, 10*time.Minute)
	}
	if err != nil {
		return nil, err
	}
	exprs := make([]string, len(hostPage))
	for i, e := range hostPage {
		exprs[i] = fmt.Sprintf(e, first)
	}
	r := make(results)
	return r, r.ask(runs, map[string]func() (time.Duration, error){
		"host page": func() (time.Duration, error) {
			return s.queryRange(ctx, exprs, end.Add(-time.Hour), end, 15*time.Second)
		},
		"host page, every second": func() (time.Duration, error) {
			return s.queryRange(ctx, exprs, end.Add(-time.Hour), end, time.Second)
		},
		"overview": func() (time.Duration, error) {
			return s.queryRange(ctx, overview, end.Add(-5*time.Minute), end, 5*time.Second)
		},
	})
}

// month measures a question that reads 30 days of one series, a sample a second.
func month(ctx context.Context, dir string, runs int) (results, error) {
	s, err := startServer(ctx, dir, "--retention", "1440h")
	if err != nil {
		return nil, err
	}
	defer s.close()
	const span = 30 * 24 * time.Hour
	end := time.Now().Truncate(time.Second)
	h, err := s.madeUpHost(ctx, "month", hostSeries()[:1])
	if err != nil {
		return nil, err
	}
	defer h.close()
	if err := h.send(end.Add(-span), span, 3600); err != nil {
		return nil, err
	}
	err = s.await("its blocks", func() bool {
		newest, err := s.newestBlock()
		return err == nil && newest > end.Add(-4*time.Hour).UnixMilli()
	})
	if err != nil {
		return nil, err
	}
	r := make(results)
	return r, r.ask(runs, map[string]func() (time.Duration, error){
		"month": func() (time.Duration, error) {
			return s.queryRange(ctx, []string{"rate(node_cpu_seconds_total[1h])"}, end.Add(-span+time.Hour), end, time.Hour)
		},
	})
}

// newestBlock is the end of the newest block that was made of samples.
func (s *server) newestBlock() (newest int64, err error) {
	paths, err := filepath.Glob(filepath.Join(s.dir, "samples", "*", "meta.json"))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err // removed, for a larger one
		}
		var meta tsdb.BlockMeta
		if err := json.Unmarshal(text, &meta); err != nil {
			return 0, err
		}
		newest = max(newest, meta.MaxTime)
	}
	return newest, err
}

// ask puts questions in turns. The first answers do not count: caches are cold.
func (r results) ask(runs int, questions map[string]func() (time.Duration, error)) error {
	for i := range runs + 1 {
		for name, question := range questions {
			took, err := question()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if i > 0 {
				r.add(name, took.Seconds())
			}
		}
	}
	return nil
}

// queryRange asks as a browser does, all expressions in one call, and returns
// how long the answer took to arrive.
func (s *server) queryRange(ctx context.Context, exprs []string, start, end time.Time, step time.Duration) (time.Duration, error) {
	ctx, err := s.asAdmin(ctx)
	if err != nil {
		return 0, err
	}
	client := sondev1connect.NewQueryServiceClient(http.DefaultClient, s.url)
	began := time.Now()
	res, err := client.QueryRange(ctx, &sondev1.QueryRangeRequest{
		Exprs: exprs, StartMs: start.UnixMilli(), EndMs: end.UnixMilli(), StepMs: step.Milliseconds(),
	})
	elapsed := time.Since(began)
	if err != nil {
		return 0, err
	}
	for i, m := range res.Results {
		if len(m.Series) == 0 {
			return 0, fmt.Errorf("no answer to %s", exprs[i])
		}
	}
	return elapsed, nil
}

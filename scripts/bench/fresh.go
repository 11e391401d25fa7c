package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

// watchers is how many agents are followed at a time.
const watchers = 20

// fresh measures how long after a sample's time it is at clients that watch it,
// under the load of l.
func fresh(ctx context.Context, dir string, l load) (results, error) {
	s, err := startServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	generator, err := startLoad(ctx, dir, s.url, s.joinToken(), l, "--duration", (l.warmUp() + l.window + 5*time.Second).String())
	if err != nil {
		return nil, err
	}
	defer generator.stop()
	if err := sleep(ctx, l.warmUp()); err != nil {
		return nil, err
	}
	agents, err := s.agents()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.window)
	defer cancel()
	delays := make([][]time.Duration, watchers)
	watching, ctx := errgroup.WithContext(ctx)
	for i := range delays {
		watching.Go(func() (err error) {
			delays[i], err = s.watchDelays(ctx, agents[i])
			return err
		})
	}
	if err := watching.Wait(); err != nil {
		return nil, err
	}
	all := slices.Concat(delays...)
	slices.Sort(all)
	if want := watchers * int(l.window/l.submission) / 2; len(all) < want {
		return nil, fmt.Errorf("%d messages came to watchers, less than %d", len(all), want)
	}
	r := make(results)
	r.add("p50", all[len(all)/2].Seconds())
	r.add("p99", all[len(all)*99/100].Seconds())
	r.add("most", all[len(all)-1].Seconds())
	return r, nil
}

// watchDelays follows a series of an agent until ctx ends.
func (s *server) watchDelays(ctx context.Context, agent string) (delays []time.Duration, err error) {
	ctx, err = s.asAdmin(ctx)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	stream, err := sondev1connect.NewQueryServiceClient(&http.Client{Transport: transport}, s.url).Watch(ctx, &sondev1.WatchRequest{
		Exprs: []string{fmt.Sprintf(`load_bytes_total{agent=%q,device="dev0"}`, agent)}, StepMs: 1000, FollowAgent: agent,
	})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	for first := true; stream.Receive(); first = false {
		now, m := time.Now(), stream.Msg()
		if e := m.Results[0].Error; e != "" {
			return nil, fmt.Errorf("watching %s: %s", agent, e)
		}
		if first || len(m.Results[0].Values) == 0 {
			continue // the step at which the watch began
		}
		delays = append(delays, now.Sub(time.UnixMilli(m.TimeMs)))
	}
	if err := stream.Err(); connect.CodeOf(err) != connect.CodeDeadlineExceeded {
		return nil, err
	}
	return delays, nil
}

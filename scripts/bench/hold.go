package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"time"
)

// hold puts a large load on a server that shares the machine with it, and counts
// both programs' CPU apart. Acknowledgements count after the warm-up, in which
// every series is made. That samples are lost is a figure here, not an error.
func hold(ctx context.Context, dir string, l load, warmUp time.Duration) (results, error) {
	s, err := startServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	generator, err := startLoad(ctx, dir, s.url, s.joinToken(), l,
		"--warm-up", warmUp.String(), "--duration", (warmUp + l.window).String())
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%w: not all of %d agents had connected after %v", errLeftOut, l.agents, awaitLimit)
	}
	if err != nil {
		return nil, err
	}
	defer generator.stop()
	if err := sleep(ctx, warmUp); err != nil {
		return nil, err
	}
	r := make(results)
	// It ends a submission before the load does.
	if err := r.use(ctx, l.window-l.submission, map[string]*process{"server": s.process, "generator": generator}); err != nil {
		return nil, err
	}
	<-generator.exited
	report := generator.output.String()
	m := samplesLine.FindStringSubmatch(report)
	if m == nil {
		return nil, fmt.Errorf("sonde bench agents: %v:\n%s", generator.err, report)
	}
	for i, name := range []string{"taken", "lost"} {
		n, _ := strconv.ParseFloat(m[i+1], 64) // [0-9]+
		r.add(name, n)
	}
	peak, err := s.peak()
	if err != nil {
		return nil, err
	}
	r.add("server peak rss", peak)
	return r, r.addQuantiles("ack", delayLine, report)
}

var samplesLine = regexp.MustCompile(`(?m)^samples +([0-9]+) taken, [0-9]+ stored, ([0-9]+) lost`)

// most finds how many agents, in thousands up to limit, are held so that no sample
// is lost and 99 % of the acknowledgements come within the submission interval.
func most(ctx context.Context, dir string, l load, warmUp time.Duration, limit int) (results, error) {
	var err error
	var best results
	held := sort.Search(limit/1000, func(i int) bool {
		if err != nil {
			return true
		}
		l.agents = (i + 1) * 1000
		var r results
		if r, err = hold(ctx, dir, l, warmUp); err != nil {
			if errors.Is(err, errLeftOut) {
				err = nil // these are too many
			}
			return true
		}
		progress("  %d agents: ack p99 %s, lost %s", l.agents, r.text("ack p99", ms, 0, " ms"), r.text("lost", 1, 0, ""))
		if r.median("lost") > 0 || r.median("ack p99") > l.submission.Seconds() {
			return true
		}
		best = r
		return false
	})
	if err != nil {
		return nil, err
	}
	if best == nil {
		best = make(results)
	}
	best.add("agents", float64(held*1000))
	return best, nil
}

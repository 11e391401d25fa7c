// Command bench measures the programs of this repository on this machine and
// writes docs/benchmarks.md; scripts/bench.sh builds what it needs and runs it.
//
// It uses CPU time rather than time, wherever that says the same, and takes the
// kinds of runs in turns, so that a machine that is busy for a while does not
// favour one of them. It ends every program it starts.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

var (
	dir  = flag.String("dir", "", "`folder` with sonde, sonde-agent, wire.test and spool.test, for scratch data too")
	runs = flag.Int("runs", 5, "how many runs of each kind")
	out  = flag.String("out", "docs/benchmarks.md", "`file` to write")
	part = flag.String("part", "", "print the figures of the `step` of this name alone, and write nothing")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	once := steps(ctx)
	if *part != "" {
		return runPart(append(once, rounds(ctx, 1)...))
	}
	r := make(results)
	for i := range *runs {
		for _, step := range rounds(ctx, *runs) {
			if err := r.take(step, fmt.Sprintf("round %d of %d: ", i+1, *runs)); err != nil {
				return err
			}
		}
	}
	for _, step := range once {
		if err := r.take(step, ""); err != nil {
			return err
		}
	}
	text, err := report(ctx, r)
	if err != nil {
		return err
	}
	fmt.Print(text)
	return os.WriteFile(*out, []byte(text), 0o644)
}

// step measures some figures; their names begin with prefix.
type step struct {
	name, prefix string
	run          func() (results, error)
}

// take adds the figures of a step.
func (r results) take(s step, when string) error {
	progress("%s%s", when, s.name)
	more, err := s.run()
	if err != nil {
		return fmt.Errorf("%s%s: %w", when, s.name, err)
	}
	r.merge(more.prefixed(s.prefix))
	return nil
}

// runPart takes one step and prints its figures as they are.
func runPart(all []step) error {
	var names []string
	for _, s := range all {
		if s.name != *part {
			names = append(names, s.name)
			continue
		}
		r := make(results)
		if err := r.take(s, ""); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(r)) {
			fmt.Printf("%s: %s\n", name, r.text(name, 1, 3, ""))
		}
		return nil
	}
	return fmt.Errorf("part %q is none of %q", *part, names)
}

// steps are those that are taken once, whatever they repeat by themselves.
func steps(ctx context.Context) []step {
	return []step{
		{"bytes on sockets, 1 s", "1s counted: ", func() (results, error) { return ingest(ctx, *dir, everySecond, true) }},
		{"bytes on sockets, 10 s", "10s counted: ", func() (results, error) { return ingest(ctx, *dir, everyTenSeconds, true) }},
		{"idle agents", "idle agents: ", func() (results, error) { return ingest(ctx, *dir, idleAgents, false) }},
		{"changes of the configuration", "", func() (results, error) { return changes(ctx, *dir, "/dev/shm") }},
		{"the same on a disk", "on a disk: ", func() (results, error) { return changes(ctx, *dir, *dir) }},
		{"queries", "", func() (results, error) { return queries(ctx, *dir, 100, 2**runs) }},
		{"encoding", "", func() (results, error) { return encoding(ctx, *dir, *runs) }},
		{"spool", "spool: ", func() (results, error) { return spooling(ctx, *dir, *runs) }},
		{"storm", "storm: ", func() (results, error) { return storm(ctx, *dir, stormAgents, stormAway) }},
	}
}

const (
	stormAgents = 1000
	stormAway   = 10 * time.Second
)

var (
	everySecond     = load{agents: 100, series: 200, submission: time.Second, window: 10 * time.Second}
	everyTenSeconds = load{agents: 100, series: 200, submission: 10 * time.Second, window: 10 * time.Second}
	idleAgents      = load{agents: 1000, series: 1, submission: time.Second, window: 5 * time.Second}
)

// rounds are the steps that are repeated, in turns.
func rounds(ctx context.Context, of int) []step {
	window := 30 * time.Second
	if of == 1 {
		window = 10 * time.Second
	}
	return []step{
		{"load, 1 s", "1s: ", func() (results, error) { return ingest(ctx, *dir, everySecond, false) }},
		{"load, 10 s", "10s: ", func() (results, error) { return ingest(ctx, *dir, everyTenSeconds, false) }},
		{"agent", "", func() (results, error) { return agent(ctx, *dir, window) }},
	}
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

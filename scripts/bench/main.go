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
	"os"
	"os/signal"
	"syscall"
	"time"
)

var (
	dir  = flag.String("dir", "", "`folder` with sonde, sonde-agent and wire.test, for scratch data too")
	runs = flag.Int("runs", 5, "how many runs of each kind")
	out  = flag.String("out", "docs/benchmarks.md", "`file` to write")
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
	r := make(results)
	for i := range *runs {
		if err := round(ctx, r, i, *runs); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		name string
		run  func() (results, error)
	}{
		{"bytes on sockets, 1 s", counted(ctx, everySecond)},
		{"bytes on sockets, 10 s", counted(ctx, everyTenSeconds)},
		{"idle agents", func() (results, error) {
			r, err := ingest(ctx, *dir, idleAgents, false)
			return r.prefixed("idle agents: "), err
		}},
		{"changes of the configuration", func() (results, error) { return changes(ctx, *dir, "/dev/shm") }},
		{"the same on a disk", func() (results, error) {
			r, err := changes(ctx, *dir, *dir)
			return r.prefixed("on a disk: "), err
		}},
		{"queries", func() (results, error) { return queries(ctx, *dir, 100, 2**runs) }},
		{"encoding", func() (results, error) { return encoding(ctx, *dir, *runs) }},
	} {
		progress("%s", step.name)
		more, err := step.run()
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		r.merge(more)
	}
	text, err := report(ctx, r)
	if err != nil {
		return err
	}
	fmt.Print(text)
	return os.WriteFile(*out, []byte(text), 0o644)
}

var (
	everySecond     = load{agents: 100, series: 200, submission: time.Second, window: 10 * time.Second}
	everyTenSeconds = load{agents: 100, series: 200, submission: 10 * time.Second, window: 10 * time.Second}
	idleAgents      = load{agents: 1000, series: 1, submission: time.Second, window: 5 * time.Second}
)

// round takes one run of each kind that is repeated.
func round(ctx context.Context, r results, i, of int) error {
	window := 30 * time.Second
	if of == 1 {
		window = 10 * time.Second
	}
	for _, step := range []struct {
		name string
		run  func() (results, error)
	}{
		{"1s: ", func() (results, error) { return ingest(ctx, *dir, everySecond, false) }},
		{"10s: ", func() (results, error) { return ingest(ctx, *dir, everyTenSeconds, false) }},
		{"", func() (results, error) { return agent(ctx, *dir, window) }},
	} {
		progress("round %d of %d: %s", i+1, of, step.name)
		more, err := step.run()
		if err != nil {
			return fmt.Errorf("%sround %d: %w", step.name, i+1, err)
		}
		r.merge(more.prefixed(step.name))
	}
	return nil
}

// counted runs a load once, through the proxy.
func counted(ctx context.Context, l load) func() (results, error) {
	return func() (results, error) {
		r, err := ingest(ctx, *dir, l, true)
		if err != nil {
			return nil, err
		}
		prefix := fmt.Sprintf("%v counted: ", l.submission)
		return r.prefixed(prefix), nil
	}
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

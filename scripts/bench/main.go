// Command bench measures the programs of this repository on this machine and
// writes docs/benchmarks.md; scripts/bench.sh builds what it needs and runs it.
//
// It uses CPU time rather than time, wherever that says the same, and takes the
// kinds of runs in turns, so that a machine that is busy for a while does not
// favour one of them. It ends every program it starts.
package main

import (
	"context"
	"errors"
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
	dir    = flag.String("dir", "", "`folder` with sonde, sonde-agent, wire.test, spool.test and probe.test, for scratch data too")
	runs   = flag.Int("runs", 5, "how many runs of each kind")
	out    = flag.String("out", "docs/benchmarks.md", "`file` to write")
	stores = flag.String("stores", "", "`folder` with prometheus and victoria-metrics, which scripts/stores.sh builds")
	web    = flag.Bool("web", false, "whether sonde has the web application in it")
	part   = flag.String("part", "", "print the figures of the `step` of this name alone, and write nothing")
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
	if *part != "" {
		return runPart(append(steps(ctx), rounds(ctx)...))
	}
	m := measured{results: make(results)}
	for i := range *runs {
		for _, step := range rounds(ctx) {
			if err := m.take(step, fmt.Sprintf("round %d of %d: ", i+1, *runs)); err != nil {
				return err
			}
		}
	}
	// One that fails does not take the others' figures with it.
	var failed []error
	for _, step := range steps(ctx) {
		err := m.take(step, "")
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			progress("  %v", err)
			failed = append(failed, err)
			m.leftOut = append(m.leftOut, step.name+": failed")
		}
	}
	text := report(ctx, m)
	fmt.Print(text)
	return errors.Join(append(failed, os.WriteFile(*out, []byte(text), 0o644))...)
}

// step measures some figures; their names begin with prefix.
type step struct {
	name, prefix string
	run          func() (results, error)
}

// errLeftOut is the error of a step for which this machine lacks something.
var errLeftOut = errors.New("left out")

// measured is what was, and what could not be.
type measured struct {
	results
	leftOut []string
}

// take adds the figures of a step.
func (m *measured) take(s step, when string) error {
	progress("%s%s", when, s.name)
	more, err := s.run()
	if errors.Is(err, errLeftOut) {
		progress("  %v", err)
		if text := s.name + ": " + err.Error(); !slices.Contains(m.leftOut, text) {
			m.leftOut = append(m.leftOut, text)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s%s: %w", when, s.name, err)
	}
	m.merge(more.prefixed(s.prefix))
	return nil
}

// runPart takes one step and prints its figures as they are.
func runPart(all []step) error {
	i := slices.IndexFunc(all, func(s step) bool { return s.name == *part })
	if i < 0 {
		var names []string
		for _, s := range all {
			names = append(names, s.name)
		}
		return fmt.Errorf("part %q is none of %q", *part, names)
	}
	m := measured{results: make(results)}
	if err := m.take(all[i], ""); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(m.results)) {
		fmt.Printf("%s: %s\n", name, m.text(name, 1, 6, ""))
	}
	return nil
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

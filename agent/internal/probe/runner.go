package probe

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"sonde.dev/sonde/agent/internal/sample"
)

// stats are what a probe has counted. They belong to the probe's series: specs
// that differ only in what no label shows share them. Safe for concurrent use.
type stats struct {
	outcomes  [outcomeCount]atomic.Uint64
	durations []sample.Histogram // by position in kind.phases
}

func newStats(k kind) *stats {
	return &stats{durations: make([]sample.Histogram, len(k.phases))}
}

// runner makes the attempts of one probe in their time.
type runner struct {
	spec   Spec
	kind   kind
	prober prober
	stats  *stats
	log    *slog.Logger

	inFlight atomic.Int32
	// reported has a bit for each outcome that was logged; an outcome that only an
	// operator can change is logged once.
	reported atomic.Uint32

	stop context.CancelFunc
	// done is closed when nothing of the runner runs any more.
	done chan struct{}
}

// run makes attempts until ctx ends, then waits for those in flight. It starts
// when the runner of the same name before it is done: they may share a file.
func (r *runner) run(ctx context.Context, before <-chan struct{}) {
	defer close(r.done)
	if before != nil {
		<-before
	}
	var attempts sync.WaitGroup
	r.schedule(ctx, func() {
		if r.inFlight.Add(1) > r.kind.inFlight {
			r.inFlight.Add(-1)
			r.stats.outcomes[Skipped].Add(1)
			return
		}
		attempts.Go(func() {
			defer r.inFlight.Add(-1)
			r.attempt(ctx)
		})
	})
	attempts.Wait()
	if err := r.prober.close(); err != nil {
		r.log.Warn("closing probe", "probe", r.spec.Name, "err", err)
	}
}

// schedule calls start at the times of the probe until ctx ends. The times are
// multiples of the interval on the wall clock plus the probe's offset. They do
// not drift, and a step of the clock moves them without a burst or a pause.
// Times that passed while the process did not run are counted as skipped.
func (r *runner) schedule(ctx context.Context, start func()) {
	interval := time.Duration(r.spec.Interval)
	offset := phaseOffset(&r.spec)
	now := time.Now()
	wait := untilSlot(now, interval, offset)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		due := now.Add(wait) // on both clocks
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		start()
		now = time.Now()
		if missed := now.Sub(due) / interval; missed > 0 {
			r.stats.outcomes[Skipped].Add(uint64(missed))
		}
		wait = untilSlot(now, interval, offset)
		// Woken a little before the wall clock reaches the time that is served
		// now: the next one is meant.
		if wall := due.Round(0).Sub(now.Round(0)); wall > 0 && wall < interval/2 {
			wait = wall + interval
		}
		timer.Reset(wait)
	}
}

// untilSlot returns the time from now to the next multiple of interval plus
// offset; it is more than 0.
func untilSlot(now time.Time, interval, offset time.Duration) time.Duration {
	return interval - time.Duration((now.UnixNano()-int64(offset))%int64(interval))
}

// phaseOffset returns where in its interval a probe starts: always at the same
// place, in the first second of the interval, and apart from the interval's
// ends, where the collectors run.
//
// To wake an idle process costs more than an attempt does, so probes which do
// not disturb each other start together in the middle. The others are spread by
// their names.
func phaseOffset(s *Spec) time.Duration {
	window := min(time.Duration(s.Interval), time.Second)
	if kinds[s.Kind].together {
		return window / 2
	}
	return window/8 + time.Duration(xxhash.Sum64String(s.Name)%uint64(window*3/4))
}

// attempt makes one attempt and counts it. One that the end of the runner
// interrupts says nothing about the target and is not counted.
func (r *runner) attempt(parent context.Context) {
	ctx, cancel := context.WithTimeout(parent, r.spec.timeout())
	defer cancel()
	var a attempt
	outcome, err := r.try(ctx, &a)
	if parent.Err() != nil && outcome != Success {
		return
	}
	if outcome == Success {
		for _, t := range a.timings {
			for i, p := range r.kind.phases {
				if p == t.phase {
					r.stats.durations[i].Record(t.took.Seconds())
				}
			}
		}
	}
	r.stats.outcomes[outcome].Add(1)
	r.report(outcome, err)
}

// try makes one attempt; a panic in it is the outcome error, and an answer that
// took longer than the timeout is a timeout, also when a busy machine noticed the
// end of the timeout only after the answer.
func (r *runner) try(ctx context.Context, a *attempt) (outcome Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			outcome, err = Error, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	outcome, err = r.prober.attempt(ctx, a)
	if outcome == Success && a.longest() > r.spec.timeout() {
		return Timeout, context.DeadlineExceeded
	}
	return outcome, err
}

// report logs the first outcome of each sort that an operator has to know of.
// What the network does is in the counters and not in the log.
func (r *runner) report(outcome Outcome, err error) {
	if outcome != Permission && outcome != Error {
		return
	}
	bit := uint32(1) << outcome
	if r.reported.Or(bit)&bit != 0 {
		return
	}
	r.log.Warn("probe cannot measure; further failures of this sort are only counted",
		"probe", r.spec.Name, "kind", r.spec.Kind, "target", r.spec.Target, "outcome", outcome.String(), "err", err)
}

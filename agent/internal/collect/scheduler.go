package collect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sonde.dev/sonde/agent/internal/sample"
)

// Scheduler runs collectors. Each has a goroutine of its own, so that one which is
// slow or hangs delays no other. Its methods may be called concurrently, except
// Add, which belongs to the time before Run.
type Scheduler struct {
	log *slog.Logger
	now func() time.Time // the wall clock

	sinkMu sync.Mutex // makes the calls of sink serial
	sink   func(sample.Tick)

	samples atomic.Uint64

	wake chan struct{} // capacity 1: the plan has changed

	entries []*entry // fixed before Run

	mu      sync.Mutex // guards what follows, and cadence and enabled of entries
	running bool
	polled  time.Time // when dispatch was last called, by the monotonic clock
}

// entry is a collector in a scheduler.
type entry struct {
	collector Collector
	work      chan job // capacity 1; sent to only by who has set busy

	enabled bool    // guarded by Scheduler.mu
	cadence cadence // guarded by Scheduler.mu

	busy   atomic.Bool
	absent atomic.Bool

	ticks, late, missed, failures atomic.Uint64
	nanos                         atomic.Int64
	ignored                       atomic.Int64

	// Owned by the entry's goroutine.
	stamp     stamp
	row       Row
	failing   bool
	succeeded bool
}

// job is the order to run once.
type job struct {
	due, interval int64
}

// NewScheduler returns a scheduler of collectors, each on at its default interval.
// It hands every tick to sink, one call at a time, from the collectors' goroutines:
// a sink that blocks delays them all.
func NewScheduler(log *slog.Logger, sink func(sample.Tick), collectors ...Collector) *Scheduler {
	s := &Scheduler{log: log, sink: sink, now: time.Now, wake: make(chan struct{}, 1)}
	s.Add(collectors...)
	return s
}

// Add adds collectors. It panics when the scheduler runs already or has a
// collector of the same name: both are mistakes in the program.
func (s *Scheduler) Add(collectors ...Collector) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		panic("collect: Add while running")
	}
	for _, c := range collectors {
		if s.entry(c.Name()) != nil {
			panic("collect: two collectors are named " + c.Name())
		}
		s.entries = append(s.entries, &entry{
			collector: c,
			work:      make(chan job, 1),
			enabled:   true,
			cadence:   cadence{interval: c.Interval().Milliseconds()},
		})
	}
}

func (s *Scheduler) entry(name string) *entry {
	for _, e := range s.entries {
		if e.collector.Name() == name {
			return e
		}
	}
	return nil
}

// Apply puts a configuration in force, at once and as a whole: an error names
// each key that is wrong and leaves everything as it was. Collectors whose setting
// stays the same do not notice. One whose interval changes runs next at the next
// multiple of the new interval.
func (s *Scheduler) Apply(config Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := config.Validate()
	for _, name := range slices.Sorted(maps.Keys(config.Collectors)) {
		if s.entry(name) == nil {
			err = errors.Join(err, fmt.Errorf("collectors.%s: no such collector", name))
		}
	}
	if err != nil {
		return err
	}
	now := s.now()
	if s.running { // what is due is due under the old settings
		s.dispatch(now)
	}
	for _, e := range s.entries {
		setting, found := config.Collectors[e.collector.Name()]
		if !found {
			setting.Enabled = true
		}
		if setting.Interval == 0 {
			setting.Interval = e.collector.Interval()
		}
		interval := setting.Interval.Milliseconds()
		switch {
		case setting.Enabled && !e.enabled:
			e.cadence = start(now.UnixMilli(), interval)
		case interval != e.cadence.interval:
			e.cadence = change(now.UnixMilli(), interval)
		}
		e.enabled = setting.Enabled
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// maxSleep bounds how long a clock that was set goes unnoticed.
const maxSleep = time.Second

// Run runs the collectors until ctx ends, waits for those that run, and returns
// the cause of ctx's end. It must be called once.
func (s *Scheduler) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	s.mu.Lock()
	now := s.now().UnixMilli()
	for _, e := range s.entries {
		e.cadence = start(now, e.cadence.interval)
		workers.Go(func() { s.work(e) })
	}
	s.running, s.polled = true, time.Now()
	s.mu.Unlock()

	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		if ctx.Err() != nil {
			break
		}
		s.mu.Lock()
		sleep := s.dispatch(s.now())
		s.mu.Unlock()
		timer.Reset(sleep)
	}

	s.mu.Lock()
	s.running = false
	for _, e := range s.entries {
		close(e.work)
	}
	s.mu.Unlock()
	workers.Wait()
	return context.Cause(ctx)
}

// dispatch orders the runs that are due, and returns how long until the next.
// The caller holds mu.
func (s *Scheduler) dispatch(now time.Time) time.Duration {
	at := now.UnixMilli()
	elapsed := time.Since(s.polled).Milliseconds()
	s.polled = time.Now()
	sleep := maxSleep
	for _, e := range s.entries {
		if !e.enabled || e.absent.Load() {
			continue
		}
		due, missed, run := e.cadence.poll(at, elapsed)
		if run && !e.busy.CompareAndSwap(false, true) {
			missed, run = missed+1, false
		}
		e.missed.Add(uint64(missed))
		if run {
			e.work <- job{due: due, interval: e.cadence.interval}
		}
		sleep = min(sleep, time.Duration(e.cadence.next*int64(time.Millisecond)-now.UnixNano()))
	}
	return max(sleep, 0)
}

func (s *Scheduler) work(e *entry) {
	for job := range e.work {
		s.run(e, job)
		e.busy.Store(false)
	}
}

func (s *Scheduler) run(e *entry, job job) {
	at, late, ok := e.stamp.give(s.now().UnixMilli(), job.due, job.interval)
	if !ok {
		e.missed.Add(1)
		return
	}
	if late {
		e.late.Add(1)
	}
	began := time.Now()
	tick, ok, err := e.collect(at)
	e.nanos.Add(int64(time.Since(began)))
	e.ticks.Add(1)
	e.ignored.Store(int64(e.row.ignored))
	if err != nil {
		s.failed(e, err)
		return
	}
	e.succeeded = true
	if e.failing {
		e.failing = false
		s.log.Info("collector works again", "collector", e.collector.Name())
	}
	if !ok {
		return
	}
	s.samples.Add(uint64(len(tick.Floats) + len(tick.Distributions)))
	s.sinkMu.Lock()
	defer s.sinkMu.Unlock()
	s.sink(tick)
}

// collect runs the collector once; a panic of it becomes an error.
func (e *entry) collect(at int64) (tick sample.Tick, ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	e.row = Row{}
	if err := e.collector.Collect(time.UnixMilli(at), &e.row); err != nil {
		return sample.Tick{}, false, err
	}
	return e.row.tick(at)
}

// failed counts a failure, and logs it unless the run before failed too.
func (s *Scheduler) failed(e *entry, err error) {
	if !e.succeeded && !e.failing && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP)) {
		e.absent.Store(true)
		s.log.Info("nothing here for a collector to measure", "collector", e.collector.Name(), "reason", err)
		return
	}
	e.failures.Add(1)
	if !e.failing {
		e.failing = true
		s.log.Warn("collector fails", "collector", e.collector.Name(), "error", err)
	}
}

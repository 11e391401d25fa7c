package collect

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"sonde.dev/sonde/agent/internal/sample"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// fake is a collector of one series; do is run at each tick.
type fake struct {
	every
	schema *sample.Schema
	do     func() error
}

func newFake(name string, interval time.Duration, do func() error) *fake {
	return &fake{every{name, interval}, sample.NewSchema([]sample.Series{series(name)}), do}
}

func (f *fake) Collect(_ time.Time, row *Row) error {
	if f.do != nil {
		if err := f.do(); err != nil {
			return err
		}
	}
	row.Begin(f.schema)
	row.Float(1)
	return nil
}

// bench is a scheduler in a bubble of synctest, with a clock that can be set.
type bench struct {
	*Scheduler
	logged bytes.Buffer
	stop   func()

	mu     sync.Mutex
	offset time.Duration
	times  map[string][]int64 // of ticks, relative to base, by series
	base   int64
}

// run starts a scheduler 300 ms after a whole minute.
func run(t *testing.T, collectors ...Collector) *bench {
	b := &bench{times: make(map[string][]int64)}
	b.base = time.Now().UnixMilli() // midnight, in a bubble
	time.Sleep(300 * time.Millisecond)
	log := slog.New(slog.NewTextHandler(&b.logged, nil))
	b.Scheduler = NewScheduler(log, b.sink, collectors...)
	b.now = func() time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		return time.Now().Add(b.offset)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	}
	synctest.Wait()
	return b
}

func (b *bench) sink(tick sample.Tick) {
	name := tick.Schema.Series[0].Name
	b.mu.Lock()
	defer b.mu.Unlock()
	b.times[name] = append(b.times[name], tick.Time-b.base)
}

func (b *bench) setClock(by time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offset += by
}

// take returns the times of the ticks since the last call.
func (b *bench) take(name string) []int64 {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	times := b.times[name]
	delete(b.times, name)
	return times
}

func (b *bench) stat(t *testing.T, name string) Stat {
	t.Helper()
	for _, s := range b.Stats(nil) {
		if s.Collector == name {
			return s
		}
	}
	t.Fatalf("no collector %s", name)
	return Stat{}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAligned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, newFake("fast", 100*time.Millisecond, nil), newFake("second", time.Second, nil), newFake("slow", 10*time.Second, nil))
		time.Sleep(400 * time.Millisecond)
		equal(t, "fast", b.take("fast"), []int64{400, 500, 600, 700})
		time.Sleep(20 * time.Second)
		equal(t, "slow", b.take("slow"), []int64{1000, 10_000, 20_000})
		second := b.take("second")
		for i, at := range second {
			equal(t, "second", at, int64(i+1)*1000)
		}
		equal(t, "ticks", b.stat(t, "second"), Stat{Collector: "second", Ticks: 20})
		b.stop()
	})
}

// A collector that hangs delays no other, and each tick it misses is counted as
// it passes.
func TestHangingCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := run(t, newFake("hangs", time.Second, func() error { <-release; return nil }), newFake("other", time.Second, nil))
		time.Sleep(5 * time.Second)
		equal(t, "other", b.take("other"), []int64{1000, 2000, 3000, 4000, 5000})
		equal(t, "hanging", b.take("hangs"), nil)
		equal(t, "missed", b.stat(t, "hangs").Missed, 4)
		close(release)
		time.Sleep(time.Second)
		equal(t, "after", b.take("hangs"), []int64{1000, 6000})
		b.stop()
	})
}

func TestSlowCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, newFake("slow", time.Second, func() error { time.Sleep(1500 * time.Millisecond); return nil }))
		time.Sleep(6 * time.Second)
		equal(t, "times", b.take("slow"), []int64{1000, 3000})
		equal(t, "missed", b.stat(t, "slow").Missed, 3) // 2 s, 4 s and 6 s
		time.Sleep(time.Second)                         // the run of 5 s ended at 6.5 s
		b.stop()
	})
}

func TestClockSetForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, newFake("c", time.Second, nil))
		time.Sleep(2 * time.Second)
		b.setClock(time.Hour)
		time.Sleep(2 * time.Second)
		hour := time.Hour.Milliseconds()
		equal(t, "times", b.take("c"), []int64{1000, 2000, hour + 3000, hour + 4000})
		equal(t, "missed", b.stat(t, "c").Missed, uint64(hour/1000))
		b.stop()
	})
}

func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, newFake("c", time.Second, nil))
		time.Sleep(8 * time.Second)
		b.setClock(-5 * time.Second) // at 8.3 s
		time.Sleep(7 * time.Second)
		equal(t, "a little", b.take("c"), []int64{1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10_000})
		equal(t, "missed", b.stat(t, "c").Missed, 5) // 4 s to 8 s for the second time
		time.Sleep(20 * time.Second)
		b.take("c")
		b.setClock(-25 * time.Second) // at 30.3 s
		time.Sleep(3 * time.Second)
		equal(t, "far", b.take("c"), []int64{6001, 7001, 8001})
		equal(t, "missed", b.stat(t, "c").Missed, 5)
		b.stop()
	})
}

// Long intervals must notice a clock that was set, not sleep through it.
func TestClockSetWithLongInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, newFake("c", time.Hour, nil))
		time.Sleep(2 * time.Second)
		b.setClock(time.Hour - 4*time.Second)
		time.Sleep(2 * time.Second)
		equal(t, "times", b.take("c"), []int64{1000, time.Hour.Milliseconds()})
		b.stop()
	})
}

func TestApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, newFake("a", time.Second, nil), newFake("b", time.Second, nil))
		apply := func(settings map[string]Setting) {
			t.Helper()
			if err := b.Apply(Config{settings}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second) // 2.3 s
		apply(map[string]Setting{"a": {true, 5 * time.Second}})
		time.Sleep(8 * time.Second)
		equal(t, "longer", b.take("a"), []int64{1000, 2000, 5000, 10_000})
		apply(map[string]Setting{"a": {true, 500 * time.Millisecond}, "b": {Enabled: false}})
		equal(t, "untouched", len(b.take("b")), 10)
		time.Sleep(time.Second) // 11.3 s
		equal(t, "shorter", b.take("a"), []int64{10_500, 11_000})
		equal(t, "off", b.take("b"), nil)
		apply(nil)
		time.Sleep(700 * time.Millisecond) // 12 s exactly: both are due now
		apply(map[string]Setting{"a": {true, 2 * time.Second}, "b": {Enabled: false}})
		time.Sleep(2 * time.Second)
		equal(t, "changed as it was due", b.take("a"), []int64{12_000, 14_000})
		equal(t, "off as it was due", b.take("b"), []int64{12_000})
		equal(t, "missed", b.stat(t, "b").Missed, 0)

		err := b.Apply(Config{map[string]Setting{"a": {true, time.Millisecond}, "b": {Enabled: true}, "x": {}}})
		if err == nil || err.Error() != "collectors.a.interval: 1ms is shorter than 100ms\ncollectors.x: no such collector" {
			t.Errorf("a bad configuration: %v", err)
		}
		time.Sleep(2 * time.Second)
		equal(t, "nothing of a bad configuration", b.take("b"), nil)
		b.stop()
	})
}

func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, m := 0, 0
		b := run(t,
			newFake("flaky", time.Second, func() error {
				n++
				switch n {
				case 2, 3:
					return errors.New("broken")
				case 5:
					panic("lost")
				}
				return nil
			}),
			newFake("none", time.Second, func() error { return &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist} }),
			newFake("gone", time.Second, func() error {
				if m++; m > 2 {
					return fs.ErrNotExist
				}
				return nil
			}),
		)
		time.Sleep(6 * time.Second)
		equal(t, "times", b.take("flaky"), []int64{1000, 4000, 6000})
		equal(t, "failures", b.stat(t, "flaky").Failures, 3)
		none := b.stat(t, "none")
		equal(t, "absent", none.Absent, true)
		equal(t, "runs of what is absent", none.Ticks, 1)
		equal(t, "failures of what is absent", none.Failures, 0)
		if gone := b.stat(t, "gone"); gone.Absent || gone.Failures == 0 {
			t.Errorf("what went away later is a failure: %+v", gone)
		}
		b.stop()
		for text, want := range map[string]int{
			"error=broken": 1, "panic: lost": 1, `"collector works again"`: 2, "nothing here for a collector": 1,
		} {
			equal(t, "logged "+text, strings.Count(b.logged.String(), text), want)
		}
	})
}

func TestIncompleteRow(t *testing.T) {
	schema := sample.NewSchema([]sample.Series{series("a"), series("b"), {Name: "c", Kind: sample.Distribution}})
	var row Row
	row.Begin(schema)
	row.Float(1)
	row.Distribution(sample.Snapshot{Count: 1})
	if _, ok, err := row.tick(0); ok || err == nil {
		t.Errorf("a value short: %v", err)
	}
	row.Float(2)
	tick, ok, err := row.tick(5)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	equal(t, "tick", tick.Distributions, []sample.Snapshot{{Count: 1}})
}

// A run that is under way when ctx ends is waited for and its tick handed on.
func TestRunWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, newFake("c", time.Second, func() error { time.Sleep(600 * time.Millisecond); return nil }))
		time.Sleep(time.Second)
		b.stop()
		equal(t, "times", b.take("c"), []int64{1000})
	})
}

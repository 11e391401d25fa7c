package collect

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestChangesKeepEveryTick changes intervals and turns collectors off and on at
// any moment, those at which they are due among them, and wants each tick once
// that was due under the settings in force at its time. A tick that is due at the
// moment of a change is due under the settings before it.
func TestChangesKeepEveryTick(t *testing.T) {
	names := []string{"a", "b", "c"}
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			var collectors []Collector
			plans := make(map[string]*due)
			for _, name := range names {
				collectors = append(collectors, newFake(name, time.Second, nil))
			}
			b := run(t, collectors...)
			now := func() int64 { return time.Now().UnixMilli() - b.base }
			for _, name := range names {
				plans[name] = &due{interval: 1000, next: 1000}
			}
			for range 200 {
				switch random.IntN(3) {
				case 0: // at once: two changes at one moment
				case 1:
					time.Sleep(time.Duration(random.IntN(2500)) * time.Millisecond)
				case 2: // when many are due
					time.Sleep(time.Duration(100-now()%100+100*random.Int64N(20)) * time.Millisecond)
				}
				config := Config{Collectors: make(map[string]Setting)}
				for _, name := range names {
					s := Setting{Enabled: random.IntN(5) > 0, Interval: pick(random) * time.Millisecond}
					if random.IntN(3) == 0 { // as it is
						s = Setting{Enabled: !plans[name].off, Interval: time.Duration(plans[name].interval) * time.Millisecond}
					}
					config.Collectors[name] = s
				}
				for name, s := range config.Collectors {
					plans[name].change(now(), s)
				}
				if err := b.Apply(config); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(20 * time.Second)
			for _, name := range names {
				plans[name].until(now())
				got := b.take(name)
				if diff := cmp.Diff(plans[name].ticks, got); diff != "" {
					t.Errorf("seed %d: ticks of %s (-due +got):\n%s", seed, name, diff)
				}
				if s := b.stat(t, name); s.Missed != 0 || s.Late != 0 || s.Ticks != uint64(len(got)) {
					t.Errorf("seed %d: %s counted %+v for %d ticks", seed, name, s, len(got))
				}
			}
			b.stop()
		})
	}
}

func pick(random *rand.Rand) time.Duration {
	intervals := []time.Duration{100, 101, 200, 250, 300, 700, 1000, 1500, 10_000}
	return intervals[random.IntN(len(intervals))]
}

// due says by the simplest means at which milliseconds a collector is due.
type due struct {
	interval, next int64
	off            bool
	ticks          []int64
}

// until takes the ticks up to a time, that one included.
func (d *due) until(at int64) {
	for ; !d.off && d.next <= at; d.next = multiple(d.next, d.interval) {
		d.ticks = append(d.ticks, d.next)
	}
}

func (d *due) change(at int64, s Setting) {
	d.until(at)
	interval := s.Interval.Milliseconds()
	switch {
	case d.off && s.Enabled: // soon, to have something to show
		d.next = multiple(at, min(interval, 1000))
	case interval != d.interval:
		d.next = multiple(at, interval)
	}
	d.interval, d.off = interval, !s.Enabled
}

// multiple returns the first multiple of interval after at. The clock of a bubble
// begins at midnight of 2000, a multiple of none but the whole intervals, so they
// are counted from 1970.
func multiple(at, interval int64) int64 {
	base := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	return (at+base)/interval*interval + interval - base
}

package probe

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/agent/internal/collect"
	"sonde.dev/sonde/agent/internal/sample"
)

var _ collect.Collector = (*Set)(nil)

// pinger is a Pinger whose answers take as long as the function says.
type pinger func(ctx context.Context) (time.Duration, error)

func (p pinger) Ping(ctx context.Context) (time.Duration, error) { return p(ctx) }

// after answers after d, which it also measures.
func after(d time.Duration) pinger {
	return func(ctx context.Context) (time.Duration, error) {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(d):
			return d, nil
		}
	}
}

// tick is a row that remembers.
type tick struct {
	schema    *sample.Schema
	floats    []float64
	snapshots []sample.Snapshot
}

func (r *tick) Begin(s *sample.Schema)         { *r = tick{schema: s} }
func (r *tick) Float(v float64)                { r.floats = append(r.floats, v) }
func (r *tick) Distribution(s sample.Snapshot) { r.snapshots = append(r.snapshots, s) }

// attempts returns the attempts of a probe by outcome, without the zeros.
func (r *tick) attempts(probe string) map[string]float64 {
	counts, next := map[string]float64{}, 0
	for _, s := range r.schema.Series {
		if s.Kind != sample.Float {
			continue
		}
		if v := r.floats[next]; v > 0 && label(s, "probe") == probe {
			counts[label(s, "outcome")] = v
		}
		next++
	}
	return counts
}

// duration returns the distribution of the only phase of a probe.
func (r *tick) duration(probe string) sample.Snapshot {
	next := 0
	for _, s := range r.schema.Series {
		if s.Kind != sample.Distribution {
			continue
		}
		if label(s, "probe") == probe {
			return r.snapshots[next]
		}
		next++
	}
	return sample.Snapshot{}
}

func label(s sample.Series, name string) string {
	for _, l := range s.Labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

func report(s *Set) *tick {
	var r tick
	s.report(&r)
	return &r
}

func rtt(name string, interval time.Duration) Spec {
	return Spec{Name: name, Kind: RTT, Target: "server", Interval: Duration(interval)}
}

// start runs a set in the bubble; the returned function stops it and waits.
func start(t *testing.T, s *Set) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	synctest.Wait()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func apply(t *testing.T, s *Set, specs ...Spec) {
	t.Helper()
	if err := s.Apply(specs); err != nil {
		t.Fatal(err)
	}
}

// TestOpenLoop has answers that take longer than the interval, and expects every
// attempt to start in its time all the same.
func TestOpenLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = time.Second
		var mu sync.Mutex
		var starts []time.Time
		s := NewSet(Config{Pinger: pinger(func(ctx context.Context) (time.Duration, error) {
			mu.Lock()
			starts = append(starts, time.Now())
			mu.Unlock()
			return after(3500 * time.Millisecond)(ctx)
		})})
		apply(t, s, rtt("slow", interval))
		stop := start(t, s)
		time.Sleep(60 * time.Second)
		stop()

		if len(starts) != 60 {
			t.Fatalf("%d attempts in 60 s, want 60", len(starts))
		}
		spec := rtt("slow", interval)
		offset := phaseOffset(&spec)
		for _, at := range starts {
			if got := time.Duration(at.UnixNano() % int64(interval)); got != offset {
				t.Errorf("attempt %v after the full second, want %v", got, offset)
			}
		}
		r := report(s)
		// The last four had no time to be answered, or three with a late offset.
		got := r.attempts("slow")["success"]
		if got != 56 && got != 57 || len(r.attempts("slow")) != 1 {
			t.Errorf("attempts %v, want 56 or 57 successes", r.attempts("slow"))
		}
		if d := r.duration("slow"); d.Count != uint64(got) || d.Sum != 3.5*got {
			t.Errorf("durations: count %d, sum %v", d.Count, d.Sum)
		}
	})
}

func TestLossIsNoLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		s := NewSet(Config{Pinger: pinger(func(ctx context.Context) (time.Duration, error) {
			switch n.Add(1) % 4 {
			case 0:
				return 0, errors.New("not connected")
			case 1:
				<-ctx.Done()
				return time.Second, ctx.Err()
			case 2:
				panic("broken")
			}
			return 25 * time.Millisecond, nil
		})})
		apply(t, s, rtt("lossy", time.Second))
		stop := start(t, s)
		time.Sleep(40*time.Second + 6*time.Second)
		r := report(s)
		stop()
		want := map[string]float64{"success": 11, "timeout": 11, "error": 12, "unreachable": 11}
		// What is in flight for 5 s at most counts when it is over.
		got := r.attempts("lossy")
		for outcome, n := range want {
			if got[outcome] < n-1 || got[outcome] > n+1 {
				t.Errorf("%s: %v, want %v or so", outcome, got[outcome], n)
			}
		}
		if d := r.duration("lossy"); d.Count != uint64(got["success"]) {
			t.Errorf("%d durations of %v successes", d.Count, got["success"])
		}
	})
}

func TestAttemptsInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSet(Config{Pinger: after(time.Hour)})
		spec := rtt("stuck", 100*time.Millisecond)
		spec.Timeout = Duration(10 * time.Second)
		apply(t, s, spec)
		stop := start(t, s)
		time.Sleep(9 * time.Second)
		if got, want := report(s).attempts("stuck"), (map[string]float64{"skipped": 90 - networkInFlight}); !cmp.Equal(want, got) {
			t.Errorf("before the timeout: %v, want %v", got, want)
		}
		time.Sleep(20 * time.Second)
		got := report(s).attempts("stuck")
		if got["timeout"] != 2*networkInFlight {
			t.Errorf("after two timeouts: %v", got)
		}
		stop()
		if after := report(s).attempts("stuck"); !cmp.Equal(got, after) {
			t.Errorf("stopping counted: %v, before %v", after, got)
		}
	})
}

func TestTimesThatPassedAreSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &runner{spec: rtt("held-up", time.Second), stats: &stats{}}
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		r.schedule(ctx, func() {
			if n++; n == 3 {
				time.Sleep(4500 * time.Millisecond) // as if the process was stopped
			}
			if n == 6 {
				cancel()
			}
		})
		if got := r.stats.outcomes[Skipped].Load(); got != 4 {
			t.Errorf("%d skipped, want 4", got)
		}
	})
}

func TestUntilSlot(t *testing.T) {
	at := func(ms int64) time.Time { return time.UnixMilli(ms) }
	for _, c := range []struct {
		now              int64
		interval, offset time.Duration
		want             time.Duration
	}{
		{10_000, time.Second, 250 * time.Millisecond, 250 * time.Millisecond},
		{10_250, time.Second, 250 * time.Millisecond, time.Second},
		{10_251, time.Second, 250 * time.Millisecond, 999 * time.Millisecond},
		{10_999, 100 * time.Millisecond, 50 * time.Millisecond, 51 * time.Millisecond},
		{7_200_500, time.Hour, 500 * time.Millisecond, time.Hour},
	} {
		if got := untilSlot(at(c.now), c.interval, c.offset); got != c.want {
			t.Errorf("at %d ms, every %v at %v: %v, want %v", c.now, c.interval, c.offset, got, c.want)
		}
	}
}

func TestPhaseOffset(t *testing.T) {
	seen := map[time.Duration]bool{}
	for _, interval := range []time.Duration{MinInterval, time.Second, MaxInterval} {
		window := min(interval, time.Second)
		for _, name := range []string{"server", "x", "backup-server"} {
			spec := rtt(name, interval)
			got := phaseOffset(&spec)
			if got < window/8 || got >= window*7/8 {
				t.Errorf("%s every %v starts at %v", name, interval, got)
			}
			seen[got] = true
			spec.Kind = TCP
			if got := phaseOffset(&spec); got != window/2 {
				t.Errorf("a probe of kind tcp every %v starts at %v", interval, got)
			}
		}
	}
	if len(seen) < 6 {
		t.Errorf("only %d different starts", len(seen))
	}
}

func TestApplyWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSet(Config{Pinger: after(time.Millisecond)})
		apply(t, s, rtt("stays", time.Second), rtt("faster", time.Second), rtt("moves", time.Second), rtt("goes", time.Second))
		stop := start(t, s)
		time.Sleep(10 * time.Second)
		first := report(s)
		for _, name := range []string{"stays", "faster", "moves", "goes"} {
			if got := first.attempts(name)["success"]; got != 10 {
				t.Errorf("%s: %v attempts in 10 s", name, got)
			}
		}
		moved := rtt("moves", time.Second)
		moved.Target = "elsewhere"
		apply(t, s, rtt("stays", time.Second), rtt("faster", 500*time.Millisecond), moved, rtt("comes", time.Second))
		time.Sleep(10 * time.Second)
		second := report(s)
		for name, want := range map[string]float64{"stays": 20, "faster": 30, "moves": 10, "goes": 0, "comes": 10} {
			if got := second.attempts(name)["success"]; got != want {
				t.Errorf("%s: %v attempts, want %v", name, got, want)
			}
		}
		if first.schema == second.schema {
			t.Error("the schema is the same with other series")
		}
		// Another timing changes no series.
		apply(t, s, moved, rtt("comes", time.Second), rtt("stays", 2*time.Second), rtt("faster", time.Second))
		if report(s).schema != second.schema {
			t.Error("the schema is another with the same series")
		}
		stop()
		if err := s.Apply(nil); !errors.Is(err, ErrStopped) {
			t.Errorf("Apply after Run: %v", err)
		}
	})
}

func TestApplyAllOrNothing(t *testing.T) {
	s := NewSet(Config{})
	apply(t, s, rtt("good", time.Second))
	before := report(s).schema
	for name, specs := range map[string][]Spec{
		"one is wrong": {rtt("good", time.Second), rtt("bad", time.Millisecond)},
		"same name":    {rtt("good", time.Second), rtt("good", 2*time.Second)},
		"too many":     slices.Repeat([]Spec{rtt("good", time.Second)}, MaxProbes+1),
	} {
		if err := s.Apply(specs); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if report(s).schema != before {
		t.Error("a refused configuration changed the probes")
	}
}

// TestFirstReport expects all series at zero before any attempt.
func TestFirstReport(t *testing.T) {
	s := NewSet(Config{})
	specs, err := Defaults(Environment{Server: "http://127.0.0.1:7070", StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, specs...)
	r := report(s)
	if len(r.floats) != r.schema.Floats() || len(r.snapshots) != r.schema.Distributions() {
		t.Fatalf("%d floats and %d distributions, want %d and %d",
			len(r.floats), len(r.snapshots), r.schema.Floats(), r.schema.Distributions())
	}
	var got []string
	for _, series := range r.schema.Series {
		var l []string
		for _, x := range series.Labels {
			l = append(l, x.Name)
		}
		if !slices.IsSorted(l) {
			t.Errorf("labels of %s are not sorted: %v", series.Name, l)
		}
		if label(series, "probe") == "server" {
			got = append(got, strings.TrimPrefix(series.Name, "sonde_probe_")+" "+label(series, "outcome")+label(series, "phase"))
		}
	}
	want := []string{"attempts_total success", "attempts_total timeout", "attempts_total unreachable",
		"attempts_total error", "attempts_total skipped", "duration_seconds total"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("series of the probe server (-want +got):\n%s", diff)
	}
}

// TestScheduler runs the set as a collector among others.
func TestScheduler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSet(Config{Pinger: after(time.Millisecond)})
		apply(t, s, rtt("server", time.Second))
		stop := start(t, s)
		defer stop()
		ctx, cancel := context.WithCancel(t.Context())
		ticks := make(chan sample.Tick, 10)
		scheduler := collect.NewScheduler(slog.New(slog.DiscardHandler), func(t sample.Tick) { ticks <- t }, s)
		done := make(chan struct{})
		go func() {
			defer close(done)
			scheduler.Run(ctx)
		}()
		for {
			if tick := <-ticks; len(tick.Distributions) == 1 && tick.Distributions[0].Count == 2 {
				break
			}
		}
		cancel()
		<-done
	})
}

// TestReportedOnce expects one line for a failure that an operator can end.
func TestReportedOnce(t *testing.T) {
	var log strings.Builder
	r := &runner{spec: rtt("x", time.Second), log: slog.New(slog.NewTextHandler(&log, nil))}
	for range 3 {
		r.report(Timeout, context.DeadlineExceeded)
		r.report(Permission, errICMPPermission)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "CAP_NET_RAW") {
		t.Errorf("log has %d lines:\n%s", n, log.String())
	}
}

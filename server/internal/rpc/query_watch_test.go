package rpc

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/series/query"
)

// watched is a step as a reader saw it: all in seconds since the test began.
type watched struct {
	Step  float64
	After float64 // how long after the step it was sent
	Value float64 // of the first series of the first expression; -1: none
}

// follow runs a watch for a while and returns what it sent.
func follow(t *testing.T, q *Queries, req *sondev1.WatchRequest, d time.Duration) (steps []watched) {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	err := q.watch(ctx, req, func(r *sondev1.WatchResponse) error {
		w := watched{Value: -1}
		step := time.UnixMilli(r.TimeMs)
		w.Step, w.After = step.Sub(began).Seconds(), round(time.Since(step).Seconds())
		if v := r.Results[0].Values; len(v) > 0 {
			w.Value = v[0]
		}
		steps = append(steps, w)
		return nil
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the watch ended with %v", err)
	}
	return steps
}

// codeOf is the code with which an error leaves the server.
func codeOf(err error) connect.Code { return Error(err, "1").Code() }

func round(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }

// push stores, every interval from now on, a sample of "m" whose value is the
// seconds since the test began, as an agent does that reads it at the whole
// second of its own clock and submits delay later. It returns at the end.
func push(m *memory, agent string, n int, interval, delay, skew time.Duration) {
	began := time.Now()
	for i := range n {
		at := began.Add(time.Duration(i) * interval)
		time.Sleep(time.Until(at.Add(delay)))
		m.store(agent, at.Add(skew), float64(i)*interval.Seconds(), "__name__", "m")
	}
}

func check(t *testing.T, got, want []watched) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got)\n%s", diff)
	}
}

func TestWatchByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		q := newTestQueries(t, m)
		var agent sync.WaitGroup
		defer agent.Wait()
		agent.Go(func() { push(m, "a", 4, time.Second, 0, 0) })
		got := follow(t, q, &sondev1.WatchRequest{Exprs: []string{"m"}, StepMs: 1000}, 5500*time.Millisecond)
		check(t, got, []watched{
			{-1, 1, -1}, {0, 1, 0}, {1, 1, 1}, {2, 1, 2}, {3, 1, 3},
			{4, 1, 3}, // may be on its way
		})
	})
}

func TestWatchFollowsAnAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		m.setStatus("a", fleet.Status{ConnectedAt: time.Now(), SubmissionInterval: time.Second})
		q := newTestQueries(t, m)
		var agent sync.WaitGroup
		defer agent.Wait()
		agent.Go(func() {
			push(m, "a", 4, time.Second, 200*time.Millisecond, 0) // 0 … 3
			time.Sleep(6800 * time.Millisecond)                   // silent until 10
			push(m, "a", 3, time.Second, 200*time.Millisecond, 0) // 10 … 12
		})
		got := follow(t, q, &sondev1.WatchRequest{Exprs: []string{"m"}, StepMs: 1000, FollowAgent: "a"}, 12500*time.Millisecond)
		check(t, got, []watched{
			{-2, 2, -1}, {-1, 1.2, -1},
			// As soon as stored.
			{0, 0.2, 0}, {1, 0.2, 1}, {2, 0.2, 2}, {3, 0.2, 3},
			// Silent: never before two seconds. The sample of 3 stands until 6.
			{4, 2, 3}, {5, 2, 3}, {6, 2, -1}, {7, 2, -1},
			// Back: the steps that had to wait come at once.
			{8, 2, -1}, {9, 1.2, -1}, {10, 0.2, 0}, {11, 0.2, 1}, {12, 0.2, 2},
		})
	})
}

func TestWatchFollowsBatchesOfManySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		m.setStatus("a", fleet.Status{ConnectedAt: time.Now(), SubmissionInterval: 5 * time.Second})
		q := newTestQueries(t, m)
		start := time.Now()
		var agent sync.WaitGroup
		defer agent.Wait()
		agent.Go(func() {
			for batch := range 3 {
				time.Sleep(5 * time.Second)
				for i := range 5 {
					s := batch*5 + i
					m.store("a", start.Add(time.Duration(s)*time.Second), float64(s), "__name__", "m")
				}
			}
		})
		got := follow(t, q, &sondev1.WatchRequest{Exprs: []string{"m"}, StepMs: 1000, FollowAgent: "a"}, 12*time.Second)
		for i, w := range got {
			if w.Step >= 0 && w.Value != w.Step {
				t.Errorf("step %v has the value %v", w.Step, w.Value)
			}
			if i > 0 && w.Step != got[i-1].Step+1 {
				t.Errorf("step %v follows on %v", w.Step, got[i-1].Step)
			}
		}
		if last := got[len(got)-1].Step; last != 9 {
			t.Errorf("the last step is %v, want 9, the newest stored", last)
		}
	})
}

func TestWatchFollowsAClockThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		const skew = -30 * time.Second
		m.setStatus("a", fleet.Status{ConnectedAt: time.Now(), SubmissionInterval: time.Second, ClockSkew: skew})
		q := newTestQueries(t, m)
		var agent sync.WaitGroup
		defer agent.Wait()
		agent.Go(func() { push(m, "a", 3, time.Second, 200*time.Millisecond, skew) })
		got := follow(t, q, &sondev1.WatchRequest{Exprs: []string{"m"}, StepMs: 1000, FollowAgent: "a"}, 4500*time.Millisecond)
		check(t, got, []watched{
			{-32, 32, -1}, {-31, 31.2, -1}, {-30, 30.2, 0}, {-29, 30.2, 1}, {-28, 30.2, 2},
		})
	})
}

func TestWatchOfAnUnknownAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newTestQueries(t, &memory{})
		got := follow(t, q, &sondev1.WatchRequest{Exprs: []string{"m"}, StepMs: 500, FollowAgent: "nobody"}, 1100*time.Millisecond)
		check(t, got, []watched{{-2, 2, -1}, {-1.5, 2, -1}, {-1, 2, -1}})
	})
}

func TestSlowReaderMissesStepsAndIsNeverLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		q := newTestQueries(t, m)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var last time.Time
		n := 0
		_ = q.watch(ctx, &sondev1.WatchRequest{Exprs: []string{"1"}, StepMs: 1000}, func(r *sondev1.WatchResponse) error {
			step := time.UnixMilli(r.TimeMs)
			if late := time.Since(step); late >= 2*time.Second {
				t.Errorf("a step was sent %v late", late)
			}
			if !step.After(last) {
				t.Errorf("step %v follows on %v", step, last)
			}
			last = step
			n++
			time.Sleep(4500 * time.Millisecond)
			return nil
		})
		if n != 7 {
			t.Errorf("%d steps were sent, want one each 4.5 s", n)
		}
	})
}

func TestSlowReaderOfABatchMissesTheRestOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		m.setStatus("a", fleet.Status{ConnectedAt: time.Now(), SubmissionInterval: 5 * time.Second})
		q := newTestQueries(t, m)
		start := time.Now()
		time.AfterFunc(5*time.Second, func() {
			for i := range 5 {
				m.store("a", start.Add(time.Duration(i)*time.Second), float64(i), "__name__", "m")
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		var got []float64
		_ = q.watch(ctx, &sondev1.WatchRequest{Exprs: []string{"m"}, StepMs: 1000, FollowAgent: "a"}, func(r *sondev1.WatchResponse) error {
			step := time.UnixMilli(r.TimeMs).Sub(start).Seconds()
			if step >= 0 {
				got = append(got, step)
			}
			if step == 0 {
				time.Sleep(2 * time.Second)
			}
			return nil
		})
		if diff := cmp.Diff([]float64{0, 4}, got); diff != "" {
			t.Errorf("steps (-want +got)\n%s", diff)
		}
	})
}

func TestSlowStorageMissesStepsAndIsNeverLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newTestQueries(t, &memory{slow: 3500 * time.Millisecond})
		steps := follow(t, q, &sondev1.WatchRequest{Exprs: []string{"m"}, StepMs: 1000}, time.Minute)
		for _, s := range steps {
			if s.After > 6 {
				t.Errorf("step %v was sent %v s after it", s.Step, s.After)
			}
		}
		if n := len(steps); n < 15 {
			t.Errorf("%d steps were sent in a minute, want one for each evaluation", n)
		}
	})
}

func TestSeriesAreSentWhenTheyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		q := newTestQueries(t, m)
		var agent sync.WaitGroup
		defer agent.Wait()
		agent.Go(func() {
			time.Sleep(500 * time.Millisecond) // between the steps
			for i := range 8 {
				m.store("a", time.Now(), 1, "__name__", "m", "cpu", "1")
				if i >= 2 {
					m.store("a", time.Now(), 2, "__name__", "m", "cpu", "0")
				}
				m.mu.Lock()
				m.broken = nil
				if i == 5 {
					m.broken = errors.New("disk on fire")
				}
				m.mu.Unlock()
				time.Sleep(time.Second)
			}
		})
		var got []string
		ctx, cancel := context.WithTimeout(t.Context(), 7500*time.Millisecond)
		defer cancel()
		_ = q.watch(ctx, &sondev1.WatchRequest{Exprs: []string{"m", "m +", "1"}, StepMs: 1000}, func(r *sondev1.WatchResponse) error {
			r = proto.CloneOf(r)
			if !strings.Contains(r.Results[1].Error, "1:4: parse error") || len(r.Results[1].Values) > 0 {
				t.Errorf("the expression that does not parse has %v", r.Results[1])
			}
			if changed := r.Results[2].SeriesChanged; changed != (len(got) == 0) {
				t.Errorf("step %d of a constant: series_changed is %v", len(got), changed)
			}
			res := r.Results[0]
			text := "same"
			if res.SeriesChanged {
				text = "series"
				for _, s := range res.Series {
					text += " " + s.Labels["cpu"]
				}
			}
			if res.Error != "" {
				text = res.Error
			}
			got = append(got, text)
			return nil
		})
		want := []string{
			"series", "same", // none
			"series 1", "same", "series 0 1", "same",
			"the query failed inside the server; its log says why",
			"series 0 1",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestWatchEndsWhenTheServerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, agent := range map[string]string{"by the clock": "", "following": "a"} {
			q := newTestQueries(t, &memory{})
			time.AfterFunc(5*time.Second, q.Close)
			began := time.Now()
			watch := func() error {
				return q.watch(t.Context(), &sondev1.WatchRequest{Exprs: []string{"1"}, StepMs: 60_000, FollowAgent: agent},
					func(*sondev1.WatchResponse) error { return nil })
			}
			if err := watch(); codeOf(err) != connect.CodeUnavailable {
				t.Errorf("%s: ended with %v", name, err)
			}
			if took := time.Since(began); took != 5*time.Second {
				t.Errorf("%s: ended after %v", name, took)
			}
			if err := watch(); codeOf(err) != connect.CodeUnavailable {
				t.Errorf("%s: a later one ended with %v", name, err)
			}
		}
	})
}

func TestWatchEndsWhenTheReaderIsGone(t *testing.T) {
	q := newTestQueries(t, &memory{})
	gone := errors.New("gone")
	err := q.watch(t.Context(), &sondev1.WatchRequest{Exprs: []string{"1"}, StepMs: 100},
		func(*sondev1.WatchResponse) error { return gone })
	if !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

func TestWatchRefuses(t *testing.T) {
	q := newTestQueries(t, &memory{})
	for name, req := range map[string]*sondev1.WatchRequest{
		"no expression":        {StepMs: 1000},
		"too many expressions": {StepMs: 1000, Exprs: make([]string, query.MaxExprs+1)},
		"long expression":      {StepMs: 1000, Exprs: []string{strings.Repeat("1", query.MaxExprBytes+1)}},
		"short step":           {StepMs: 99, Exprs: []string{"1"}},
		"long step":            {StepMs: 604_800_001, Exprs: []string{"1"}},
	} {
		err := q.watch(t.Context(), req, func(*sondev1.WatchResponse) error { return errors.New("sent") })
		if codeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for range maxWatches {
		q.watches.enter()
	}
	err := q.watch(t.Context(), &sondev1.WatchRequest{StepMs: 1000, Exprs: []string{"1"}}, nil)
	if codeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("too many watches: got %v", err)
	}
}

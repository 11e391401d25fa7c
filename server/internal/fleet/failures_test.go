package fleet_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// counters are failure counters that tests move: each change holds from its time
// on.
type counters struct {
	mu      sync.Mutex
	changes []change
	err     error
	reads   int
}

type change struct {
	at    time.Time
	agent string
	name  string
	value float64
}

func (c *counters) set(at time.Time, agent, name string, value float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes = append(c.changes, change{at, agent, name, value})
}

func (c *counters) FailuresAt(_ context.Context, ids []string, at time.Time) (map[string]fleet.Failures, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	found := map[string]fleet.Failures{}
	for _, id := range ids {
		for _, ch := range c.changes {
			if ch.agent == id && !ch.at.After(at) {
				if found[id] == nil {
					found[id] = fleet.Failures{}
				}
				found[id][ch.name] = ch.value
			}
		}
	}
	return found, c.err
}

const (
	diskFailures = `sonde_agent_collector_failures_total{collector="disk"}`
	refused      = "sonde_agent_samples_refused_total"
)

func TestRolloutHeedsFailures(t *testing.T) {
	for name, test := range map[string]struct {
		plan fleet.RolloutPlan
		// harm moves the counters of the agent that has the new configuration
		// since a time.
		harm  func(c *counters, id string, since time.Time)
		state fleet.RolloutState // after the watch of a minute
		says  string
	}{
		"nothing fails": {state: fleet.RolloutDone},
		"a collector begins to fail": {
			harm:  func(c *counters, id string, at time.Time) { c.set(at.Add(8*time.Second), id, diskFailures, 7) },
			state: fleet.RolloutFailed,
			says:  `: sonde_agent_collector_failures_total{collector="disk"} rose by 7 in 11s, and not in the 1m0s before`,
		},
		"samples are refused at the end of the watch": {
			harm:  func(c *counters, id string, at time.Time) { c.set(at.Add(57*time.Second), id, refused, 103) },
			state: fleet.RolloutFailed,
			says:  ": sonde_agent_samples_refused_total rose by 103 in 58s, and not in the 1m0s before",
		},
		"the worst counter is named": {
			harm: func(c *counters, id string, at time.Time) {
				c.set(at.Add(time.Second), id, refused, 103)
				c.set(at.Add(time.Second), id, diskFailures, 7)
			},
			state: fleet.RolloutFailed,
			says:  "refused_total rose by 103",
		},
		"it failed before": {
			harm: func(c *counters, id string, at time.Time) {
				c.set(at.Add(-50*time.Second), id, diskFailures, 1)
				c.set(at.Add(20*time.Second), id, diskFailures, 7)
			},
			state: fleet.RolloutDone,
		},
		"it failed longer ago than it is watched": {
			harm: func(c *counters, id string, at time.Time) {
				c.set(at.Add(-61*time.Second), id, diskFailures, 1)
				c.set(at.Add(20*time.Second), id, diskFailures, 7)
			},
			state: fleet.RolloutFailed,
			says:  "rose by 6 in",
		},
		"its process began anew": {
			harm: func(c *counters, id string, at time.Time) {
				c.set(at.Add(-70*time.Second), id, diskFailures, 50)
				c.set(at.Add(20*time.Second), id, diskFailures, 3)
			},
			state: fleet.RolloutFailed,
			says:  "rose by 3 in",
		},
		"as much as the plan bears": {
			plan:  fleet.RolloutPlan{MaxFailures: 7},
			harm:  func(c *counters, id string, at time.Time) { c.set(at.Add(8*time.Second), id, diskFailures, 7) },
			state: fleet.RolloutDone,
		},
		"more than the plan bears": {
			plan:  fleet.RolloutPlan{MaxFailures: 6},
			harm:  func(c *counters, id string, at time.Time) { c.set(at.Add(8*time.Second), id, diskFailures, 7) },
			state: fleet.RolloutFailed,
			says:  "rose by 7",
		},
		"the plan says not to look": {
			plan:  fleet.RolloutPlan{IgnoreFailures: true},
			harm:  func(c *counters, id string, at time.Time) { c.set(at.Add(8*time.Second), id, diskFailures, 7) },
			state: fleet.RolloutDone,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHerd(t, 3)
			c := &counters{}
			h.steering.WatchFailures(c)
			h.apply(t, policy("p", 200, nil))
			h.answer()
			for id := range h.sessions {
				c.set(h.now.Add(-time.Hour), id, diskFailures, 0)
				c.set(h.now.Add(-time.Hour), id, refused, 0)
			}
			test.plan.StepsPercent, test.plan.WatchSeconds = []uint32{100}, 60
			_, err := h.steering.Apply(t.Context(), policy("p", 300, nil), fleet.Proposal{Author: "me", Base: 1, Plan: test.plan})
			if err != nil {
				t.Fatal(err)
			}
			h.now = h.now.Add(2 * time.Second)
			h.answer()
			if test.harm != nil {
				test.harm(c, h.at(submit(300).Hash())[0], h.now)
			}
			for range 62 {
				h.pass(t, time.Second)
			}
			r, _, err := h.steering.Config(t.Context(), 2)
			if err != nil || r.Rollout.State != test.state || !strings.Contains(r.Rollout.Reason, test.says) {
				t.Errorf("the rollout is %+v, %v; want it %s: %s", r.Rollout, err, test.state, test.says)
			}
			if test.state != fleet.RolloutFailed {
				return
			}
			if back := h.newest(t); back.Number != 3 || back.RollbackOf != 1 || len(h.at(submit(200).Hash())) != 3 {
				t.Errorf("the newest revision is %+v, and %d agents were told to go back", back, len(h.at(submit(200).Hash())))
			}
		})
	}
}

// Agents are compared with themselves since each has the configuration in force,
// also over a restart of the server and in later steps.
func TestRolloutComparesFromWhenItWasInForce(t *testing.T) {
	h := newHerd(t, 2)
	c := &counters{}
	h.apply(t, policy("p", 200, nil), 50, 100)
	h.answer()
	id := h.at(submit(200).Hash())[0]
	c.set(h.now.Add(-time.Hour), id, diskFailures, 0)
	since := h.now
	h.restart(t)
	h.steering.WatchFailures(c)
	for id, s := range h.sessions {
		h.sessions[id] = h.connect(t, id, s.last())
	}
	h.pass(t, 60*time.Second)
	h.wantRollout(t, fleet.RolloutRunning, 1)
	c.set(since.Add(62*time.Second), id, diskFailures, 2)
	h.answer()
	h.pass(t, 10*time.Second)
	r, _, err := h.steering.Config(t.Context(), 1)
	if err != nil || r.Rollout.State != fleet.RolloutFailed || !strings.Contains(r.Rollout.Reason, "rose by 2 in 1m10s, and not in the 1m10s before") {
		t.Errorf("the rollout is %+v, %v", r.Rollout, err)
	}
}

// A rollout does not go on unseeing, but is still stopped by what can be seen.
func TestRolloutWaitsForCounters(t *testing.T) {
	h := newHerd(t, 1)
	c := &counters{err: errors.New("broken")}
	h.steering.WatchFailures(c)
	h.apply(t, policy("p", 200, nil), 100)
	h.answer()
	h.now = h.now.Add(2 * time.Minute)
	if err := h.steering.Look(t.Context()); !errors.Is(err, c.err) {
		t.Errorf("look says %v", err)
	}
	h.wantRollout(t, fleet.RolloutRunning, 0)
	c.err = nil
	h.look(t)
	h.wantRollout(t, fleet.RolloutDone, 0)

	c.err = errors.New("broken")
	h.apply(t, policy("p", 300, nil), 100)
	h.answer()
	for id, s := range h.sessions {
		h.steering.Disconnected(id, s)
	}
	h.now = h.now.Add(15 * time.Second)
	h.look(t)
	if r := h.newest(t); r.Number != 3 || r.RollbackOf != 1 {
		t.Errorf("the newest revision is %+v", r)
	}
}

// Run reads the counters every five seconds, not whenever an agent answers.
func TestRunReadsFailuresInTime(t *testing.T) {
	w := newWorld(t)
	a, _ := w.enroll(t, "web")
	synctest.Test(t, func(t *testing.T) {
		steering, err := fleet.NewSteering(t.Context(), w.store, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		c := &counters{}
		steering.WatchFailures(c)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { steering.Run(ctx); close(ended) }()
		session := &told{}
		if err := steering.Connected(t.Context(), a.ID, 0, session); err != nil {
			t.Fatal(err)
		}
		_, err = steering.Apply(t.Context(), policy("p", 200, nil), fleet.Proposal{Plan: fleet.RolloutPlan{StepsPercent: []uint32{100}, WatchSeconds: 20}})
		if err != nil {
			t.Fatal(err)
		}
		steering.Answered(a.ID, session.last(), nil)
		state := func() fleet.Rollout {
			synctest.Wait()
			r, _, err := steering.Config(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			return r.Rollout
		}
		time.Sleep(10*time.Second + time.Millisecond)
		state()
		if n := c.reads / 3; n < 2 || n > 4 { // at three times each
			t.Errorf("the counters were read %d times in ten seconds, want one every five", n)
		}
		c.set(time.Now().Add(-time.Hour), a.ID, refused, 0)
		c.set(time.Now(), a.ID, refused, 5)
		time.Sleep(6 * time.Second)
		if r := state(); r.State != fleet.RolloutFailed || !strings.Contains(r.Reason, `"web": sonde_agent_samples_refused_total rose by 5`) {
			t.Errorf("the rollout is %+v", r)
		}
		cancel()
		<-ended
	})
}

// A rollback can be rolled out in steps too, and goes forward again when it
// fails.
func TestRollBackInSteps(t *testing.T) {
	h := newHerd(t, 10)
	h.apply(t, policy("p", 200, nil))
	h.apply(t, policy("p", 300, nil))
	h.answer()
	plan := fleet.RolloutPlan{StepsPercent: []uint32{10, 100}, WatchSeconds: 30}
	r, err := h.steering.RollBack(t.Context(), 1, fleet.Proposal{Author: "me", Base: 2, Plan: plan})
	if err != nil || r.RollbackOf != 1 || r.Rollout.State != fleet.RolloutRunning {
		t.Fatalf("got %+v, %v", r, err)
	}
	back := h.at(submit(200).Hash())
	if len(back) != 1 {
		t.Fatalf("%d agents went back in a step of 10 %% of 10", len(back))
	}
	h.steering.Answered(back[0], submit(200).Hash(), wrong)
	h.look(t)
	if r := h.newest(t); r.Number != 4 || r.RollbackOf != 2 || len(h.at(submit(300).Hash())) != 10 {
		t.Errorf("the newest revision is %+v", r)
	}
	h.answer()
	if _, err = h.steering.RollBack(t.Context(), 1, fleet.Proposal{Author: "me", Base: 4, Plan: plan}); err != nil {
		t.Fatal(err)
	}
	h.answer()
	h.pass(t, 30*time.Second)
	if n := len(h.at(submit(200).Hash())); n != 10 {
		t.Errorf("%d agents went back in the second step", n)
	}
	h.answer()
	h.pass(t, 30*time.Second)
	h.wantRollout(t, fleet.RolloutDone, 1)

	plan.WatchSeconds = 0
	_, err = h.steering.RollBack(t.Context(), 2, fleet.Proposal{Base: 5, Plan: plan})
	wantCode(t, err, fleet.Invalid)
}

package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// told is a session that remembers what it was told.
type told struct{ hashes []uint64 }

func (s *told) Tell(d *fleet.Desired) { s.hashes = append(s.hashes, d.Hash) }

func (s *told) last() uint64 {
	if len(s.hashes) == 0 {
		return 0
	}
	return s.hashes[len(s.hashes)-1]
}

func policy(name string, ms uint32, selector map[string]string) fleet.FleetConfig {
	return fleet.FleetConfig{Policies: []fleet.Policy{{Name: name, Selector: selector, Settings: submit(ms)}}}
}

func (w *world) apply(t *testing.T, c fleet.FleetConfig, steps ...uint32) fleet.Revision {
	t.Helper()
	plan := fleet.RolloutPlan{StepsPercent: steps}
	if len(steps) > 0 {
		plan.WatchSeconds = 60
	}
	r, err := w.steering.Apply(t.Context(), c, fleet.Proposal{Author: "me", Message: "why", Base: w.newest(t).Number, Plan: plan})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) newest(t *testing.T) fleet.Revision {
	t.Helper()
	r, _, err := w.steering.Config(t.Context(), 0)
	if err != nil && fleet.ErrorCode(err) != fleet.NotFound {
		t.Fatal(err)
	}
	return r
}

func (w *world) connect(t *testing.T, id string, hash uint64) *told {
	t.Helper()
	s := &told{}
	if err := w.steering.Connected(t.Context(), id, hash, s); err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) config(t *testing.T, id string) fleet.AgentConfig {
	t.Helper()
	list, err := w.steering.AgentConfigs(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func (w *world) wantState(t *testing.T, id string, want fleet.ConfigState, revision uint64) {
	t.Helper()
	if got := w.config(t, id); got.State != want || got.Revision != revision {
		t.Errorf("the agent is %s at revision %d, want %s at %d", got.State, got.Revision, want, revision)
	}
}

// restart stores what waits and begins anew from the store.
func (w *world) restart(t *testing.T) {
	t.Helper()
	w.look(t)
	var err error
	w.steering, err = fleet.NewSteering(t.Context(), w.store, func() time.Time { return w.now }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w.service = fleet.NewService(w.store, w.live, w.steering, func() time.Time { return w.now })
}

func (w *world) look(t *testing.T) {
	t.Helper()
	if err := w.steering.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) pass(t *testing.T, d time.Duration) {
	t.Helper()
	w.now = w.now.Add(d)
	w.look(t)
}

var wrong = []fleet.FieldError{{Field: "probes.web.target", Message: "not allowed here"}}

func TestConfigStates(t *testing.T) {
	w := newWorld(t)
	a, _ := w.enroll(t, "web")
	w.wantState(t, a.ID, fleet.ConfigLocal, 0)
	session := w.connect(t, a.ID, 0)
	w.wantState(t, a.ID, fleet.ConfigLocal, 0)

	w.apply(t, policy("p", 200, nil))
	w.wantState(t, a.ID, fleet.ConfigPending, 1)
	first := submit(200).Hash()
	if session.last() != first {
		t.Fatalf("the session was told %x, want %x", session.last(), first)
	}
	w.steering.Answered(a.ID, first+1, nil) // of something older
	w.wantState(t, a.ID, fleet.ConfigPending, 1)
	w.steering.Answered(a.ID, first, nil)
	w.wantState(t, a.ID, fleet.ConfigApplied, 1)
	if got := w.config(t, a.ID); got.Provenance["submission_interval_ms"] != "p" || !got.ChangedAt.Equal(w.now) {
		t.Errorf("got %+v", got)
	}

	w.apply(t, policy("p", 300, nil))
	second := submit(300).Hash()
	w.steering.Answered(a.ID, second, wrong)
	w.wantState(t, a.ID, fleet.ConfigRejected, 2)
	w.restart(t)
	w.wantState(t, a.ID, fleet.ConfigRejected, 2)
	if got := w.config(t, a.ID).Errors; !slices.Equal(got, wrong) {
		t.Errorf("errors after a restart: %v", got)
	}
	// Told again, it stays rejected until it answers otherwise.
	session = w.connect(t, a.ID, first)
	w.wantState(t, a.ID, fleet.ConfigRejected, 2)
	if session.last() != second {
		t.Errorf("a session that begins was told %x, want %x", session.last(), second)
	}
	w.steering.Answered(a.ID, second, nil)
	w.wantState(t, a.ID, fleet.ConfigApplied, 2)
	if len(w.config(t, a.ID).Errors) > 0 {
		t.Error("what is applied has errors")
	}

	// Something that nobody asked for.
	session = w.connect(t, a.ID, 12345)
	w.wantState(t, a.ID, fleet.ConfigDrifted, 2)
	if session.last() != second {
		t.Errorf("an agent that drifted was told %x, want %x", session.last(), second)
	}
	w.steering.Answered(a.ID, second, nil)
	w.wantState(t, a.ID, fleet.ConfigApplied, 2)
	if session = w.connect(t, a.ID, second); len(session.hashes) > 0 {
		t.Errorf("an agent that has it in force was told %x", session.hashes)
	}

	// Nothing is decided any more.
	w.apply(t, fleet.FleetConfig{})
	w.wantState(t, a.ID, fleet.ConfigPending, 3)
	if len(session.hashes) != 1 || session.last() != 0 {
		t.Errorf("the session was told %x, want 0", session.hashes)
	}
	w.steering.Answered(a.ID, 0, nil)
	w.wantState(t, a.ID, fleet.ConfigLocal, 3)
}

func TestOfflineAgentIsToldWhenItConnects(t *testing.T) {
	w := newWorld(t)
	a, _ := w.enroll(t, "web")
	w.steering.Disconnected(a.ID, w.connect(t, a.ID, 0))
	w.apply(t, policy("p", 200, nil))
	w.wantState(t, a.ID, fleet.ConfigPending, 1)
	w.restart(t)
	session := w.connect(t, a.ID, 0)
	w.wantState(t, a.ID, fleet.ConfigPending, 1)
	if session.last() != submit(200).Hash() {
		t.Errorf("told %x", session.hashes)
	}
	// A second session; the end of the first is not the end of it.
	second := w.connect(t, a.ID, 0)
	w.steering.Disconnected(a.ID, session)
	w.apply(t, policy("p", 300, nil))
	if second.last() != submit(300).Hash() {
		t.Errorf("the second session was told %x", second.hashes)
	}
}

// A change that is taken back before its answer came must be told as well.
func TestTakenBackBeforeTheAnswer(t *testing.T) {
	w := newWorld(t)
	a, _ := w.enroll(t, "web")
	session := w.connect(t, a.ID, 0)
	w.apply(t, policy("p", 200, nil))
	w.apply(t, fleet.FleetConfig{})
	if session.last() != 0 || len(session.hashes) != 2 {
		t.Errorf("told %x, want something and then 0", session.hashes)
	}
	w.wantState(t, a.ID, fleet.ConfigPending, 2)
	w.steering.Answered(a.ID, submit(200).Hash(), nil)
	w.wantState(t, a.ID, fleet.ConfigPending, 2)
	w.steering.Answered(a.ID, 0, nil)
	w.wantState(t, a.ID, fleet.ConfigLocal, 2)
}

func TestLabelsAndNamesSelect(t *testing.T) {
	w := newWorld(t)
	a, _ := w.enroll(t, "web")
	session := w.connect(t, a.ID, 0)
	c := policy("by-label", 200, map[string]string{"site": "x"})
	c.Policies = append(c.Policies, policy("by-name", 300, map[string]string{"name": "front"}).Policies...)
	w.apply(t, c)
	if len(session.hashes) > 0 {
		t.Fatalf("an agent that no policy selects was told %x", session.hashes)
	}
	for _, step := range []struct {
		change fleet.Change
		want   uint64
	}{
		{fleet.Change{Labels: map[string]string{"site": "x"}}, submit(200).Hash()},
		{fleet.Change{Name: new("front")}, submit(300).Hash()},
		{fleet.Change{Name: new("back"), Labels: map[string]string{}}, 0},
	} {
		if _, err := w.service.Update(t.Context(), a.ID, step.change); err != nil {
			t.Fatal(err)
		}
		if session.last() != step.want {
			t.Errorf("after %+v the agent was told %x, want %x", step.change, session.last(), step.want)
		}
	}
	if err := w.service.Remove(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	_, err := w.steering.AgentConfigs(t.Context(), a.ID)
	wantCode(t, err, fleet.NotFound)
	wantCode(t, w.steering.Connected(t.Context(), a.ID, 0, session), fleet.NotFound)
	w.look(t)
}

func TestApplyRefused(t *testing.T) {
	w := newWorld(t)
	good := policy("p", 200, nil)
	apply := func(c fleet.FleetConfig, p fleet.Proposal) error {
		_, err := w.steering.Apply(t.Context(), c, p)
		return err
	}
	err := apply(fleet.FleetConfig{Policies: []fleet.Policy{{Name: "A", Priority: 9999}}}, fleet.Proposal{})
	wantCode(t, err, fleet.Invalid)
	for _, field := range []string{"policies[0].name", "policies[0].priority"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
	for _, plan := range []fleet.RolloutPlan{
		{StepsPercent: []uint32{50}, WatchSeconds: 1},
		{StepsPercent: []uint32{50, 50, 100}, WatchSeconds: 1},
		{StepsPercent: []uint32{0, 100}, WatchSeconds: 1},
		{StepsPercent: []uint32{100, 101}, WatchSeconds: 1},
		{StepsPercent: []uint32{100}},
		{StepsPercent: []uint32{100}, WatchSeconds: 86_401},
		{WatchSeconds: 1},
		{MaxFailures: 1},
		{IgnoreFailures: true},
		{StepsPercent: []uint32{100}, WatchSeconds: 1, MaxFailures: 1, IgnoreFailures: true},
	} {
		wantCode(t, apply(good, fleet.Proposal{Plan: plan}), fleet.Invalid)
	}
	wantCode(t, apply(good, fleet.Proposal{Message: strings.Repeat("x", 1025)}), fleet.Invalid)
	wantCode(t, apply(good, fleet.Proposal{Base: 1}), fleet.Conflict)
	if w.newest(t).Number != 0 {
		t.Fatal("what was refused made a revision")
	}
	w.apply(t, good)
	wantCode(t, apply(policy("p", 300, nil), fleet.Proposal{Base: 0}), fleet.Conflict)
	wantCode(t, apply(good, fleet.Proposal{Base: 1}), fleet.State)
	_, err = w.steering.RollBack(t.Context(), 9, fleet.Proposal{Base: 1})
	wantCode(t, err, fleet.NotFound)
	_, err = w.steering.RollBack(t.Context(), 0, fleet.Proposal{Base: 1})
	wantCode(t, err, fleet.Invalid)

	// Two policies that are fine by themselves, and too much for one agent.
	w.enroll(t, "web")
	var c fleet.FleetConfig
	for _, name := range []string{"a", "b"} {
		p := fleet.Policy{Name: name, Settings: fleet.Settings{Probes: map[string]fleet.ProbeSettings{}}}
		for i := range 200 {
			p.Settings.Probes[fmt.Sprint(name, i)] = fleet.ProbeSettings{Disabled: true}
		}
		c.Policies = append(c.Policies, p)
	}
	if err := apply(c, fleet.Proposal{Base: 1}); fleet.ErrorCode(err) != fleet.Invalid || !strings.Contains(err.Error(), "400 probes") {
		t.Errorf("400 probes: %v", err)
	}
}

func TestRollBack(t *testing.T) {
	w := newWorld(t)
	a, _ := w.enroll(t, "web")
	session := w.connect(t, a.ID, 0)
	w.apply(t, policy("p", 200, nil))
	w.apply(t, policy("p", 300, nil))
	r, err := w.steering.RollBack(t.Context(), 1, fleet.Proposal{Author: "me", Base: 2})
	if err != nil || r.Number != 3 || r.RollbackOf != 1 || r.Rollout.State != fleet.RolloutDone {
		t.Fatal(r, err)
	}
	if session.last() != submit(200).Hash() {
		t.Errorf("told %x", session.hashes)
	}
	list, err := w.steering.Revisions(t.Context(), 0, 2)
	if err != nil || len(list) != 2 || list[0].Number != 3 || list[0].Counts != (fleet.RolloutCounts{Pending: 1}) {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestPreview(t *testing.T) {
	w := newWorld(t)
	one, _ := w.enroll(t, "one")
	w.enroll(t, "two")
	faults, changes, err := w.steering.Preview(t.Context(), policy("p", 200, map[string]string{"name": "one"}))
	if err != nil || len(faults) > 0 || len(changes) != 1 {
		t.Fatal(faults, changes, err)
	}
	if c := changes[0]; c.AgentID != one.ID || c.AgentName != "one" || !slices.Equal(c.Settings, []fleet.SettingChange{{"submission_interval_ms", "", "200"}}) {
		t.Errorf("got %+v", c)
	}
	faults, changes, err = w.steering.Preview(t.Context(), policy("p", 1, nil))
	if err != nil || len(faults) != 1 || len(changes) > 0 {
		t.Error(faults, changes, err)
	}
	if w.newest(t).Number != 0 || w.config(t, one.ID).State != fleet.ConfigLocal {
		t.Error("a preview changed something")
	}
}

// failing is a store whose writes of what agents answered go wrong.
type failing struct {
	fleet.Store
	broken atomic.Bool
}

func (f *failing) PutConfigStatuses(ctx context.Context, s []fleet.ConfigStatus) error {
	if f.broken.Load() {
		return errors.New("broken")
	}
	return f.Store.PutConfigStatuses(ctx, s)
}

// Run stores answers soon, and again when that went wrong.
func TestRunStoresAnswers(t *testing.T) {
	w := newWorld(t)
	a, _ := w.enroll(t, "web")
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: w.store}
		store.broken.Store(true)
		steering, err := fleet.NewSteering(t.Context(), store, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { steering.Run(ctx); close(ended) }()
		stored := func() int {
			synctest.Wait()
			list, err := w.store.ConfigStatuses(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		if err := steering.Connected(t.Context(), a.ID, 7, &told{}); err != nil {
			t.Fatal(err)
		}
		if n := stored(); n != 0 {
			t.Errorf("%d statuses are stored although the store is broken", n)
		}
		store.broken.Store(false)
		time.Sleep(time.Second)
		if n := stored(); n != 1 {
			t.Errorf("%d statuses are stored, want 1", n)
		}
		cancel()
		<-ended
	})
}

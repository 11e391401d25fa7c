package fleet_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// herd is many connected agents, by id.
type herd struct {
	*world
	sessions map[string]*told
}

func newHerd(t *testing.T, agents int) *herd {
	h := &herd{world: newWorld(t), sessions: map[string]*told{}}
	for i := range agents {
		a, _ := h.enroll(t, fmt.Sprintf("web-%d", i))
		h.sessions[a.ID] = h.connect(t, a.ID, 0)
	}
	return h
}

// at returns the agents that were told a hash last, in no order.
func (h *herd) at(hash uint64) []string {
	var ids []string
	for id, s := range h.sessions {
		if s.last() == hash {
			ids = append(ids, id)
		}
	}
	return ids
}

// answer lets all agents take what they were told last.
func (h *herd) answer() {
	for id, s := range h.sessions {
		if len(s.hashes) > 0 {
			h.steering.Answered(id, s.last(), nil)
		}
	}
}

func (h *herd) wantRollout(t *testing.T, state fleet.RolloutState, step uint32) {
	t.Helper()
	if r := h.newest(t).Rollout; r.State != state || r.Step != step {
		t.Errorf("the rollout is %s at step %d (%s), want %s at %d", r.State, r.Step, r.Reason, state, step)
	}
}

func TestRolloutByStep(t *testing.T) {
	h := newHerd(t, 20)
	hash := submit(200).Hash()
	h.apply(t, policy("p", 200, nil), 1, 25, 100)
	want := func(agents int) {
		t.Helper()
		if got := len(h.at(hash)); got != agents {
			t.Errorf("%d agents were told, want %d", got, agents)
		}
	}
	want(1)
	h.answer()
	h.pass(t, 59*time.Second)
	h.wantRollout(t, fleet.RolloutRunning, 0)
	h.pass(t, time.Second)
	h.wantRollout(t, fleet.RolloutRunning, 1)
	want(5)
	if r := h.newest(t); r.Counts != (fleet.RolloutCounts{Pending: 4, Applied: 1}) {
		t.Errorf("counts are %+v", r.Counts)
	}
	// Without answers the watch goes on; the first one came before.
	h.pass(t, 60*time.Second)
	h.wantRollout(t, fleet.RolloutRunning, 1)

	// A restart takes up the same step with the same agents.
	before := h.at(hash)
	h.restart(t)
	for id, s := range h.sessions {
		h.sessions[id] = h.connect(t, id, s.last())
	}
	for _, id := range before {
		h.wantState(t, id, fleet.ConfigApplied, 1) // four of them had not said so
	}
}

func TestRolloutSurvivesRestart(t *testing.T) {
	h := newHerd(t, 20)
	hash := submit(200).Hash()
	h.apply(t, policy("p", 200, nil), 25, 100)
	h.answer()
	first := h.at(hash)
	if len(first) != 5 {
		t.Fatalf("%d agents were told, want 5", len(first))
	}
	h.restart(t)
	h.wantRollout(t, fleet.RolloutRunning, 0)
	for _, id := range first {
		h.wantState(t, id, fleet.ConfigApplied, 1)
	}
	for id, s := range h.sessions {
		s := h.connect(t, id, s.last())
		if len(s.hashes) > 0 {
			t.Errorf("after the restart %s was told %x", id, s.hashes)
		}
		h.sessions[id] = s
	}
	h.pass(t, time.Minute)
	if got := len(h.at(hash)); got != 15 {
		t.Errorf("%d more agents were told, want 15", got)
	}
	h.answer()
	h.pass(t, time.Minute)
	h.wantRollout(t, fleet.RolloutDone, 1)
	// Who enrols now goes by it at once.
	a, _ := h.enroll(t, "late")
	if s := h.connect(t, a.ID, 0); s.last() != hash {
		t.Errorf("a new agent was told %x", s.hashes)
	}
}

func TestRolloutFails(t *testing.T) {
	for name, test := range map[string]struct {
		harm func(h *herd, id string)
		wait time.Duration
		says string
	}{
		"rejected": {
			func(h *herd, id string) { h.steering.Answered(id, submit(300).Hash(), wrong) },
			0, "rejected it: probes.web.target: not allowed here",
		},
		"silent": {
			func(h *herd, id string) {
				h.answer()
				h.steering.Disconnected(id, h.sessions[id])
			},
			15 * time.Second, "fell silent",
		},
		"no answer": {func(*herd, string) {}, 75 * time.Second, "has not answered"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHerd(t, 10)
			h.apply(t, policy("p", 200, nil))
			h.answer()
			h.apply(t, policy("p", 300, nil), 10, 100)
			victims := h.at(submit(300).Hash())
			if len(victims) != 1 {
				t.Fatalf("%d agents are in a step of 10 %% of 10", len(victims))
			}
			test.harm(h, victims[0])
			if test.wait > 0 {
				h.pass(t, test.wait-time.Millisecond)
				h.wantRollout(t, fleet.RolloutRunning, 0)
				h.now = h.now.Add(time.Millisecond)
			}
			h.look(t)
			back := h.newest(t)
			if back.Number != 3 || back.Author != "rollout" || back.RollbackOf != 1 || back.Rollout.State != fleet.RolloutDone {
				t.Errorf("the newest revision is %+v", back)
			}
			failed, _, err := h.steering.Config(t.Context(), 2)
			if err != nil || failed.Rollout.State != fleet.RolloutFailed || !strings.Contains(failed.Rollout.Reason, test.says) {
				t.Errorf("the rollout ended as %+v, %v; want %q", failed.Rollout, err, test.says)
			}
			if name != "silent" && len(h.at(submit(300).Hash())) > 0 {
				t.Error("an agent was left with what failed")
			}
			h.answer()
			h.look(t)
			h.wantState(t, h.at(submit(200).Hash())[0], fleet.ConfigApplied, 3)
		})
	}
}

// A connection that breaks and is made anew is no failure, and an agent that is
// away all the time does not hold the others up.
func TestRolloutBearsReconnects(t *testing.T) {
	h := newHerd(t, 4)
	for id, s := range h.sessions {
		h.steering.Disconnected(id, s)
		break
	}
	h.apply(t, policy("p", 200, nil), 100)
	h.answer()
	for id, s := range h.sessions {
		if len(s.hashes) > 0 {
			h.now = h.now.Add(50 * time.Second)
			h.steering.Disconnected(id, s)
			h.pass(t, 14*time.Second)
			h.wantRollout(t, fleet.RolloutRunning, 0)
			h.sessions[id] = h.connect(t, id, submit(200).Hash())
			break
		}
	}
	h.look(t)
	h.wantRollout(t, fleet.RolloutDone, 0)
}

func TestRolloutOfNobodyIsDone(t *testing.T) {
	h := newHerd(t, 2)
	r := h.apply(t, policy("p", 200, map[string]string{"site": "nowhere"}), 50, 100)
	if r.Rollout.State != fleet.RolloutDone {
		t.Errorf("the rollout is %s", r.Rollout.State)
	}
}

// A later revision ends a rollout; the same configuration without a plan
// finishes it at once.
func TestRolloutSuperseded(t *testing.T) {
	h := newHerd(t, 10)
	h.apply(t, policy("p", 200, nil), 10, 100)
	h.answer()
	h.apply(t, policy("p", 300, nil), 20, 100)
	h.answer()
	old, _, err := h.steering.Config(t.Context(), 1)
	if err != nil || old.Rollout.State != fleet.RolloutSuperseded {
		t.Errorf("the first rollout is %+v, %v", old.Rollout, err)
	}
	third := len(h.at(submit(300).Hash()))
	if third != 2 {
		t.Errorf("%d agents are in a step of 20 %% of 10", third)
	}
	// Agents of the first keep its settings until the second comes to them.
	states := func() (n int) {
		for id := range h.sessions {
			if h.config(t, id).Revision == 1 {
				n++
			}
		}
		return n
	}
	before := states()
	h.restart(t)
	if got := states(); got != before {
		t.Errorf("%d agents go by the first revision after a restart, %d before", got, before)
	}
	for id, s := range h.sessions {
		h.sessions[id] = h.connect(t, id, s.last())
	}
	h.apply(t, policy("p", 300, nil))
	h.wantRollout(t, fleet.RolloutDone, 0)
	for id := range h.sessions {
		if c := h.config(t, id); c.Revision != 3 || c.Desired != submit(300).Hash() {
			t.Errorf("an agent is at revision %d", c.Revision)
		}
	}
}

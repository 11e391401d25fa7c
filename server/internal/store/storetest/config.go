package storetest

import (
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

var fullConfig = fleet.FleetConfig{Policies: []fleet.Policy{{
	Name: "a", Priority: -3, Selector: map[string]string{"site": "Ærø '\""},
	Settings: fleet.Settings{
		SubmissionIntervalMS: new(uint32(100)),
		Collectors:           map[string]fleet.CollectorSettings{"cpu": {Enabled: new(false), IntervalMS: new(uint32(200))}},
		Probes: map[string]fleet.ProbeSettings{
			"web": {Kind: "http", Target: "http://h", IntervalMS: 1000, TimeoutMS: 5, HTTP: fleet.HTTPProbeOptions{Method: "HEAD", SkipVerify: true}},
			"dns": {Kind: "dns", Target: "h", IntervalMS: 1000, DNS: fleet.DNSProbeOptions{Name: "n", Type: "A", Rcode: "NOERROR"}},
			"off": {Disabled: true},
		},
	},
}, {Name: "b"}}}

func revision(number uint64, state fleet.RolloutState) fleet.Revision {
	return fleet.Revision{Number: number, CreatedAt: now, Author: "a", Rollout: fleet.Rollout{State: state}}
}

func testRevisionRoundTrip(t *testing.T, s fleet.Store) {
	_, _, err := s.Revision(t.Context(), 0)
	wantCode(t, err, fleet.NotFound)
	full := fleet.Revision{
		Number: 1, CreatedAt: now, Author: "token:admin", Message: "why", RollbackOf: 7,
		Plan:    fleet.RolloutPlan{StepsPercent: []uint32{1, 100}, WatchSeconds: 9, MaxFailures: 2, IgnoreFailures: true},
		Rollout: fleet.Rollout{State: fleet.RolloutFailed, Step: 1, Reason: "because"},
	}
	must(t, s.CreateRevision(t.Context(), 0, fleet.Rollout{}, full, fullConfig))
	bare := revision(2, fleet.RolloutDone)
	must(t, s.CreateRevision(t.Context(), 1, fleet.Rollout{State: fleet.RolloutSuperseded}, bare, fleet.FleetConfig{}))
	for number, want := range map[uint64]fleet.Revision{0: bare, 1: full, 2: bare} {
		got, config, err := s.Revision(t.Context(), number)
		must(t, err)
		wantSame(t, got, want)
		if want.Number == 1 {
			wantSame(t, config, fullConfig)
		} else {
			wantSame(t, config, fleet.FleetConfig{})
		}
	}
	for _, unknown := range []uint64{3, math.MaxUint64} {
		_, _, err = s.Revision(t.Context(), unknown)
		wantCode(t, err, fleet.NotFound)
	}
}

func testRevisionConflict(t *testing.T, s fleet.Store) {
	wantCode(t, s.CreateRevision(t.Context(), 1, fleet.Rollout{}, revision(2, fleet.RolloutDone), fullConfig), fleet.Conflict)
	const tries, rounds = 8, 5
	for base := range uint64(rounds) {
		var wg sync.WaitGroup
		errs := make([]error, tries)
		for i := range tries {
			wg.Go(func() {
				errs[i] = s.CreateRevision(t.Context(), base, fleet.Rollout{}, revision(base+1, fleet.RolloutDone), fullConfig)
			})
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
				continue
			}
			wantCode(t, err, fleet.Conflict)
		}
		if made != 1 {
			t.Errorf("%d of %d revisions came behind revision %d", made, tries, base)
		}
	}
}

func testRollout(t *testing.T, s fleet.Store) {
	must(t, s.CreateRevision(t.Context(), 0, fleet.Rollout{}, revision(1, fleet.RolloutRunning), fullConfig))
	moved := fleet.Rollout{State: fleet.RolloutRunning, Step: 3, Reason: "x"}
	must(t, s.MoveRollout(t.Context(), 1, moved))
	got, config, err := s.Revision(t.Context(), 1)
	must(t, err)
	wantSame(t, got.Rollout, moved)
	wantSame(t, config, fullConfig)
	wantCode(t, s.MoveRollout(t.Context(), 2, moved), fleet.NotFound)
	// Who lost the lease is late.
	wantCode(t, s.MoveRollout(t.Context(), 1, fleet.Rollout{State: fleet.RolloutRunning, Step: 2}), fleet.Conflict)

	// A rollout that runs ends with the next revision, one that is done does not.
	ended := fleet.Rollout{State: fleet.RolloutSuperseded, Step: 3}
	must(t, s.CreateRevision(t.Context(), 1, ended, revision(2, fleet.RolloutDone), fullConfig))
	must(t, s.CreateRevision(t.Context(), 2, ended, revision(3, fleet.RolloutDone), fullConfig))
	wantCode(t, s.MoveRollout(t.Context(), 1, fleet.Rollout{State: fleet.RolloutDone, Step: 4}), fleet.Conflict)
	list, err := s.Revisions(t.Context(), 0, 10)
	must(t, err)
	first := revision(1, "")
	first.Rollout = ended
	wantSame(t, list, []fleet.Revision{revision(3, fleet.RolloutDone), revision(2, fleet.RolloutDone), first})
}

func testRevisionsByPage(t *testing.T, s fleet.Store) {
	for i := range uint64(5) {
		must(t, s.CreateRevision(t.Context(), i, fleet.Rollout{}, revision(i+1, fleet.RolloutDone), fleet.FleetConfig{}))
	}
	for _, test := range []struct {
		before uint64
		limit  int
		want   []uint64
	}{
		{0, 2, []uint64{5, 4}}, {4, 2, []uint64{3, 2}}, {2, 2, []uint64{1}}, {1, 2, nil}, {math.MaxUint64, 1, []uint64{5}},
	} {
		page, err := s.Revisions(t.Context(), test.before, test.limit)
		must(t, err)
		var got []uint64
		for _, r := range page {
			got = append(got, r.Number)
		}
		wantSame(t, got, test.want)
	}
}

func testConfigStatuses(t *testing.T, s fleet.Store) {
	putToken(t, s)
	enroll(t, s, 1, "one")
	enroll(t, s, 2, "two")
	full := fleet.ConfigStatus{
		AgentID: "agent-1", Revision: 9, Desired: math.MaxUint64, InForce: 1 << 63, State: fleet.ConfigRejected,
		Errors: []fleet.FieldError{{Field: "f", Message: "Ærø\x00"}}, ChangedAt: now,
	}
	bare := fleet.ConfigStatus{AgentID: "agent-2", State: fleet.ConfigLocal, ChangedAt: now}
	must(t, s.PutConfigStatuses(t.Context(), []fleet.ConfigStatus{
		{AgentID: "agent-1", State: fleet.ConfigPending, ChangedAt: now.Add(time.Hour)},
		{AgentID: "nobody", State: fleet.ConfigPending, ChangedAt: now},
		bare,
	}))
	must(t, s.PutConfigStatuses(t.Context(), []fleet.ConfigStatus{full}))
	got, err := s.ConfigStatuses(t.Context())
	must(t, err)
	byID := map[string]fleet.ConfigStatus{}
	for _, c := range got {
		byID[c.AgentID] = c
	}
	wantSame(t, byID, map[string]fleet.ConfigStatus{"agent-1": full, "agent-2": bare})

	// What is said of an earlier revision comes late.
	late := full
	late.Revision, late.State = 8, fleet.ConfigApplied
	must(t, s.PutConfigStatuses(t.Context(), []fleet.ConfigStatus{late}))
	got, err = s.ConfigStatuses(t.Context())
	must(t, err)
	for _, c := range got {
		if c.AgentID == "agent-1" {
			wantSame(t, c, full)
		}
	}

	must(t, errors.Join(s.DeleteAgent(t.Context(), "agent-1"), s.DeleteAgent(t.Context(), "agent-2")))
	got, err = s.ConfigStatuses(t.Context())
	must(t, err)
	wantSame(t, got, []fleet.ConfigStatus(nil))
}

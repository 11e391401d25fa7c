package fleet

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// FailureCounters tell how often something went wrong at agents, by their own
// count: runs of collectors that failed, samples that were dropped, samples that
// a server refused. What a probe found out about its target is not among them.
// Safe for concurrent use.
type FailureCounters interface {
	// FailuresAt returns the counters of agents as they stood at a time, as far
	// as they have arrived: by the agent's id, and by the name that people find
	// the counter under. An agent that told nothing of itself in the five
	// minutes before is left out.
	FailuresAt(ctx context.Context, agentIDs []string, at time.Time) (map[string]Failures, error)
}

// Failures are the counters of one agent. They begin at 0 when it starts.
type Failures map[string]float64

// failureInterval is how often failure counters are read during a watch; at its
// end they are in any case.
const failureInterval = 5 * time.Second

// WatchFailures makes rollouts heed failure counters. It must be called before
// Run.
func (s *Steering) WatchFailures(c FailureCounters) { s.failures = c }

// subject is an agent that has in force what is being rolled out.
type subject struct {
	id, name string
	since    time.Time
}

// failing are the agents of a rollout at which something began to fail.
type failing struct {
	revision uint64
	faults   []string
	err      error // the counters could not be read
}

// failing compares the agents that have the configuration of the rollout in
// force with themselves before, if it is time to. It takes mu, and does not hold
// it while it reads.
func (s *Steering) failing(ctx context.Context, now time.Time) failing {
	s.mu.Lock()
	r := s.newest
	due := s.failures != nil && s.leads() && r.Rollout.State == RolloutRunning && !r.Plan.IgnoreFailures &&
		(!now.Before(s.watchEnd()) || now.Sub(s.failuresRead) >= failureInterval)
	groups := make(map[time.Time][]subject) // by when it came into force, in whole seconds
	for id, st := range s.agents {
		if due && st.status.Revision == r.Number && st.status.State == st.settled() {
			since := st.status.ChangedAt.Truncate(time.Second)
			groups[since] = append(groups[since], subject{id, st.agent.Name, since})
		}
	}
	s.mu.Unlock()
	f := failing{revision: r.Number}
	for _, group := range groups {
		faults, err := s.compare(ctx, group, now, r.Plan)
		if err != nil {
			f.err = fmt.Errorf("reading the failure counters of agents: %w", err)
			return f
		}
		f.faults = append(f.faults, faults...)
	}
	if due {
		s.failuresRead = now
	}
	return f
}

// compare returns what began to fail at agents that have a configuration in force
// since the same time.
func (s *Steering) compare(ctx context.Context, group []subject, now time.Time, plan RolloutPlan) (faults []string, err error) {
	since := group[0].since
	after := now.Sub(since)
	before := max(after, time.Duration(plan.WatchSeconds)*time.Second)
	ids := make([]string, len(group))
	for i, w := range group {
		ids[i] = w.id
	}
	var at [3]map[string]Failures
	for i, t := range []time.Time{since.Add(-before), since, now} {
		if at[i], err = s.failures.FailuresAt(ctx, ids, t); err != nil {
			return nil, err
		}
	}
	for _, w := range group {
		base, ok := at[1][w.id]
		if !ok {
			continue // there is nothing to compare with
		}
		counter, rise := base.rose(at[0][w.id], at[2][w.id])
		if rise > float64(plan.MaxFailures) {
			faults = append(faults, fmt.Sprintf("%s: %s rose by %.0f in %v, and not in the %v before",
				quote(w.name), counter, rise, after.Round(time.Second), before.Round(time.Second)))
		}
	}
	return faults, nil
}

// rose returns the counter that rose most from f to later among those that did
// not from earlier to f, and by how much.
func (f Failures) rose(earlier, later Failures) (counter string, most float64) {
	for _, name := range slices.Sorted(maps.Keys(later)) {
		if rise(earlier[name], f[name]) > 0 {
			continue
		}
		if n := rise(f[name], later[name]); n > most {
			counter, most = name, n
		}
	}
	return counter, most
}

// rise of a counter that begins anew when its process does.
func rise(from, to float64) float64 {
	if to < from {
		return to
	}
	return to - from
}

// worst joins faults into one text, the same one for the same faults.
func worst(faults []string) string {
	switch len(faults) {
	case 0:
		return ""
	case 1:
		return faults[0]
	}
	return fmt.Sprintf("%s (and %d more agents failed)", slices.MinFunc(faults, cmp.Compare[string]), len(faults)-1)
}

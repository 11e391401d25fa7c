package server

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/series/query"
)

// failureMetrics are the metrics of agents that count what went wrong at
// themselves.
var failureMetrics = []string{
	"sonde_agent_collector_failures_total",
	"sonde_agent_samples_dropped_total",
	"sonde_agent_samples_refused_total",
}

const (
	// failureLookback is how old a sample of such a metric may be.
	failureLookback = 5 * time.Minute
	// failureAgents is how many agents are asked for at once: their ids fit into
	// an expression.
	failureAgents = 300
)

// failures implements [fleet.FailureCounters] over the samples that agents sent
// of themselves, which every server sees that shares the store.
type failures struct{ engine *query.Engine }

// FailuresAt implements [fleet.FailureCounters].
func (f failures) FailuresAt(ctx context.Context, agentIDs []string, at time.Time) (map[string]fleet.Failures, error) {
	found := make(map[string]fleet.Failures, len(agentIDs))
	for ids := range slices.Chunk(agentIDs, failureAgents) {
		v, err := f.engine.Instant(ctx, query.InstantRequest{
			Expr:     `{__name__=~"` + strings.Join(failureMetrics, "|") + `",agent=~"` + strings.Join(ids, "|") + `"}`,
			Time:     at,
			Lookback: failureLookback,
		})
		if err != nil {
			return nil, err
		}
		for i, l := range v.Series {
			id := l.Get("agent")
			if found[id] == nil {
				found[id] = make(fleet.Failures)
			}
			// An agent that got another name has the counter twice for a while.
			name := counterName(l)
			found[id][name] = max(found[id][name], v.Values[i])
		}
	}
	return found, nil
}

// counterName is a series as one would write it in PromQL, without what says
// whose it is.
func counterName(l labels.Labels) string {
	rest := labels.NewBuilder(l).Del(model.MetricNameLabel, "agent", "instance", "job").Labels()
	name := l.Get(model.MetricNameLabel)
	if rest.IsEmpty() {
		return name
	}
	return name + rest.String()
}

package probe

import (
	"time"

	"sonde.dev/sonde/agent/internal/sample"
)

// seriesOf returns the series of runners: for each the attempts by outcome, then
// the durations by phase, both in the order of the kind.
func seriesOf(runners []*runner) []sample.Series {
	var series []sample.Series
	for _, r := range runners {
		labels := func(name, value string) []sample.Label {
			// "outcome" and "phase" both belong between the others.
			return []sample.Label{
				{Name: "kind", Value: string(r.spec.Kind)},
				{Name: name, Value: value},
				{Name: "probe", Value: r.spec.Name},
				{Name: "target", Value: r.spec.label()},
			}
		}
		for _, o := range r.kind.outcomes {
			series = append(series, sample.Series{
				Name: "sonde_probe_attempts_total", Labels: labels("outcome", o.String()), Kind: sample.Float,
			})
		}
		for _, p := range r.kind.phases {
			series = append(series, sample.Series{
				Name: "sonde_probe_duration_seconds", Labels: labels("phase", phaseNames[p]), Kind: sample.Distribution,
			})
		}
	}
	return series
}

// Tick returns what the probes have counted up to now, as of the time at. Every
// outcome that a probe can have is there from the first tick on.
func (s *Set) Tick(at time.Time) sample.Tick {
	s.mu.Lock()
	schema, runners := s.schema, s.runners
	s.mu.Unlock()
	t := sample.Tick{
		Schema:        schema,
		Time:          at.UnixMilli(),
		Floats:        make([]float64, 0, schema.Floats()),
		Distributions: make([]sample.Snapshot, 0, schema.Distributions()),
	}
	for _, r := range runners {
		for _, o := range r.kind.outcomes {
			t.Floats = append(t.Floats, float64(r.stats.outcomes[o].Load()))
		}
		for i := range r.stats.durations {
			t.Distributions = append(t.Distributions, r.stats.durations[i].Snapshot())
		}
	}
	return t
}

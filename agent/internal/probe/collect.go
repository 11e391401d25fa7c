package probe

import (
	"time"

	"sonde.dev/sonde/agent/internal/collect"
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

// Name implements [collect.Collector].
func (s *Set) Name() string { return "probe" }

// Interval implements [collect.Collector].
func (s *Set) Interval() time.Duration { return time.Second }

// Collect implements [collect.Collector]: it reports what the probes have
// counted up to now. Every outcome that a probe can have is there from the first
// tick on.
func (s *Set) Collect(_ time.Time, row *collect.Row) error {
	s.report(row)
	return nil
}

// values is what a row of values is for report.
type values interface {
	Begin(*sample.Schema)
	Float(float64)
	Distribution(sample.Snapshot)
}

func (s *Set) report(row values) {
	s.mu.Lock()
	schema, runners := s.schema, s.runners
	s.mu.Unlock()
	row.Begin(schema)
	for _, r := range runners {
		for _, o := range r.kind.outcomes {
			row.Float(float64(r.stats.outcomes[o].Load()))
		}
		for i := range r.stats.durations {
			row.Distribution(r.stats.durations[i].Snapshot())
		}
	}
}

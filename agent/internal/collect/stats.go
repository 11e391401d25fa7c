package collect

import "time"

// Stat is what a scheduler has counted of one collector since it was made.
type Stat struct {
	Collector string
	Ticks     uint64 // runs, failed ones too
	Late      uint64 // runs that began beyond the tolerance
	Missed    uint64 // aligned instants without a run
	Failures  uint64
	Duration  time.Duration // of all runs together
	Ignored   int           // devices left out of the last run
	// Absent: this machine has nothing for the collector to measure.
	Absent bool
}

// Stats appends to dst what was counted, in the order in which collectors were
// added. It takes no lock, so that a collector that reports it waits for nothing.
func (s *Scheduler) Stats(dst []Stat) []Stat {
	for _, e := range s.entries {
		dst = append(dst, Stat{
			Collector: e.collector.Name(),
			Ticks:     e.ticks.Load(),
			Late:      e.late.Load(),
			Missed:    e.missed.Load(),
			Failures:  e.failures.Load(),
			Duration:  time.Duration(e.nanos.Load()),
			Ignored:   int(e.ignored.Load()),
			Absent:    e.absent.Load(),
		})
	}
	return dst
}

// Samples returns how many values were handed to the sink.
func (s *Scheduler) Samples() uint64 { return s.samples.Load() }

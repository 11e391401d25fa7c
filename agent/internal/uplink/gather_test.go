package uplink

import (
	"testing"

	"sonde.dev/sonde/agent/internal/sample"
)

func TestLargeBatchLeavesBeforeItsTime(t *testing.T) {
	g := newGatherer()
	tick := sample.Tick{Schema: loadSchema, Floats: make([]float64, 10_000)}
	n := maxBatchBytes/tickBytes(tick) + 1
	for range n {
		g.add(tick)
	}
	select {
	case <-g.full:
	default:
		t.Error("nobody is told of the full batch")
	}
	ready := g.take()
	if len(ready) != 2 || len(ready[0].ticks) != n-1 || ready[0].size > maxBatchBytes {
		t.Errorf("%d batches, want a full one and one of a tick", len(ready))
	}
	if len(g.take()) != 0 {
		t.Error("batches are taken twice")
	}
}

// TestGathererIsBounded adds ticks while nobody takes them, as when the disk of
// an agent hangs that writes every batch at once.
func TestGathererIsBounded(t *testing.T) {
	g := newGatherer()
	tick := sample.Tick{Schema: loadSchema, Floats: make([]float64, 10_000)}
	for i := range 2 * maxGatheredBytes / tickBytes(tick) {
		tick.Time = int64(1000 + i)
		g.add(tick)
	}
	var kept uint64
	size := 0
	for _, b := range g.take() {
		kept += b.samples()
		size += b.size
	}
	taken, dropped := g.counts()
	if dropped.Samples == 0 || taken != kept+dropped.Samples {
		t.Errorf("%d samples taken, %d kept, %d dropped", taken, kept, dropped.Samples)
	}
	if last := 999 + int64(dropped.Samples)/10_000; dropped.First != 1000 || dropped.Last != last {
		t.Errorf("dropped from %d to %d, want 1000 to %d", dropped.First, dropped.Last, last)
	}
	if size > maxGatheredBytes+maxBatchBytes {
		t.Errorf("%d bytes are kept", size)
	}
}

func TestSpooledBatchTellsItsTimes(t *testing.T) {
	b := &batch{ticks: []sample.Tick{tickAt(2000), tickAt(1000), tickAt(3000)}, size: 7}
	if s := b.spooled(); s.First != 1000 || s.Last != 3000 || s.Samples != 3 || s.Size != 7 || s.Content != any(b) {
		t.Errorf("it is %+v", s)
	}
}

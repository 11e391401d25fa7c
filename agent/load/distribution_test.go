package load

import (
	"testing"
	"time"

	"sonde.dev/sonde/agent/internal/sample"
)

func TestDistributionForgetsWhatIsRemoved(t *testing.T) {
	var h sample.Histogram
	h.Record(0.001)
	h.Record(60)
	var warmUp, all distribution
	warmUp.merge(h.Snapshot())
	for range 3 {
		h.Record(1)
	}
	all.merge(h.Snapshot())
	all.remove(warmUp)
	for _, q := range []float64{0.01, 1} {
		if got := all.quantile(q); got < time.Second || got > 1050*time.Millisecond {
			t.Errorf("quantile %v is %v, of three that took a second", q, got)
		}
	}
	all.remove(distribution{})
	if all.count != 3 {
		t.Errorf("%d are left of 3", all.count)
	}
}

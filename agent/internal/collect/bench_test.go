package collect

import (
	"testing"

	"sonde.dev/sonde/agent/internal/procfs"
)

// BenchmarkTick runs every collector once, as if all intervals were the same.
func BenchmarkTick(b *testing.B) {
	b.Run("host", func(b *testing.B) { benchmarkTick(b, Host(procfs.Default(), procfs.Default())) })
	b.Run("fixtures", func(b *testing.B) { benchmarkTick(b, fixtureCollectors()) })
	for _, c := range fixtureCollectors() {
		b.Run("fixtures/"+c.Name(), func(b *testing.B) { benchmarkTick(b, []Collector{c}) })
	}
	for _, c := range Host(procfs.Default(), procfs.Default()) {
		b.Run("host/"+c.Name(), func(b *testing.B) { benchmarkTick(b, []Collector{c}) })
	}
}

// BenchmarkSelf is the collector of the agent's own metrics alone.
func BenchmarkSelf(b *testing.B) {
	scheduler := NewScheduler(quiet, nil, fixtureCollectors()...)
	self := NewSelf(procfs.Default(), scheduler, "1.2.3", ownValues...)
	scheduler.Add(self)
	benchmarkTick(b, []Collector{self})
}

func benchmarkTick(b *testing.B, collectors []Collector) {
	var present []Collector
	values := 0
	for _, c := range collectors {
		var row Row
		if c.Collect(testTime, &row) == nil {
			present = append(present, c)
			values += len(row.floats)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range present {
			var row Row
			if err := c.Collect(testTime, &row); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(values), "values")
}

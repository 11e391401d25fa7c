package rollup_test

import (
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"sonde.dev/sonde/server/internal/series/query"
)

// BenchmarkDay takes a day of ten hosts, with a gauge, a counter and a latency
// each at a second, and reports what rolling it up costs, how much room it
// takes, and how long a question about the day takes over either.
func BenchmarkDay(b *testing.B) {
	s := openKeeping(b, b.TempDir(), 30*day, 60*day)
	const seconds = 26 * 3600
	for i := range 10 {
		newHost("host"+string(rune('a'+i))).append(b, s.db, 0, seconds*time.Second, time.Second)
	}
	if err := s.db.Compact(b.Context()); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := s.tiers.Roll(b.Context()); err != nil {
		b.Fatal(err)
	}
	rolled := time.Since(began)
	taken, samples, series := 0.0, 26*3600*30.0, 30.0
	for _, block := range s.db.Blocks() {
		taken += float64(block.Size())
	}
	b.Run("roll", func(b *testing.B) {
		for b.Loop() { // it was done above, once
		}
		b.ReportMetric(float64(rolled.Nanoseconds())/samples, "ns/sample")
		b.ReportMetric(taken/series/1024, "KiB/series-taken")
		b.ReportMetric(size(b, filepath.Join(s.dir, "rollup-1m"))/series/1024, "KiB/series-1m")
		b.ReportMetric(size(b, filepath.Join(s.dir, "rollup-1h"))/series/1024, "KiB/series-1h")
	})
	overTiers, overTaken := s.engines()
	for name, expr := range map[string]string{
		"rate": "sum(rate(node_cpu_seconds_total[1h]))",
		"p99":  "histogram_quantile(0.99, sum(rate(sonde_probe_duration_seconds[1h])))",
		"max":  "max(max_over_time(node_load1[1h]))",
	} {
		for _, e := range []struct {
			name string
			*query.Engine
		}{{"tiers", overTiers}, {"taken", overTaken}} {
			b.Run(name+"/"+e.name, func(b *testing.B) {
				for b.Loop() {
					if _, err := e.Range(b.Context(), query.RangeRequest{Expr: expr, Start: epoch.Add(time.Hour), End: epoch.Add(22 * time.Hour), Step: time.Hour}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func size(b *testing.B, dir string) (bytes float64) {
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += float64(info.Size())
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}

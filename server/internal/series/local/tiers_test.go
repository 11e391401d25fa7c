package local

import (
	"path/filepath"
	"testing"
	"time"

	"sonde.dev/sonde/server/internal/series"
	"sonde.dev/sonde/server/internal/series/rollup"
)

// A store rolls up what it finds when it is opened, and is closed whatever it
// does then.
func TestRollsUp(t *testing.T) {
	dir := t.TempDir()
	o := testOptions(t, dir)
	o.Tiers = []rollup.Tier{{Window: time.Minute, Retention: 60 * 24 * time.Hour}}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	target := series.NewTarget([]series.Series{metric("node_load1")})
	rows := series.Rows{Target: target}
	for i := range int64(10 * 3600 / 10) {
		rows.Times = append(rows.Times, epoch+i*10_000)
		rows.Floats = append(rows.Floats, float64(i))
	}
	write(t, s, rows)
	if err := s.db.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	if s, err = Open(o); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		blocks, err := filepath.Glob(filepath.Join(dir, "rollup-1m", "*", "meta.json"))
		if err != nil {
			t.Fatal(err)
		}
		if len(blocks) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was rolled up")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got := s.Tiers().Windows(); len(got) != 1 || got[0] != time.Minute {
		t.Errorf("windows: %v", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if s = openTest(t, dir); s.Tiers() != nil {
		t.Error("tiers though none are asked for")
	}
}

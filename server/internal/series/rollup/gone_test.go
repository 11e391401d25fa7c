package rollup_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/server/internal/series/query"
	"sonde.dev/sonde/server/internal/series/rollup"
)

// forget opens the store again without some of its blocks of samples as taken,
// and maybe without minutes.
func (s *store) forget(which func(from, to time.Duration) bool, minutes bool) *store {
	s.t.Helper()
	var dirs []string
	for _, block := range s.db.Blocks() {
		if which(since(block.MinTime()), since(block.MaxTime())) {
			dirs = append(dirs, block.Dir())
		}
	}
	if len(dirs) == 0 {
		s.t.Fatal("no such block")
	}
	if minutes {
		dirs = append(dirs, filepath.Join(s.dir, "rollup-1m"))
	}
	s.close()
	for _, dir := range dirs {
		if err := os.RemoveAll(dir); err != nil {
			s.t.Fatal(err)
		}
	}
	return open(s.t, s.dir)
}

func since(ms int64) time.Duration { return time.UnixMilli(ms).Sub(epoch) }

// What comes late for a time of which other samples are gone is added to what
// the tiers have.
func TestLateWhereSamplesAreGone(t *testing.T) {
	firstDays := func(_, to time.Duration) bool { return to <= 3*day }
	for _, test := range []struct {
		name    string
		gone    func(from, to time.Duration) bool
		minutes bool // gone too
		oldest  time.Duration
	}{
		{"three days", firstDays, false, 3 * day},
		{"three days and the minutes", firstDays, true, 3 * day},
		{"the first block", func(from, _ time.Duration) bool { return from == 0 }, false, 2 * time.Hour},
		{"one set aside", func(from, _ time.Duration) bool { return from == 30*time.Hour }, false, -2 * time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, whole := open(t, t.TempDir()), open(t, t.TempDir())
			both := func(name string) func(from, to time.Duration) {
				one, other := newHost(name), newHost(name)
				return func(from, to time.Duration) {
					t.Helper()
					one.append(t, s.db, from, to, time.Minute)
					other.append(t, whole.db, from, to, time.Minute)
				}
			}
			a, late := both("a"), both("late")
			a(0, 6*day)
			s.roll()
			if got := since(s.tiers.Oldest()); got != 0 {
				t.Errorf("samples as taken from %v on, want 0", got)
			}
			s = s.forget(test.gone, test.minutes)
			late(-90*time.Minute, 50*time.Hour)
			a(6*day, 6*day+4*time.Hour)
			s.roll()

			if !test.minutes {
				s.compareWith(whole, []string{"node_cpu_seconds_total", "node_load1"}, 0, 49*time.Hour, 10*time.Minute)
				s.compareWith(whole, exact("10m"), 20*time.Minute, 49*time.Hour, 10*time.Minute)
			}
			s.compareWith(whole, exact("6h"), 12*time.Hour, 49*time.Hour, time.Hour)
			if got := since(s.tiers.Oldest()); got != test.oldest {
				t.Errorf("samples as taken from %v on, want %v", got, test.oldest)
			}
			tiered, _ := s.engines()
			m, err := tiered.Range(t.Context(), query.RangeRequest{Expr: `node_load1{agent="a"}`, Start: epoch.Add(2 * time.Hour), End: epoch.Add(29 * time.Hour), Step: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Columns) != 1 || slices.ContainsFunc(m.Columns[0].Values, math.IsNaN) {
				t.Errorf("a line over what is gone has gaps: %v", m.Columns)
			}
			again := s.sources()
			s.roll()
			if diff := cmp.Diff(again, s.sources()); diff != "" {
				t.Errorf("blocks were made anew though nothing came:\n%s", diff)
			}
		})
	}
}

// A day of hours is made of fewer hours of samples, two at a time.
func TestShortRetention(t *testing.T) {
	for name, tiers := range map[string][]rollup.Tier{
		"hours":             {{Window: time.Hour, Retention: 600 * day}},
		"hours and minutes": {{Window: time.Minute, Retention: 12 * time.Hour}, {Window: time.Hour, Retention: 600 * day}},
	} {
		t.Run(name, func(t *testing.T) {
			s, whole := openTiers(t, t.TempDir(), 12*time.Hour, tiers...), open(t, t.TempDir())
			for _, s := range []*store{s, whole} {
				a, late := newHost("a"), newHost("late")
				for at := time.Duration(0); at < 50*time.Hour; at += 2 * time.Hour {
					a.append(t, s.db, at, at+2*time.Hour, time.Minute)
					if at == 44*time.Hour {
						late.append(t, s.db, 35*time.Hour, 44*time.Hour, time.Minute)
					}
					s.roll()
				}
			}
			s.compareWith(whole, exact("6h"), 13*time.Hour, 34*time.Hour, time.Hour)
			s.compareWith(whole, exact("6h"), 41*time.Hour, 44*time.Hour, time.Hour)
		})
	}
}

package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb/wlog"

	"sonde.dev/sonde/internal/durable"
	"sonde.dev/sonde/server/internal/series"
)

func mustFail(t *testing.T, o Options, want error, text ...string) {
	t.Helper()
	s, err := Open(o)
	if err == nil {
		s.Close()
		t.Fatalf("opened, want %v", want)
	}
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	for _, part := range append(text, o.Dir) {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestOpenLocked(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	mustFail(t, testOptions(t, dir), ErrLocked, "choose another directory")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openTest(t, dir)
}

func TestOpenNotADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustFail(t, testOptions(t, file), ErrNotWritable)
}

func TestOpenReadOnly(t *testing.T) {
	dir := t.TempDir()
	mount(t, "", dir, syscall.MS_RDONLY)
	mustFail(t, testOptions(t, dir), ErrNotWritable, "write access")
}

// mount mounts a tmpfs for the test, which is skipped where that is not allowed.
func mount(t *testing.T, data, dir string, flags uintptr) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, data); err != nil {
		t.Skipf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
}

// fill writes a file that takes all but about keep bytes of the file system.
func fill(t *testing.T, dir string, keep uint64) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		free, _, err := freeSpace(dir)
		if err != nil {
			t.Fatal(err)
		}
		if free <= keep {
			return path
		}
		if _, err := f.Write(make([]byte, min(free-keep, 1<<20))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFullDiskTurnsAwayAndRecovers(t *testing.T) {
	dir := t.TempDir()
	mount(t, "size=48m", dir, 0)
	o := testOptions(t, dir)
	o.MinFree = 8 << 20
	s := openTuned(t, o, tuning{segmentSize: 1 << 20, flush: durable.SyncData})
	target := series.NewTarget([]series.Series{metric("a")})
	rows := func(ms int64) series.Rows {
		return series.Rows{Target: target, Times: at(ms), Floats: []float64{float64(ms)}}
	}
	write(t, s, rows(1))
	ballast := fill(t, dir, 4<<20)
	if got := <-enqueue(t, s, rows(2)); !errors.Is(got.err, series.ErrNoSpace) || errors.Is(got.err, series.ErrFailed) {
		t.Errorf("got %+v, want ErrNoSpace alone", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustFail(t, o, series.ErrNoSpace, "lower the retention")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s = openTuned(t, o, tuning{segmentSize: 1 << 20, flush: durable.SyncData})
	fill(t, dir, 4<<20)
	if got := <-enqueue(t, s, rows(2)); !errors.Is(got.err, series.ErrNoSpace) {
		t.Errorf("got %+v, want ErrNoSpace", got)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	write(t, s, rows(2))
	wantSamples(t, s, map[string][]string{`{__name__="a"}`: {"1 1", "2 2"}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDiskFullWithinACommit has no space kept free on the file system of one
// log, so that a record is torn.
func TestDiskFullWithinACommit(t *testing.T) {
	for _, log := range logNames {
		t.Run(log, func(t *testing.T) {
			dir := t.TempDir()
			small := filepath.Join(dir, log)
			if err := os.Mkdir(small, 0o700); err != nil {
				t.Fatal(err)
			}
			mount(t, "size=32m", small, 0)
			s := openTest(t, dir)
			var all []series.Series
			for i := range 10_000 {
				all = append(all, metric("a", "n", fmt.Sprint(i)))
			}
			target := series.NewTarget(all)
			rows := func(i int64) series.Rows {
				ms := 1_000_000 + i
				if log == wlog.WblDirName && i > 0 {
					ms = i // out of order
				}
				floats := make([]float64, len(all))
				for j := range floats {
					floats[j] = float64(i) + 0.1
				}
				return series.Rows{Target: target, Times: at(ms), Floats: floats}
			}
			write(t, s, rows(0))
			write(t, s, rows(1))
			ballast := fill(t, small, 250<<10)
			next := int64(2)
			for ; ; next++ {
				got := <-enqueue(t, s, rows(next))
				if errors.Is(got.err, series.ErrFailed) {
					break
				}
				if got.err != nil || next > 20 {
					t.Fatalf("write %d: %v, want ErrFailed", next, got.err)
				}
			}
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			if got := <-enqueue(t, s, rows(next)); !errors.Is(got.err, series.ErrFailed) {
				t.Errorf("with space again: %v, want ErrFailed", got.err)
			}
			_ = s.Close() // it may not be able to finish its logs

			s = openTest(t, dir)
			write(t, s, rows(next))
			got := read(t, s)
			for name, samples := range got {
				if len(samples) != int(next)+1 {
					t.Fatalf("%s has %d samples, want %d", name, len(samples), next+1)
				}
			}
			if len(got) != len(all) {
				t.Errorf("%d series, want %d", len(got), len(all))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestDamagedLog(t *testing.T) {
	tests := []struct {
		name    string
		damage  func(segments []string) error
		survive []string
		logged  string
		aside   int
	}{
		{
			name:    "torn tail",
			damage:  func(s []string) error { return cut(s[2], 40) },
			survive: []string{"0", "1"},
			logged:  "cut an unfinished write",
		},
		{
			name:    "torn header",
			damage:  func(s []string) error { return cut(s[2], 3) },
			survive: []string{"0", "1"},
			logged:  "cut an unfinished write",
		},
		{
			name:    "flipped bit in the middle",
			damage:  func(s []string) error { return flip(s[1], 200) },
			survive: []string{"0", "2"},
			logged:  "a log is damaged",
			aside:   1,
		},
		{
			name:    "flipped bit in the last record of an older segment",
			damage:  func(s []string) error { return cut(s[1], 40) },
			survive: []string{"0", "2"},
			logged:  "a log is damaged",
			aside:   1,
		},
		{
			name:    "nothing",
			damage:  func([]string) error { return nil },
			survive: []string{"0", "1", "2"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			all := []series.Series{}
			for i := range 200 {
				all = append(all, metric("a", "n", fmt.Sprint(i)))
			}
			for i := range int64(3) { // each store begins a segment
				s := openTest(t, dir)
				floats := make([]float64, len(all))
				for j := range floats {
					floats[j] = float64(i) + 0.1 // no zero bytes at its end
				}
				write(t, s, series.Rows{Target: series.NewTarget(all), Times: at(i), Floats: floats})
				// Not closed: Close fills the last page up.
				crash(t, s, dir)
			}
			segments := []string{}
			for i := range 3 {
				segments = append(segments, wlog.SegmentName(filepath.Join(dir, "wal"), i))
			}
			if err := tt.damage(segments); err != nil {
				t.Fatal(err)
			}
			var logged bytes.Buffer
			o := testOptions(t, dir)
			o.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn}))
			s := openTuned(t, o, tuning{segmentSize: 1 << 20, flush: durable.SyncData})
			var want []string
			for _, n := range tt.survive {
				want = append(want, n+" "+n+".1")
			}
			for _, m := range all {
				if got := read(t, s)[m.Labels.String()]; strings.Join(got, ",") != strings.Join(want, ",") {
					t.Fatalf("%s holds %v, want %v", m.Labels, got, want)
				}
			}
			if !strings.Contains(logged.String(), tt.logged) || (tt.logged == "") != (logged.Len() == 0) {
				t.Errorf("logged %q, want %q", logged.String(), tt.logged)
			}
			aside, _ := filepath.Glob(filepath.Join(dir, "damaged", "wal-*"))
			if len(aside) != tt.aside {
				t.Errorf("set aside %v, want %d files", aside, tt.aside)
			}
		})
	}
}

// crash puts into dir what a crash at this moment leaves of s.
func crash(t *testing.T, s *Store, dir string) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(copied, dir); err != nil {
		t.Fatal(err)
	}
}

// cut takes n bytes off the end.
func cut(path string, n int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-n)
}

func flip(path string, offset int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[offset] ^= 1
	return os.WriteFile(path, b, 0o600)
}

func TestDamagedBlock(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	target := series.NewTarget([]series.Series{metric("a")})
	hour := time.Hour.Milliseconds()
	for i := range int64(10) {
		write(t, s, series.Rows{Target: target, Times: at(i * hour), Floats: []float64{float64(i)}})
	}
	if err := s.db.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	blocks := s.db.Blocks()
	if len(blocks) == 0 {
		t.Fatal("no block was made")
	}
	path, lost := blocks[0].Dir(), blocks[0].Meta().Stats.NumSamples
	before := len(read(t, s)[`{__name__="a"}`])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(path, "index"), 10); err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	o := testOptions(t, dir)
	o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	s = openTuned(t, o, tuning{segmentSize: 1 << 20, flush: durable.SyncData})
	if !strings.Contains(logged.String(), path) || !strings.Contains(logged.String(), "damaged") {
		t.Errorf("log does not name %s: %s", path, logged.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "damaged", filepath.Base(path), "index")); err != nil {
		t.Errorf("the block was not set aside: %v", err)
	}
	if got := len(read(t, s)[`{__name__="a"}`]); got != before-int(lost) {
		t.Errorf("%d samples, want %d less %d", got, before, lost)
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	o := testOptions(t, t.TempDir())
	o.Registerer = reg
	s := openTuned(t, o, tuning{segmentSize: 1 << 20, flush: durable.SyncData})
	target := series.NewTarget([]series.Series{metric("a")})
	write(t, s, series.Rows{Target: target, Times: at(1, 2), Floats: []float64{1, 2}})
	write(t, s, series.Rows{Target: target, Times: at(2), Floats: []float64{3}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if families, err := reg.Gather(); err != nil || len(families) != 0 {
		t.Errorf("%d families stay registered after Close (%v)", len(families), err)
	}
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{
		"sonde_server_store_samples_total":                  2,
		"sonde_server_store_refused_samples_total conflict": 1,
		"sonde_server_store_refused_samples_total too_old":  0,
		"sonde_server_store_commit_duration_seconds":        2,
		"sonde_server_store_fsync_duration_seconds":         2,
		"sonde_server_store_group_samples":                  2,
		"sonde_server_store_queue_samples":                  0,
		"sonde_server_store_failed":                         0,
		"prometheus_tsdb_head_series":                       1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
}

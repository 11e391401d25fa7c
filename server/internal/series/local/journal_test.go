package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"

	"sonde.dev/sonde/internal/durable"
	"sonde.dev/sonde/server/internal/series"
)

// disk remembers how much of each file has been flushed, and can break.
type disk struct {
	mu      sync.Mutex
	flushed map[uint64]int64 // by inode
	flushes int
	broken  error
}

func (d *disk) flush(f *os.File) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken != nil {
		return d.broken
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if d.flushed == nil {
		d.flushed = map[uint64]int64{}
	}
	d.flushed[info.Sys().(*syscall.Stat_t).Ino] = info.Size()
	d.flushes++
	return nil
}

func (d *disk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flushes
}

// unflushed lists what the segments in dir hold beyond what was flushed.
func (d *disk) unflushed(t *testing.T, dir string) []string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || e.IsDir() {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := d.flushed[info.Sys().(*syscall.Stat_t).Ino]; n < info.Size() {
			missing = append(missing, fmt.Sprintf("%s: %d of %d bytes", e.Name(), n, info.Size()))
		}
	}
	return missing
}

// TestJournalFlushesWhatIsWritten writes to a log of the library in random
// steps: records of all sizes, new segments, removal of old ones.
func TestJournalFlushesWhatIsWritten(t *testing.T) {
	for seed := range uint64(20) {
		dir := filepath.Join(t.TempDir(), "wal")
		w, err := wlog.NewSize(nil, nil, dir, 64<<10, compression.None)
		if err != nil {
			t.Fatal(err)
		}
		var d disk
		j, err := openJournal(dir, d.flush)
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(seed, 0))
		for range 100 {
			for range random.IntN(4) {
				switch random.IntN(4) {
				case 0:
					_, err = w.NextSegmentSync()
				case 1:
					_, last, lerr := wlog.Segments(dir)
					err = errors.Join(lerr, w.Truncate(random.IntN(last+1)))
				default:
					err = w.Log(make([]byte, 1+random.IntN(50_000)))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := j.sync(); err != nil {
				t.Fatal(err)
			}
			if missing := d.unflushed(t, dir); len(missing) > 0 {
				t.Fatalf("seed %d: not flushed: %v", seed, missing)
			}
		}
		before := d.count()
		if err := j.sync(); err != nil {
			t.Fatal(err)
		}
		if d.count() != before {
			t.Error("a log that did not grow was flushed again")
		}
		if err := errors.Join(j.close(), w.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDoneComesAfterTheFlush checks at every Done that no log holds bytes that
// are not flushed.
func TestDoneComesAfterTheFlush(t *testing.T) {
	dir := t.TempDir()
	var d disk
	s := openTuned(t, testOptions(t, dir), tuning{segmentSize: 64 << 10, flush: d.flush})
	var all []series.Series
	for i := range 500 {
		all = append(all, metric("a", "n", fmt.Sprint(i)))
	}
	target := series.NewTarget(all)
	for i := range int64(30) {
		times := at(1_000_000 + i)
		if i%2 == 1 {
			times = at(i) // out of order
		}
		var missing []string
		done := make(chan error)
		err := s.Append(context.Background(), &series.Write{
			Rows: []series.Rows{{Target: target, Times: times, Floats: make([]float64, 500)}},
			Done: func(_ series.Result, err error) {
				missing = append(d.unflushed(t, filepath.Join(dir, "wal")), d.unflushed(t, filepath.Join(dir, "wbl"))...)
				done <- err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if len(missing) > 0 {
			t.Fatalf("write %d was done with bytes not flushed: %v", i, missing)
		}
	}
}

func TestAFailedFlushIsFinal(t *testing.T) {
	dir := t.TempDir()
	var d disk
	s := openTuned(t, testOptions(t, dir), tuning{segmentSize: 1 << 20, flush: d.flush})
	target := series.NewTarget([]series.Series{metric("a")})
	rows := func(ms int64) series.Rows {
		return series.Rows{Target: target, Times: at(ms), Floats: []float64{1}}
	}
	write(t, s, rows(1))
	d.mu.Lock()
	d.broken = syscall.EIO
	d.mu.Unlock()
	got := <-enqueue(t, s, rows(2))
	if !errors.Is(got.err, series.ErrFailed) || !errors.Is(got.err, syscall.EIO) || got.Stored != 0 {
		t.Errorf("got %+v, want ErrFailed for EIO", got)
	}
	// The next flush would succeed, and prove nothing.
	d.mu.Lock()
	d.broken = nil
	d.mu.Unlock()
	if got := <-enqueue(t, s, rows(3)); !errors.Is(got.err, series.ErrFailed) {
		t.Errorf("after the failure: %+v, want ErrFailed", got)
	}
	if err := s.Wait(context.Background()); !errors.Is(err, series.ErrFailed) {
		t.Errorf("Wait: %v, want ErrFailed", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTuned(t, testOptions(t, dir), tuning{segmentSize: 1 << 20, flush: durable.SyncData})
	write(t, s, rows(2), rows(3))
	wantSamples(t, s, map[string][]string{`{__name__="a"}`: {"1 1", "2 1", "3 1"}})
}

// TestLibraryCountsFailures: without its counter a failed write to the log of
// samples out of order would go unnoticed.
func TestLibraryCountsFailures(t *testing.T) {
	s := openTest(t, t.TempDir())
	if n, err := s.committer.failures.count(); n != 0 || err != nil {
		t.Errorf("%v failures, %v; want none", n, err)
	}
	if _, err := (&failures{}).count(); err == nil {
		t.Error("a library without the counter went unnoticed")
	}
}

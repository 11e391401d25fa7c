package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// The content of a batch in these tests is its numbers, and a payload is its
// contents one behind the other, with one schema for every hundred numbers.
func encodeNumbers(contents []any) (Payload, error) {
	var p Payload
	for _, c := range contents {
		for _, n := range c.([]uint64) {
			p.Data = binary.BigEndian.AppendUint64(p.Data, n)
			if schema := numberSchema(n); !slices.ContainsFunc(p.Schemas, func(s Schema) bool { return s.Hash == schema.Hash }) {
				p.Schemas = append(p.Schemas, schema)
			}
		}
	}
	return p, nil
}

func numberSchema(n uint64) Schema {
	var s Schema
	binary.BigEndian.PutUint64(s.Hash[:], n/100)
	s.Data = fmt.Appendf(nil, "schema of %d", n/100)
	return s
}

// numbersOf returns the numbers in a record once it has checked that their
// schemas are there.
func numbersOf(t *testing.T, rec Record) []uint64 {
	t.Helper()
	if rec.Content != nil {
		return rec.Content.([]uint64)
	}
	var numbers []uint64
	for b := rec.Payload.Data; len(b) > 0; b = b[8:] {
		n := binary.BigEndian.Uint64(b)
		want := numberSchema(n)
		if !slices.ContainsFunc(rec.Payload.Schemas, func(s Schema) bool { return s.Hash == want.Hash && bytes.Equal(s.Data, want.Data) }) {
			t.Errorf("the schema of %d is not with it", n)
		}
		numbers = append(numbers, n)
	}
	if int(rec.Samples) != len(numbers) {
		t.Errorf("record says %d samples and has %d", rec.Samples, len(numbers))
	}
	return numbers
}

func numberBatch(numbers ...uint64) Batch {
	now := time.Now().UnixMilli()
	return Batch{First: now, Last: now, Samples: uint32(len(numbers)), Size: 8 * len(numbers), Content: numbers}
}

func testOptions(disk fileSystem) Options {
	return Options{Dir: "spool", FlushAfter: 10 * time.Second, Encode: encodeNumbers, Logger: slog.New(slog.DiscardHandler), fs: disk}
}

func mustOpen(t testing.TB, o Options) *Spool {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustAppend(t testing.TB, s *Spool, numbers ...uint64) (LaneID, uint64) {
	t.Helper()
	lane, seq, err := s.Append(numberBatch(numbers...))
	if err != nil {
		t.Fatal(err)
	}
	return lane, seq
}

// drain returns the numbers that a reader gives out, backlog first.
func drain(t *testing.T, s *Spool) []uint64 {
	t.Helper()
	r := s.NewReader(1 << 30)
	defer r.Close()
	var all []uint64
	for _, next := range []func() (Record, bool, error){r.Backlog, r.Live} {
		var lane LaneID
		var seq uint64
		for {
			rec, ok, err := next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if rec.Lane == lane && rec.Seq <= seq {
				t.Errorf("batch %d comes after %d of the same lane", rec.Seq, seq)
			}
			lane, seq = rec.Lane, rec.Seq
			all = append(all, numbersOf(t, rec)...)
		}
	}
	return all
}

func numbers(from, to uint64) (all []uint64) {
	for n := from; n <= to; n++ {
		all = append(all, n)
	}
	return all
}

func expect(t *testing.T, s *Spool, want []uint64) {
	t.Helper()
	if diff := cmp.Diff(want, drain(t, s)); diff != "" {
		t.Errorf("given out (-want +got):\n%s", diff)
	}
}

// With a server that acknowledges in time the disk is left alone.
func TestAcknowledgedInTimeNeverTouchesTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newMemFS()
		s := mustOpen(t, testOptions(disk))
		encoded := 0
		s.opts.Encode = func(c []any) (Payload, error) { encoded++; return encodeNumbers(c) }
		for n := range uint64(100) {
			lane, seq := mustAppend(t, s, n)
			time.Sleep(100 * time.Millisecond)
			s.Ack(lane, seq)
			time.Sleep(900 * time.Millisecond)
		}
		synctest.Wait()
		if disk.writes != 0 || encoded != 0 {
			t.Errorf("%d writes and %d encodings, want none", disk.writes, encoded)
		}
		if st := s.Stats(); st.Batches != 0 || st.MemoryBytes != 0 || st.DiskBytes != 0 {
			t.Errorf("something is left: %+v", st)
		}
	})
}

// An outage costs one write for all batches of FlushAfter, and after it nothing
// is left on disk.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newMemFS()
		s := mustOpen(t, testOptions(disk))
		const minutes = 10
		var lane LaneID
		var seq uint64
		for n := range uint64(minutes * 60) {
			lane, seq = mustAppend(t, s, n)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if want := minutes * 6; disk.writes < want-6 || disk.writes > want {
			t.Errorf("%d writes in %d minutes, want about %d", disk.writes, minutes, want)
		}
		if st := s.Stats(); st.MemoryBatches > 10 || st.Batches != minutes*60 || st.Samples != minutes*60 {
			t.Errorf("%+v", st)
		}
		expect(t, s, numbers(0, minutes*60-1))
		s.Ack(lane, seq)
		synctest.Wait()
		if st := s.Stats(); st.DiskBytes != 0 || st.Batches != 0 {
			t.Errorf("something is left: %+v", st)
		}
		if len(disk.files) != 0 {
			t.Errorf("files left: %v", disk.files)
		}
	})
}

func TestSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	o := testOptions(nil)
	o.Dir = filepath.Join(dir, "state", "spool")
	s := mustOpen(t, o)
	for n := range uint64(250) {
		mustAppend(t, s, n, n+1000)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, o)
	mustAppend(t, s, 7)
	var want []uint64
	for n := range uint64(250) {
		want = append(want, n, n+1000)
	}
	expect(t, s, append(want, 7))
	if st := s.Stats(); st.Lanes != 2 || st.Samples != 501 || st.Batches != 251 {
		t.Errorf("%+v", st)
	}
	err := filepath.WalkDir(o.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, others must not read it", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSecondAgentOnOneFolder(t *testing.T) {
	o := testOptions(nil)
	o.Dir = t.TempDir()
	s := mustOpen(t, o)
	_, err := Open(o)
	var locked *LockedError
	if !errors.As(err, &locked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("got %v, want one that names the process", err)
	}
	// Unless the caller vouches for it.
	o.Unlocked = true
	mustOpen(t, o).Close()
	o.Unlocked = false
	s.Close()
	mustOpen(t, o)
}

// The link was cut for hours without a restart: what waited becomes backlog,
// and acknowledgements of both lanes do not touch each other.
func TestLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, testOptions(newMemFS()))
		for n := range uint64(100) {
			mustAppend(t, s, n)
			time.Sleep(time.Second)
		}
		r := s.NewReader(30)
		defer r.Close()
		if r.Lane() == s.Boot() {
			t.Fatal("live batches are still in the lane that is 100 behind")
		}
		if _, ok, _ := r.Live(); ok {
			t.Error("a batch of the outage is live")
		}
		lane, seq := mustAppend(t, s, 100)
		if lane != r.Lane() || seq != 1 {
			t.Errorf("appended as %x %d, want the first of the new lane", lane, seq)
		}
		rec, ok, err := r.Live()
		if !ok || err != nil || rec.Lane != lane || rec.Seq != 1 || rec.Content == nil {
			t.Errorf("live: %+v %v %v", rec, ok, err)
		}
		old, ok, err := r.Backlog()
		if !ok || err != nil || old.Lane != s.Boot() || numbersOf(t, old)[0] != 0 {
			t.Errorf("backlog: %+v %v %v", old, ok, err)
		}
		s.Ack(lane, 1)
		if st := s.Stats(); st.Batches != 100 {
			t.Errorf("%d batches wait, want the whole backlog", st.Batches)
		}
		s.Ack(s.Boot(), 1<<60)
		s.Ack(lane, 1<<60)
		if st := s.Stats(); st.Batches != 0 {
			t.Errorf("%d batches wait, want none", st.Batches)
		}
		mustAppend(t, s, 101)
		expect(t, s, []uint64{101})
		// With little behind, a new stream goes on with the lane.
		if again := s.NewReader(30); again.Lane() != lane {
			t.Error("a new lane for one batch")
		}
	})
}

func TestReaderStartsOverAtTheFirstUnacknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, testOptions(newMemFS()))
		for n := range uint64(20) {
			mustAppend(t, s, n)
			time.Sleep(time.Second)
		}
		r := s.NewReader(100)
		first, _, err := r.Live()
		if err != nil {
			t.Fatal(err)
		}
		acked, have := first.Seq, numbersOf(t, first)
		if _, ok, err := r.Live(); !ok || err != nil {
			t.Fatal(ok, err)
		}
		r.Close()
		s.Ack(s.Boot(), acked)
		expect(t, s, numbers(uint64(len(have)), 19))
	})
}

// The acknowledgement of all that a segment has comes while more is written to
// it: the file goes, and what was being written to it must not go with it.
func TestAckDuringAWrite(t *testing.T) {
	for _, op := range []string{"write", "sync"} {
		disk := newMemFS()
		s := mustOpen(t, testOptions(disk))
		lane, seq := mustAppend(t, s, 0)
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		disk.fault = func(at, name string) error {
			if at == op {
				s.Ack(lane, seq)
			}
			return nil
		}
		mustAppend(t, s, 1)
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		disk.heal()
		expect(t, s, []uint64{1})
		expect(t, mustOpen(t, testOptions(disk.kill())), []uint64{1})
	}
}

// A batch that goes to disk while it is in flight is neither lost nor out of
// order for the reader that has given it out.
func TestFlushUnderAReader(t *testing.T) {
	s := mustOpen(t, testOptions(newMemFS()))
	r := s.NewReader(100)
	defer r.Close()
	var got []uint64
	for n := range uint64(300) {
		mustAppend(t, s, n)
		if n%7 == 0 {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if n%3 == 0 {
			rec, ok, err := r.Live()
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			got = append(got, numbersOf(t, rec)...)
		}
	}
	for {
		rec, ok, err := r.Live()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, numbersOf(t, rec)...)
	}
	if !slices.Equal(slices.Compact(slices.Sorted(slices.Values(got))), numbers(0, 299)) {
		t.Errorf("got %v", got)
	}
}

func TestRefusesWhatItCanNeverKeep(t *testing.T) {
	o := testOptions(newMemFS())
	o.MemoryBytes = 1000
	s := mustOpen(t, o)
	if _, _, err := s.Append(Batch{Size: 501}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	s.Close()
	if _, _, err := s.Append(Batch{}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	for _, o := range []Options{{}, {Dir: "x", MaxBytes: 1}, {Dir: "x", MaxAge: -1}, {Dir: "x", FlushAfter: -1}} {
		if s, err := Open(o); err == nil {
			s.Close()
			t.Errorf("opened with %+v", o)
		}
	}
}

func TestUnencodable(t *testing.T) {
	o := testOptions(newMemFS())
	o.Encode = func([]any) (Payload, error) { return Payload{}, errors.New("no") }
	s := mustOpen(t, o)
	mustAppend(t, s, 1, 2)
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Dropped[Unencodable] != (Count{1, 2}) || st.Batches != 0 || st.MemoryBytes != 0 {
		t.Errorf("%+v", st)
	}
}

// Everything at once, for the race detector: whatever goes to disk and comes
// back, each number arrives, and at the end nothing is left.
func TestConcurrentUse(t *testing.T) {
	o := testOptions(nil)
	o.Dir = t.TempDir()
	s := mustOpen(t, o)
	const total = 2000
	go func() {
		for n := range uint64(total) {
			s.Append(numberBatch(n))
			if n%100 == 0 {
				_ = s.Flush()
			}
		}
	}()
	seen := map[uint64]bool{}
	for len(seen) < total {
		r := s.NewReader(50)
		for range 200 {
			for _, next := range []func() (Record, bool, error){r.Live, r.Backlog} {
				rec, ok, err := next()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					runtime.Gosched()
					continue
				}
				for _, n := range numbersOf(t, rec) {
					seen[n] = true
				}
				if rec.Seq%3 == 0 {
					s.Ack(rec.Lane, rec.Seq)
				}
			}
			s.Stats()
		}
		r.Close()
	}
	r := s.NewReader(1 << 30)
	defer r.Close()
	for _, next := range []func() (Record, bool, error){r.Live, r.Backlog} {
		for rec, ok, _ := next(); ok; rec, ok, _ = next() {
			s.Ack(rec.Lane, rec.Seq)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Batches != 0 || st.DiskBytes != 0 {
		t.Errorf("left: %+v", st)
	}
}

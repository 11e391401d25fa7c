package spool

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// threeSegments makes a folder with three segments of one lane, of ten batches
// each: 0-9, 10-19 and 20-29. The last has no end if the process was killed.
func threeSegments(t *testing.T, killed bool) *memFS {
	t.Helper()
	disk := newMemFS()
	o := testOptions(disk)
	s := mustOpen(t, o)
	for n := range uint64(30) {
		mustAppend(t, s, n)
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		if n%10 == 9 && n < 29 {
			s.disk.Lock()
			s.seal()
			s.disk.Unlock()
		}
	}
	if killed {
		return disk.kill()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return disk.kill()
}

func TestDamage(t *testing.T) {
	const recordSize = frameHeaderSize + batchFixed + 8 + 8
	const schemaSize = frameHeaderSize + 8 + len("schema of 0")
	record := func(n int) int { return headerSize + schemaSize + n*recordSize }
	without := func(from, to uint64) (left []uint64) {
		for n := range uint64(30) {
			if n < from || n > to {
				left = append(left, n)
			}
		}
		return left
	}
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 0x40; return b }
	}
	tests := []struct {
		name    string
		segment uint64
		killed  bool
		damage  func([]byte) []byte
		want    []uint64
		lost    uint64 // batches counted
	}{
		{"magic", 1, false, flip(0), without(0, 9), 1},
		{"lane", 1, false, flip(12), without(0, 9), 1},
		{"header gone", 2, false, func(b []byte) []byte { return b[:20] }, without(10, 19), 0},
		{"empty", 2, false, func(b []byte) []byte { return nil }, without(10, 19), 0},
		{"all zeros", 2, false, func(b []byte) []byte { clear(b); return b }, without(10, 19), 0},
		{"schema", 1, false, flip(headerSize + 12), without(0, 9), 10},
		{"first batch", 1, false, flip(record(0) + 20), without(0, 9), 10},
		{"fourth batch", 2, false, flip(record(3) + 20), without(13, 19), 7},
		{"length of the fourth", 2, false, flip(record(3) + 1), without(13, 19), 7},
		{"enormous length", 2, false, flip(record(3) + 3), without(13, 19), 7},
		{"end", 2, false, flip(record(10) + 20), numbers(0, 29), 0},
		{"cut within the eighth", 2, false, func(b []byte) []byte { return b[:record(7)+5] }, without(17, 19), 0},
		{"more behind the end", 2, false, func(b []byte) []byte { return append(b, "tail"...) }, numbers(0, 29), 0},
		{"torn tail", 3, true, func(b []byte) []byte { return b[:len(b)-1] }, numbers(0, 28), 0},
		{"last batch fails its checksum", 3, true, flip(record(10) - 1), numbers(0, 28), 0},
		{"tail of zeros", 3, true, func(b []byte) []byte { return append(b, make([]byte, 5000)...) }, numbers(0, 29), 0},
		{"middle of a segment without end", 3, true, flip(record(5) + 20), numbers(0, 24), 1},
		{"newer version", 1, false, func(b []byte) []byte { b[8] = 9; return b }, without(0, 9), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			disk := threeSegments(t, test.killed)
			d := disk.files["spool/"+segmentName(test.segment)]
			d.data = test.damage(bytes.Clone(d.data))
			s := mustOpen(t, testOptions(disk))
			expect(t, s, test.want)
			if got := s.Stats().Dropped[Corrupt].Batches; got != test.lost {
				t.Errorf("%d batches counted as corrupt, want %d", got, test.lost)
			}
			if drops := s.Drops(); test.lost > 1 && (len(drops) != 1 || drops[0].First == 0 || drops[0].Reason != Corrupt) {
				t.Errorf("drops: %+v", drops)
			}
			// What is left still works to the end.
			for _, l := range slices.Clone(s.lanes) {
				s.Ack(l.id, 1<<60)
			}
			if st := s.Stats(); st.Batches != 0 {
				t.Errorf("%d batches cannot be acknowledged away", st.Batches)
			}
		})
	}
}

func TestFullDropsTheOldest(t *testing.T) {
	o := testOptions(newMemFS())
	o.MaxBytes = minMaxBytes
	s := mustOpen(t, o)
	s.opts.Encode = func(c []any) (Payload, error) {
		p, err := encodeNumbers(c)
		p.Data = append(p.Data, make([]byte, 20<<10)...)
		return p, err
	}
	const total = 200
	for n := range uint64(total) {
		mustAppend(t, s, n)
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		if n == 2 {
			s.Ack(s.Boot(), 2) // acknowledged, so not lost with its segment
		}
		if used := s.Stats().DiskBytes; used > o.MaxBytes {
			t.Fatalf("%d bytes used, at most %d may be", used, o.MaxBytes)
		}
	}
	st := s.Stats()
	if st.Dropped[Full].Batches+st.Batches != total-2 || st.Dropped[Full].Samples != st.Dropped[Full].Batches || st.Batches < 30 {
		t.Errorf("%+v", st)
	}
	if drops := s.Drops(); len(drops) != 1 || drops[0].Batches != st.Dropped[Full].Batches || drops[0].First == 0 {
		t.Errorf("drops: %+v", drops)
	}
	if lost, drop := s.Lost(Full), s.Drops()[0]; lost != (Lost{st.Dropped[Full].Samples, drop.First, drop.Last}) {
		t.Errorf("lost: %+v, want as %+v", lost, drop)
	}
	if lost := s.Lost(Aged); lost != (Lost{}) {
		t.Errorf("lost by age: %+v", lost)
	}
	r := s.NewReader(1 << 30)
	defer r.Close()
	if rec, _, _ := r.Live(); rec.Seq != total-st.Batches+1 {
		t.Errorf("the oldest left is %d, want %d", rec.Seq, total-st.Batches+1)
	}
}

// A stretch of lost time goes on over a pause such as a restart, and another
// begins after a longer one.
func TestLostStretches(t *testing.T) {
	var l Lost
	minute := time.Minute.Milliseconds()
	for _, step := range []struct {
		first, last int64
		want        Lost
	}{
		{10 * minute, 20 * minute, Lost{1, 10 * minute, 20 * minute}},
		{24 * minute, 30 * minute, Lost{2, 10 * minute, 30 * minute}},
		{8 * minute, 9 * minute, Lost{3, 8 * minute, 30 * minute}},
		{36 * minute, 37 * minute, Lost{4, 36 * minute, 37 * minute}},
	} {
		if l.Add(1, step.first, step.last); l != step.want {
			t.Errorf("after %+v: %+v", step, l)
		}
	}
}

func TestAgedGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(newMemFS())
		o.MaxAge = time.Hour
		s := mustOpen(t, o)
		mustAppend(t, s, 1, 2)
		time.Sleep(time.Hour)
		if st := s.Stats(); st.Batches != 1 {
			t.Errorf("dropped early: %+v", st)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if st := s.Stats(); st.Dropped[Aged] != (Count{1, 2}) || st.Batches != 0 || st.DiskBytes != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// While the disk takes nothing, memory keeps the newest up to its bound, and
// the disk is used again by itself once it takes writes.
func TestDegrades(t *testing.T) {
	for _, cause := range []syscall.Errno{syscall.ENOSPC, syscall.EROFS, syscall.EIO} {
		t.Run(cause.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { degrades(t, cause) })
		})
	}
}

func degrades(t *testing.T, cause error) {
	disk := newMemFS()
	disk.failWrites(cause)
	o := testOptions(disk)
	o.MemoryBytes = 64 << 10
	s := mustOpen(t, o)
	const total = 1000
	for n := range uint64(total) {
		mustAppend(t, s, numbers(n*100, n*100+99)...)
		time.Sleep(time.Second)
		if used := s.Stats().MemoryBytes; used > o.MemoryBytes {
			t.Fatalf("%d bytes of memory used", used)
		}
	}
	st := s.Stats()
	if st.Degraded == nil || st.Dropped[Unwritable].Batches+st.Batches != total || st.Batches < 50 {
		t.Errorf("%+v", st)
	}
	disk.heal()
	time.Sleep(retryEvery)
	synctest.Wait()
	if st := s.Stats(); st.Degraded != nil || st.MemoryBatches != 0 || st.DiskBytes == 0 {
		t.Errorf("not recovered: %+v", st)
	}
	all := drain(t, s)
	if !slices.Equal(all, numbers(uint64(100*total-len(all)), 100*total-1)) {
		t.Error("what is left is not the newest")
	}
}

// A disk that refused is found well again also when there is nothing to write.
func TestRecoversIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newMemFS()
		disk.failWrites(syscall.EROFS)
		s := mustOpen(t, testOptions(disk))
		time.Sleep(time.Minute)
		if s.Stats().Degraded == nil {
			t.Error("not degraded")
		}
		disk.heal()
		time.Sleep(retryEvery)
		synctest.Wait()
		if err := s.Stats().Degraded; err != nil {
			t.Error(err)
		}
		if len(disk.files) != 0 {
			t.Errorf("files left: %v", disk.files)
		}
	})
}

// What is acknowledged in part is noted: a later process sends the rest alone.
func TestProgressIsNoted(t *testing.T) {
	disk := threeSegments(t, false)
	s := mustOpen(t, testOptions(disk))
	s.mu.Lock()
	first := s.lanes[0].id
	s.mu.Unlock()
	s.Ack(first, 15)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, testOptions(disk.kill()))
	expect(t, s, numbers(15, 29))
	s.Close()
	for _, damage := range []func([]byte) []byte{
		func(b []byte) []byte { return b[:len(b)-1] },
		func(b []byte) []byte { b[len(b)-1]++; return b },
		func(b []byte) []byte { return nil },
	} {
		again := disk.kill()
		d := again.files["spool/progress"]
		d.data = damage(d.data)
		expect(t, mustOpen(t, testOptions(again)), numbers(10, 29))
	}
}

// mountTmpfs mounts a file system of 1 MiB for the test.
func mountTmpfs(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

func TestRealDiskFull(t *testing.T) {
	dir := mountTmpfs(t)
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 900<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	o := testOptions(nil)
	o.Dir = filepath.Join(dir, "spool")
	s := mustOpen(t, o)
	var want []uint64
	for n := uint64(0); s.Stats().Degraded == nil; n++ {
		if n == 1000 {
			t.Fatal("the disk never filled")
		}
		batch := numbers(n*1000, n*1000+999)
		mustAppend(t, s, batch...)
		want = append(want, batch...)
		_ = s.Flush() // fails once the disk is full
	}
	expect(t, s, want)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Degraded != nil || st.MemoryBatches != 0 {
		t.Errorf("%+v", st)
	}
	s.Close()
	expect(t, mustOpen(t, o), want)
}

func TestRealReadOnly(t *testing.T) {
	dir := mountTmpfs(t)
	o := testOptions(nil)
	o.Dir = filepath.Join(dir, "spool")
	s := mustOpen(t, o)
	mustAppend(t, s, 1)
	s.Close()
	remount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|flags, "size=1m"); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	s = mustOpen(t, o)
	mustAppend(t, s, 2)
	if err := s.Flush(); err == nil || s.Stats().Degraded == nil {
		t.Errorf("flushed to a disk that is read-only: %v %+v", err, s.Stats())
	}
	expect(t, s, []uint64{1, 2})
	remount(0)
	if err := s.Flush(); err != nil || s.Stats().Degraded != nil {
		t.Errorf("%v %+v", err, s.Stats())
	}
	s.Close()
	expect(t, mustOpen(t, o), []uint64{1, 2})
}

func FuzzSegment(f *testing.F) {
	for _, killed := range []bool{false, true} {
		disk := newMemFS()
		s, err := Open(testOptions(disk))
		if err != nil {
			f.Fatal(err)
		}
		for n := range uint64(5) {
			mustAppend(f, s, n*50)
		}
		if err := s.Flush(); err != nil {
			f.Fatal(err)
		}
		if !killed {
			s.Close()
		}
		f.Add(disk.kill().files["spool/"+segmentName(1)].data)
		s.Close()
	}
	f.Add([]byte(segmentMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		disk := newMemFS()
		disk.files["spool/"+segmentName(1)] = &memData{data: data}
		s := mustOpen(t, testOptions(disk))
		defer s.Close()
		r := s.NewReader(0)
		defer r.Close()
		last := map[LaneID]uint64{}
		for {
			rec, ok, err := r.Backlog()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if rec.Seq <= last[rec.Lane] || rec.First > rec.Last {
				t.Fatalf("record %+v after %d", rec, last[rec.Lane])
			}
			last[rec.Lane] = rec.Seq
			s.Ack(rec.Lane, rec.Seq)
		}
		if st := s.Stats(); st.Batches != 0 {
			t.Fatalf("left after all is acknowledged: %+v", st)
		}
	})
}

func FuzzProgress(f *testing.F) {
	f.Add(appendProgress(nil, make([]byte, 48)))
	f.Fuzz(func(t *testing.T, data []byte) {
		acked, err := parseProgress(data)
		if err == nil && len(acked) > len(data)/progressLane {
			t.Errorf("%d lanes in %d bytes", len(acked), len(data))
		}
	})
}

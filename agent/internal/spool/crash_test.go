package spool

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Power fails after each operation on the disk, with each part of what was not
// flushed kept: what Flush promised comes back whole and in order, and nothing
// comes back that was never appended.
func TestCrashAtEveryStep(t *testing.T) {
	const batches = 6
	// run appends and flushes until the disk fails, and returns what is promised.
	run := func(t *testing.T, disk *memFS) (promised uint64) {
		o := testOptions(disk)
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for n := range uint64(batches) {
			mustAppend(t, s, n, n+100)
			if s.Flush() == nil {
				promised = n + 1
			}
		}
		return promised
	}
	count := 0
	whole := newMemFS()
	whole.fault = func(op, name string) error { count++; return nil }
	if got := run(t, whole); got != batches {
		t.Fatalf("without faults %d of %d are promised", got, batches)
	}
	for step := range count {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			disk, at := newMemFS(), 0
			disk.fault = func(op, name string) error {
				if at++; at > step {
					return syscall.EIO // the machine is off
				}
				return nil
			}
			promised := run(t, disk)
			disk.heal()
			for keep := 0; keep < 400; keep += 7 {
				s := mustOpen(t, testOptions(disk.crash(keep)))
				got := drain(t, s)
				checkPrefix(t, got, promised)
				if st := s.Stats(); st.Dropped[Corrupt].Batches != 0 {
					t.Errorf("a torn write counts as damage, keeping %d bytes", keep)
				}
				s.Close()
			}
		})
	}
}

// checkPrefix checks that got is the numbers n, n+100 for n from 0 on, for as
// many n as were promised or more.
func checkPrefix(t *testing.T, got []uint64, promised uint64) {
	t.Helper()
	if uint64(len(got)) < 2*promised {
		t.Errorf("%d batches came back, %d were promised", len(got)/2, promised)
	}
	for i, n := range got {
		if want := uint64(i/2 + 100*(i%2)); n != want {
			t.Fatalf("number %d is %d, want %d", i, n, want)
		}
	}
}

// The last write tears at each of its bytes, by a kill and by a loss of power.
func TestTornAtEveryByte(t *testing.T) {
	for k := 0; ; k++ {
		disk := newMemFS()
		s := mustOpen(t, testOptions(disk))
		mustAppend(t, s, 0, 100)
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		disk.tearWrite(1, k, syscall.EIO)
		// The machine goes down with the write, so nothing is cut off.
		disk.fault = func(op, name string) error {
			if op == "truncate" {
				return syscall.EIO
			}
			return nil
		}
		mustAppend(t, s, 1, 101)
		done := s.Flush() == nil
		for _, after := range []*memFS{disk.kill(), disk.crash(1 << 20)} {
			again := mustOpen(t, testOptions(after))
			got := drain(t, again)
			checkPrefix(t, got, 1)
			// A new process writes on, and nothing is confused by the tail.
			mustAppend(t, again, 7)
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			expect(t, mustOpen(t, testOptions(after)), append(got, 7))
			if st := again.Stats(); st.Dropped[Corrupt].Batches != 0 {
				t.Errorf("torn at %d: counts as damage", k)
			}
		}
		s.Close()
		if done {
			if k < batchFixed {
				t.Fatalf("only %d ways to tear", k)
			}
			return
		}
	}
}

// After a flush of the disk failed, what it covered is in doubt: it is written
// again, elsewhere.
func TestFlushThatFailedIsNotTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newMemFS()
		s := mustOpen(t, testOptions(disk))
		mustAppend(t, s, 0, 100)
		disk.failOps(syscall.EIO, "sync")
		if err := s.Flush(); !errors.Is(err, syscall.EIO) {
			t.Fatalf("got %v, want the disk's error", err)
		}
		if st := s.Stats(); !errors.Is(st.Degraded, syscall.EIO) || st.MemoryBatches != 1 {
			t.Errorf("%+v", st)
		}
		disk.heal()
		time.Sleep(retryEvery)
		synctest.Wait()
		if st := s.Stats(); st.Degraded != nil || st.MemoryBatches != 0 {
			t.Errorf("not recovered: %+v", st)
		}
		again := mustOpen(t, testOptions(disk.crash(0)))
		expect(t, again, []uint64{0, 100})
	})
}

// A random history of appends, flushes, acknowledgements, new streams, crashes
// and faults, beside a model which knows only what is promised and what is
// acknowledged: nothing promised and unacknowledged is ever missing, nothing
// comes that was never appended, and a lane is always in order.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runModel(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

type place struct {
	lane LaneID
	seq  uint64
}

type model struct {
	numbers  map[place]uint64
	promised map[uint64]bool // promised and not acknowledged
	pending  map[uint64]bool // appended, neither promised nor acknowledged
}

func (m *model) ack(lane LaneID, seq uint64) {
	for p, n := range m.numbers {
		if p.lane == lane && p.seq <= seq {
			delete(m.promised, n)
			delete(m.pending, n)
		}
	}
}

func (m *model) promise() {
	for n := range m.pending {
		m.promised[n] = true
	}
	clear(m.pending)
}

func runModel(t *testing.T, r *rand.Rand) {
	disk := newMemFS()
	m := &model{map[place]uint64{}, map[uint64]bool{}, map[uint64]bool{}}
	s := mustOpen(t, testOptions(disk))
	reader := s.NewReader(10)
	var sent []place
	reopen := func(next *memFS) {
		reader.Close()
		disk = next
		s = mustOpen(t, testOptions(disk))
		reader = s.NewReader(10)
		sent = nil
	}
	number := uint64(0)
	for range 400 {
		switch op := r.IntN(100); {
		case op < 45:
			for range 1 + r.IntN(4) {
				lane, seq := mustAppend(t, s, number)
				m.numbers[place{lane, seq}] = number
				m.pending[number] = true
				number++
			}
		case op < 60:
			next := reader.Live
			if r.IntN(2) == 0 {
				next = reader.Backlog
			}
			if rec, ok, err := next(); err == nil && ok {
				numbersOf(t, rec)
				sent = append(sent, place{rec.Lane, rec.Seq})
			}
		case op < 70:
			if len(sent) > 0 {
				p := sent[r.IntN(len(sent))]
				s.Ack(p.lane, p.seq)
				m.ack(p.lane, p.seq)
			}
		case op < 80:
			if s.Flush() == nil {
				m.promise()
			}
		case op < 85:
			time.Sleep(time.Duration(r.IntN(30)) * time.Second)
			synctest.Wait()
		case op < 88:
			reader.Close()
			reader = s.NewReader(r.IntN(20))
			sent = nil
		case op < 91:
			ops := [][]string{{"write"}, {"sync"}, {"create"}, {"remove"}, {"syncdir"}, {"sync", "truncate"}, {"rename"}}
			disk.failOps(syscall.ENOSPC, ops[r.IntN(len(ops))]...)
		case op < 95:
			disk.heal()
		case op < 97:
			after := disk.crash(r.IntN(300))
			if r.IntN(2) == 0 {
				after = disk.kill()
			}
			// What was not promised may or may not have been written.
			clear(m.pending)
			s.Close() // of the process that is gone, on its own disk
			reopen(after)
			checkModel(t, s, m, number)
		default:
			disk.heal()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			m.promise()
			reopen(disk.crash(0))
		}
		if t.Failed() {
			return
		}
	}
	disk.heal()
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	m.promise()
	checkModel(t, s, m, number)
	if st := s.Stats(); slices.ContainsFunc(st.Dropped[:], func(c Count) bool { return c.Batches != 0 }) {
		t.Errorf("dropped: %v", st.Dropped)
	}
	reader.Close()
	s.Close()
}

// checkModel checks what s gives out against m, which has seen numbers below next.
func checkModel(t *testing.T, s *Spool, m *model, next uint64) {
	t.Helper()
	got := map[uint64]bool{}
	for _, n := range drain(t, s) {
		got[n] = true
		if n >= next {
			t.Errorf("%d was never appended", n)
		}
	}
	for n := range m.promised {
		if !got[n] {
			t.Errorf("%d was promised and is missing", n)
		}
	}
}

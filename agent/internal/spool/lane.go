package spool

import "time"

// lane is a strictly ordered sequence of batches, which one cumulative
// acknowledgement covers. Spool.mu guards it.
type lane struct {
	id       LaneID
	lastSeq  uint64 // given out
	acked    uint64
	segments []*segment // ascending
	memory   []*entry   // ascending, behind the segments
}

func (l *lane) empty() bool { return len(l.segments) == 0 && len(l.memory) == 0 }

// pending is how many batches are not acknowledged.
func (l *lane) pending() (n uint64) {
	for _, seg := range l.segments {
		n += seg.pending(l.acked)
	}
	for _, e := range l.memory {
		n += e.seq - e.firstSeq + 1
	}
	return n
}

// segment is a file of batches of one lane. Spool.mu guards its fields but for
// those that never change.
type segment struct {
	path string
	lane *lane
	span
	size    int64 // as far as it is durable and may be read
	damaged bool  // the file holds more than may be read

	// In the trash:
	lost   bool // dropped and not yet counted, for reason,
	reason Reason
	acked  uint64 // and acknowledged up to here
}

// pending is how many batches are not acknowledged: exactly, unless batches
// were dropped from between.
func (seg *segment) pending(acked uint64) uint64 {
	if acked < seg.firstSeq {
		return seg.batches
	}
	return min(seg.batches, seg.lastSeq-min(seg.lastSeq, acked))
}

// used is what the file takes on disk once it has its end.
func (seg *segment) used() int64 { return blocks(seg.size + endSize) }

func blocks(n int64) int64 { return (n + blockBytes - 1) &^ (blockBytes - 1) }

// entryOverhead is what an entry takes in memory beside its content.
const entryOverhead = 160

// entry is one or several batches in memory. Spool.mu guards writing; the rest
// never changes.
type entry struct {
	firstSeq, seq uint64
	first, last   int64
	samples       uint32
	size          int // bytes of memory
	added         time.Time
	content       any     // until it is encoded
	payload       Payload // from then on
	encoded       bool
	writing       bool // the disk is about to have it
}

func (e *entry) span() span {
	return span{e.seq - e.firstSeq + 1, uint64(e.samples), e.firstSeq, e.seq, e.first, e.last}
}

func (s *Spool) live() *lane { return s.lanes[len(s.lanes)-1] }

// ack needs mu.
func (s *Spool) ack(l *lane, seq uint64) {
	// A server that acknowledges what it was never sent must not make the
	// spool forget what is yet to come.
	seq = min(seq, l.lastSeq)
	if seq <= l.acked {
		return
	}
	l.acked = seq
	n := 0
	for n < len(l.memory) && l.memory[n].seq <= seq {
		s.memUsed -= int64(l.memory[n].size)
		n++
	}
	l.memory = deleteFront(l.memory, n)
	n = 0
	for n < len(l.segments) && l.segments[n].lastSeq <= seq {
		n++
	}
	if n > 0 {
		s.trash = append(s.trash, l.segments[:n]...)
		l.segments = deleteFront(l.segments, n)
		s.signal()
	}
	if len(l.segments) > 0 && seq >= l.segments[0].firstSeq {
		s.unnoted = true
		s.wakeBy(time.Now().Add(noteEvery))
	}
}

// deleteFront removes the first n elements and keeps the array, so that a queue
// in steady state does not allocate.
func deleteFront[T any](q []*T, n int) []*T {
	if n == 0 {
		return q
	}
	rest := copy(q, q[n:])
	clear(q[rest:])
	return q[:rest]
}

// pressed reports whether memory is so full that it has to go to disk now.
func (s *Spool) pressed() bool { return s.memUsed > s.opts.MemoryBytes/2 && s.degraded == nil }

// boundMemory drops the oldest batches in memory until the rest fits. It needs
// mu.
func (s *Spool) boundMemory() {
	for _, l := range s.lanes {
		if s.memUsed <= s.opts.MemoryBytes {
			return
		}
		kept := 0
		for _, e := range l.memory {
			if s.memUsed <= s.opts.MemoryBytes || e.writing {
				l.memory[kept] = e
				kept++
				continue
			}
			s.memUsed -= int64(e.size)
			s.drops.add(Unwritable, l.id, e.span())
		}
		clear(l.memory[kept:])
		l.memory = l.memory[:kept]
	}
}

// expire drops what is older than MaxAge. It needs mu.
func (s *Spool) expire(now time.Time) {
	oldest := now.Add(-s.opts.MaxAge).UnixMilli()
	for _, l := range s.lanes {
		for len(l.segments) > 0 && l.segments[0].last < oldest {
			s.dropSegment(l, Aged)
		}
		n := 0
		for n < len(l.memory) && l.memory[n].last < oldest && !l.memory[n].writing {
			s.memUsed -= int64(l.memory[n].size)
			s.drops.add(Aged, l.id, l.memory[n].span())
			n++
		}
		l.memory = deleteFront(l.memory, n)
	}
	s.forgetEmpty()
}

// forgetEmpty removes lanes that nothing is left of, but the live one.
func (s *Spool) forgetEmpty() {
	kept := s.lanes[:0]
	for i, l := range s.lanes {
		if i == len(s.lanes)-1 || !l.empty() {
			kept = append(kept, l)
		}
	}
	clear(s.lanes[len(kept):])
	s.lanes = kept
}

// dropSegment moves the oldest segment of a lane to the trash, where empty
// counts what is lost with it. It needs mu.
func (s *Spool) dropSegment(l *lane, reason Reason) {
	seg := l.segments[0]
	l.segments = deleteFront(l.segments, 1)
	seg.lost, seg.reason, seg.acked = true, reason, l.acked
	s.trash = append(s.trash, seg)
}

// unacked returns what of a segment that is being dropped was not acknowledged.
// It reads the segment only where a part was; that is seldom.
func (s *Spool) unacked(seg *segment) (left span) {
	if seg.acked < seg.firstSeq {
		return seg.span
	}
	f, err := s.fs.Open(seg.path)
	if err == nil {
		defer f.Close()
		var sc scanner
		sc.begin(f, seg.size)
		for {
			_, b, err := sc.next()
			if err != nil {
				break
			}
			if b.lastSeq > seg.acked {
				left.add(b)
			}
		}
	}
	if left.batches == 0 {
		left = seg.span
		left.batches = seg.pending(seg.acked)
	}
	return left
}

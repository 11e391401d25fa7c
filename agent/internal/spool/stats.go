package spool

import (
	"slices"
	"time"
)

// Reason says why batches were dropped.
type Reason uint8

const (
	// Full: the disk has as much as it may.
	Full Reason = iota
	// Aged: the samples were older than MaxAge.
	Aged
	// Corrupt: what the disk gave back is not what was written.
	Corrupt
	// Unwritable: the disk took no writes, and memory was full.
	Unwritable
	// Unencodable: Encode failed, or its payload was too large.
	Unencodable
	reasons
)

func (r Reason) String() string {
	return [...]string{"full", "aged", "corrupt", "unwritable", "unencodable"}[r]
}

// Reasons are all there are.
func Reasons() []Reason { return []Reason{Full, Aged, Corrupt, Unwritable, Unencodable} }

// Count is of batches and their samples.
type Count struct{ Batches, Samples uint64 }

// Stats is the state of a spool.
type Stats struct {
	DiskBytes, MemoryBytes int64
	// Batches and their Samples are not acknowledged. Samples is an estimate
	// where a file is acknowledged in part.
	Batches, Samples uint64
	// MemoryBatches is how many of them only memory has.
	MemoryBatches uint64
	// Lanes with batches in them, the live one included.
	Lanes int
	// Oldest is the time of the oldest of these samples; zero for none.
	Oldest time.Time
	// Dropped counts by [Reason] since Open.
	Dropped [reasons]Count
	// Degraded is the error of a disk that takes no writes, while it does not:
	// batches are kept in memory alone.
	Degraded error
}

// Stats returns the state of now. It does not allocate.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{DiskBytes: s.diskUsed, MemoryBytes: s.memUsed, Dropped: s.drops.counts, Degraded: s.degraded}
	var all span
	for _, l := range s.lanes {
		if !l.empty() {
			st.Lanes++
		}
		for _, seg := range l.segments {
			left := seg.span
			left.batches = seg.pending(l.acked)
			left.samples = seg.samples * left.batches / max(seg.batches, 1)
			all.add(left)
		}
		for _, e := range l.memory {
			all.add(e.span())
			st.MemoryBatches += e.span().batches
		}
	}
	st.Batches, st.Samples = all.batches, all.samples
	if all.batches > 0 {
		st.Oldest = time.UnixMilli(all.first)
	}
	return st
}

// Lost is what was dropped for one reason since Open.
type Lost struct {
	Samples uint64
	// First and Last bound the times of the samples of the latest stretch, which
	// may span lanes; both are 0 when none is known.
	First, Last int64
}

// maxSilence is how far apart in time two drops may lie and be one stretch: an
// agent that restarts takes no samples for a while.
const maxSilence = 5 * time.Minute

// Lost returns what was dropped for a reason.
func (s *Spool) Lost(r Reason) Lost {
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := s.drops.stretches[r]
	lost.Samples = s.drops.counts[r].Samples
	return lost
}

// Drop is a run of batches of one lane that were dropped for one reason.
type Drop struct {
	Reason Reason
	Lane   LaneID
	// First and Last bound the times of the samples, in milliseconds since
	// 1970. Both are 0 when damage hides them.
	First, Last int64
	// Count is at least so much where damage hides how much was lost.
	Count
}

// maxDrops is how many runs are remembered; the oldest are forgotten.
const maxDrops = 64

// drops is what was lost. Spool.mu guards it.
type drops struct {
	counts    [reasons]Count
	stretches [reasons]Lost
	runs      []Drop
}

func (d *drops) add(reason Reason, lane LaneID, s span) {
	d.counts[reason].Batches += s.batches
	d.counts[reason].Samples += s.samples
	if s.first != 0 {
		d.stretches[reason].Add(s.samples, s.first, s.last)
	}
	if n := len(d.runs); n > 0 {
		last := &d.runs[n-1]
		if last.Reason == reason && last.Lane == lane && last.First != 0 && s.first != 0 {
			last.Batches += s.batches
			last.Samples += s.samples
			last.First = min(last.First, s.first)
			last.Last = max(last.Last, s.last)
			return
		}
		if n == maxDrops {
			d.runs = slices.Delete(d.runs, 0, 1)
		}
	}
	d.runs = append(d.runs, Drop{reason, lane, s.first, s.last, Count{s.batches, s.samples}})
}

// Add takes in samples of the times from first to last, which begin a new
// stretch if they lie far from the one before.
func (l *Lost) Add(samples uint64, first, last int64) {
	l.Samples += samples
	apart := maxSilence.Milliseconds()
	if l.First == 0 || first > l.Last+apart || last < l.First-apart {
		l.First, l.Last = first, last
		return
	}
	l.First, l.Last = min(l.First, first), max(l.Last, last)
}

// Drops returns the last runs of batches that were dropped since Open, the
// latest last, at most 64.
func (s *Spool) Drops() []Drop {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.drops.runs)
}

package uplink

import (
	"sync"
	"time"

	"sonde.dev/sonde/agent/internal/spool"
)

// window is what was sent on a stream and is not acknowledged. It is safe for
// concurrent use once begun.
//
// Live batches may take all of it, the backlog at most half, and that only while
// the server keeps up: it begins with one record, gets room for one more with
// each that was acknowledged soon, and falls back to one when an acknowledgement
// is slow. So a fleet that comes back after an outage waits for the server's
// disk, rather than have its live batches wait behind its backlog there.
type window struct {
	max int

	mu      sync.Mutex
	sent    []sent
	backlog int // how many records of the backlog may be under way
}

type sent struct {
	lane   spool.LaneID
	seq    uint64
	live   bool
	sealed time.Time // of a live batch in the form in which it was gathered, or zero
	at     time.Time
}

// soon is how quickly a server that keeps up acknowledges, the way there
// included.
const soon = 500 * time.Millisecond

func (w *window) init(size int) { w.max, w.backlog = max(size, 1), 1 }

// add notes that a record was sent.
func (w *window) add(s sent) {
	s.at = time.Now()
	w.mu.Lock()
	w.sent = append(w.sent, s)
	w.mu.Unlock()
}

// ack removes what is acknowledged, and calls delay with how long each live
// batch took since it was sealed.
func (w *window) ack(lane spool.LaneID, seq uint64, delay func(time.Duration)) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := w.sent[:0]
	for _, s := range w.sent {
		switch {
		case s.lane != lane || s.seq > seq:
			kept = append(kept, s)
		case s.live && !s.sealed.IsZero():
			delay(now.Sub(s.sealed))
		case !s.live && now.Sub(s.at) > soon:
			w.backlog = 1
		case !s.live:
			w.backlog = min(w.backlog+1, max(w.max/2, 1))
		}
	}
	w.sent = kept
}

// inFlight returns how many live records are under way, and how many in all.
func (w *window) inFlight() (live, all int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if s.live {
			live++
		}
	}
	return live, len(w.sent)
}

// open reports whether there is room for one more live batch.
func (w *window) open() bool {
	_, all := w.inFlight()
	return all < w.max
}

// openToBacklog reports whether there is room for one more record of the
// backlog.
func (w *window) openToBacklog() bool {
	live, all := w.inFlight()
	w.mu.Lock()
	defer w.mu.Unlock()
	return all < w.max && all-live < w.backlog
}

// holds reports whether anything of a lane is under way.
func (w *window) holds(lane spool.LaneID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if s.lane == lane {
			return true
		}
	}
	return false
}

const (
	// backlogRate is how many samples of the backlog a stream carries in a
	// second. It is samples that cost a server: each is appended to its series
	// and to the log, whether it took one bit to carry or a hundred. An ordinary
	// host measures some 800 a second, so that an hour of it is back in a minute
	// and a week in three hours.
	backlogRate = 50_000
	// backlogBurst is how much of that may leave at once.
	backlogBurst = time.Second
)

// pace spaces out the backlog. The zero value is ready.
type pace struct{ next time.Time }

// wait returns how long the next record has to wait.
func (p *pace) wait(now time.Time) time.Duration { return max(p.next.Sub(now), 0) }

// take counts a record of so many samples.
func (p *pace) take(now time.Time, samples uint32) {
	if earliest := now.Add(-backlogBurst); p.next.Before(earliest) {
		p.next = earliest
	}
	p.next = p.next.Add(time.Duration(samples) * time.Second / backlogRate)
}

package collect

import "time"

// All instants here are milliseconds since 1970 on the wall clock.

// cadence decides at which instants a collector is due. It knows nothing of how
// long runs take, and survives a clock that is set.
type cadence struct {
	interval int64
	next     int64
}

// firstWithin bounds how long a collector that was just turned on waits: it first
// runs at the next whole second even when its interval is longer, so that there is
// something to see at once.
const firstWithin = 1000

func floor(at, interval int64) int64 { return at - at%interval }

func after(at, interval int64) int64 { return floor(at, interval) + interval }

// start makes a cadence that begins soon after now.
func start(now, interval int64) cadence {
	return cadence{interval: interval, next: after(now, min(interval, firstWithin))}
}

// change makes a cadence that goes on with another interval after now.
func change(now, interval int64) cadence {
	return cadence{interval: interval, next: after(now, interval)}
}

// poll says whether a run is due at now, and how many were due and can be no more.
// elapsed is the true time since the poll before: when the clock was set back
// since, it may have passed another instant already.
func (c *cadence) poll(now, elapsed int64) (due, missed int64, run bool) {
	if now < c.next-c.interval {
		c.next = after(max(now-elapsed, 0), c.interval)
	}
	if now < c.next {
		return 0, 0, false
	}
	due = c.next
	if newest := floor(now, c.interval); newest > due {
		missed = (newest - floor(due, c.interval)) / c.interval
		due = newest
	}
	c.next = after(due, c.interval)
	// Late, and the next run is near: two that close would say nothing new.
	if now-due > tolerance(c.interval) && c.next-now < min(c.interval/2, 500) {
		return 0, missed + 1, false
	}
	return due, missed, true
}

// tolerance is how late a run may begin and still count as on time.
func tolerance(interval int64) int64 { return min(max(interval/50, 5), 20) }

// stamp gives ticks their times.
type stamp struct {
	previous, highest int64 // times given; 0 before the first
	phase             int64
}

const (
	// maxPause is by how much a clock may be set back for ticks to wait until it
	// has caught up.
	maxPause = int64(10 * time.Second / time.Millisecond)
	maxPhase = 50
)

// give returns the time of a tick that was due at due and begins at now; ok is
// false when there must be no tick.
func (s *stamp) give(now, due, interval int64) (at int64, late, ok bool) {
	at = due
	// Before due, the clock was set back since the run was ordered.
	if now < due || now-due > tolerance(interval) {
		at, late = now, true
	}
	if at <= s.highest {
		if s.highest-at <= maxPause {
			return 0, late, false
		}
		if at < s.previous {
			s.phase = s.phase%maxPhase + 1
		}
		at += s.phase
	}
	s.previous, s.highest = at, max(s.highest, at)
	return at, late, true
}

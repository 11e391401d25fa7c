package ingest

import (
	"sync"
	"time"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// clock compares the clock of an agent with the server's by pings, as NTP does:
// the agent is taken to have answered in the middle of the round trip, so the
// error is at most half of it. It is safe for concurrent use.
type clock struct {
	mu   sync.Mutex
	id   uint64
	last time.Time // when ping id was sent
	sent time.Time // the same; zero once it is answered
	skew time.Duration
	rtt  time.Duration
}

// ping returns a ping to send. One that has not been answered is given up.
func (c *clock) ping(now time.Time) *sondev1.Ping {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id++
	c.last, c.sent = now, now
	return &sondev1.Ping{Id: c.id}
}

// pinged returns when the last ping was sent, zero for never.
func (c *clock) pinged() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// ponged takes the answer to a ping that arrived at now.
func (c *clock) ponged(pong *sondev1.Pong, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pong.Id != c.id || c.sent.IsZero() {
		return
	}
	c.rtt = now.Sub(c.sent)
	c.skew = time.Unix(0, int64(pong.UnixNanos)).Sub(c.sent.Add(c.rtt / 2))
	c.sent = time.Time{}
}

// estimate returns the agent's clock minus the server's, and the round trip;
// zeros before the first answer.
func (c *clock) estimate() (skew, rtt time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew, c.rtt
}

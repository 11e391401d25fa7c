package rpc

import (
	"context"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// Progress says how far the samples of agents are stored. Safe for concurrent
// use; the sessions of agents implement it.
type Progress interface {
	// StoredThrough waits until samples of an agent at or after t (milliseconds
	// since 1970) are stored and can be read, and returns the time of its newest
	// sample. When ctx ends first, or has ended, it returns ctx's error and the
	// time of the newest so far. 0: there is none.
	StoredThrough(ctx context.Context, agentID string, t int64) (int64, error)
	// Status is as in [fleet.Live]; of it the clock's skew and the submission
	// interval are used, while the interval is known.
	Status(agentID string) (fleet.Status, bool)
}

const (
	// settle is how long after a step it is evaluated when no agent is followed.
	settle = time.Second
	// patience is how long after a step, and after the batch that should bring
	// it, it is evaluated though the agent that is followed is silent.
	patience = 2 * time.Second
)

// stepClock says when the steps of a watch are due, in milliseconds since 1970.
// It belongs to the goroutine of the watch.
type stepClock struct {
	progress Progress
	agent    string // empty: the server's clock alone
	step     int64

	last       int64         // the step given out last; 0: none
	skew       time.Duration // the agent's clock minus the server's
	submission time.Duration // the agent's submission interval; 0: unknown
}

// wait returns the next step as soon as it is due, the first at once, and how
// many steps it left out before it because they were due too long ago. It
// returns ctx's error when that ends first.
func (c *stepClock) wait(ctx context.Context) (step, skipped int64, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		due := c.newestDue(time.Now())
		if c.last == 0 {
			c.last = due
			return due, 0, nil
		}
		next := c.last + c.step
		if due >= next {
			if late := time.Duration(due-next) * time.Millisecond; late > c.delay() {
				skipped = (due - next) / c.step
				next = due
			}
			c.last = next
			return next, skipped, nil
		}
		c.sleep(ctx, next)
	}
}

// catchUp gives up the steps that are due already, all but the newest, and
// returns how many.
func (c *stepClock) catchUp() (skipped int64) {
	if due := c.newestDue(time.Now()); due > c.last+c.step {
		skipped = (due-c.last)/c.step - 1
		c.last = due - c.step
	}
	return skipped
}

// sleep returns when a step may be due, or ctx has ended.
func (c *stepClock) sleep(ctx context.Context, step int64) {
	ctx, cancel := context.WithDeadline(ctx, time.UnixMilli(step).Add(c.delay()-c.skew))
	defer cancel()
	if c.agent != "" {
		// Either result means the same: look again.
		_, _ = c.progress.StoredThrough(ctx, c.agent, step)
		return
	}
	<-ctx.Done()
}

// newestDue is the newest step that is to be evaluated now.
func (c *stepClock) newestDue(now time.Time) int64 {
	var stored int64
	if c.agent != "" {
		if s, ok := c.progress.Status(c.agent); ok && s.SubmissionInterval > 0 {
			c.skew, c.submission = s.ClockSkew, s.SubmissionInterval
		}
		stored, _ = c.progress.StoredThrough(ended, c.agent, 0)
	}
	due := max(stored, now.Add(c.skew-c.delay()).UnixMilli())
	return due - due%c.step
}

// delay is how long after a step, by the agent's clock, it is due in any case.
func (c *stepClock) delay() time.Duration {
	if c.agent == "" {
		return settle
	}
	step := time.Duration(c.step) * time.Millisecond
	return patience + max(0, c.submission-step)
}

// ended is a context that asks for what is known without waiting.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

package query

import (
	"context"
	"sync/atomic"
)

// gate lets a bounded number of queries run and a bounded number wait.
type gate struct {
	running    chan struct{}
	maxWaiting int64
	waiting    atomic.Int64
}

func newGate(concurrent, waiting int) gate {
	return gate{running: make(chan struct{}, concurrent), maxWaiting: int64(waiting)}
}

// enter returns nil when it is the caller's turn; leave must follow.
func (g *gate) enter(ctx context.Context) error {
	select {
	case g.running <- struct{}{}:
		return nil
	default:
	}
	if g.waiting.Add(1) > g.maxWaiting {
		g.waiting.Add(-1)
		return errorf(Busy, "%d queries wait already, try again later", g.maxWaiting)
	}
	defer g.waiting.Add(-1)
	select {
	case g.running <- struct{}{}:
		return nil
	case <-ctx.Done():
		err := ctx.Err()
		return errorf(kindOf(err), "waiting for its turn among the queries: %w", err)
	}
}

func (g *gate) leave() { <-g.running }

// Package backoff spaces out retries: each pause is drawn from a range that
// doubles, so that many clients of one server that went away do not come back
// all at the same moment.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff counts the failures of one activity. The zero value is not ready;
// set Min and Max. It is not safe for concurrent use.
type Backoff struct {
	// Min bounds the first pause, Max every pause.
	Min, Max time.Duration

	ceiling time.Duration
}

// Next returns the pause before the next attempt: evenly drawn between half of
// the current bound and the bound, which then doubles up to Max.
func (b *Backoff) Next() time.Duration {
	b.ceiling = min(max(b.ceiling*2, b.Min), b.Max)
	half := b.ceiling / 2
	return half + rand.N(b.ceiling-half+1)
}

// Reset begins anew at Min. Call it after a success.
func (b *Backoff) Reset() { b.ceiling = 0 }

// Wait pauses for Next, or until ctx ends; then it returns ctx's error.
func (b *Backoff) Wait(ctx context.Context) error {
	t := time.NewTimer(b.Next())
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

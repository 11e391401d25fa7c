package series

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrClosed is returned by a store that is closing or closed.
	ErrClosed = errors.New("the sample store is closed")
	// ErrFailed is returned by a store that cannot tell any more what is
	// durable. It stays so until the store is opened anew.
	ErrFailed = errors.New("the sample store has failed")
	// ErrNoSpace is returned while the disk of the store is too full to take
	// samples. The same Write may succeed later.
	ErrNoSpace = errors.New("the disk of the sample store is full")
	// ErrUnavailable is returned while a store elsewhere takes no samples. The
	// same Write may succeed later.
	ErrUnavailable = errors.New("the sample store takes no samples now")
)

// Appender takes samples and says when they are durable. It is safe for
// concurrent use.
type Appender interface {
	// Append enqueues w and returns; w.Done tells how it went. The Writes of
	// one caller are appended in the order of its calls. While the queue is
	// full Append blocks, until ctx ends. When Append returns an error (ctx's,
	// ErrClosed, or one about rows of the wrong shape) Done is not called and
	// w still belongs to the caller.
	Append(ctx context.Context, w *Write) error
}

// Write is appended and acknowledged as one. Its samples become visible to
// queries by and by, possibly before Done.
type Write struct {
	// Rows are appended in this order.
	Rows []Rows
	// Done is called exactly once, from a goroutine of the store, which it
	// must not block. From Append until then the Write and all it points to
	// belong to the store; the Targets may be shared, everything else may be
	// reused afterwards.
	//
	// With a nil error every sample of the Write is durable but for those
	// that the Result lists as refused, which would be refused again. With an
	// error (ErrFailed, ErrNoSpace, ErrUnavailable) nothing is promised: some samples may have
	// been stored. Appending the same samples again changes nothing.
	Done func(Result, error)
}

// Samples returns the number of samples in the write.
func (w *Write) Samples() int {
	n := 0
	for i := range w.Rows {
		n += w.Rows[i].Samples()
	}
	return n
}

// Check reports rows whose columns do not fit their Target.
func (w *Write) Check() error {
	if w.Done == nil {
		return errors.New("a write without Done")
	}
	for i := range w.Rows {
		r := &w.Rows[i]
		if r.Target == nil {
			return fmt.Errorf("rows %d have no target", i)
		}
		k := len(r.Times)
		if len(r.Floats) != k*r.Target.Floats() || len(r.Histograms) != k*r.Target.Histograms() {
			return fmt.Errorf("rows %d hold %d floats and %d histograms, want %d ticks of %d and %d",
				i, len(r.Floats), len(r.Histograms), k, r.Target.Floats(), r.Target.Histograms())
		}
	}
	return nil
}

// Result counts what became of the samples of a Write.
type Result struct {
	// Stored counts samples that are in the store, those that already were
	// included.
	Stored uint64
	// Refused has at most one entry a reason and is nil when all were stored.
	// It is the receiver's to keep.
	Refused []Refused
}

// Refused counts the samples of a Write that a store will not take.
type Refused struct {
	Reason  Reason
	Samples uint64
	// First names the series and the time of the first of them, for people.
	First string
}

// Reason says why a store will not take a sample.
type Reason uint8

const (
	// TooOld is a sample from before the time the store still takes.
	TooOld Reason = 1 + iota
	// Conflict is a second value for a series and a time that has one. It is
	// noticed only where the store can tell cheaply; else one of the two
	// values wins.
	Conflict
	// Invalid is a number that is not finite, a histogram that contradicts
	// itself, or a series whose labels are not a label set.
	Invalid
)

// Reasons lists every Reason.
func Reasons() []Reason { return []Reason{TooOld, Conflict, Invalid} }

// String returns the reason as it stands in metrics and logs.
func (r Reason) String() string {
	switch r {
	case TooOld:
		return "too_old"
	case Conflict:
		return "conflict"
	case Invalid:
		return "invalid"
	default:
		return fmt.Sprintf("Reason(%d)", uint8(r))
	}
}

// Refuse counts one more refused sample; first is called for the first of its
// reason only.
func (r *Result) Refuse(reason Reason, first func() string) {
	for i := range r.Refused {
		if r.Refused[i].Reason == reason {
			r.Refused[i].Samples++
			return
		}
	}
	r.Refused = append(r.Refused, Refused{Reason: reason, Samples: 1, First: first()})
}

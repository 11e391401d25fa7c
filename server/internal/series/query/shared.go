package query

import (
	"context"
	"sync"
	"time"
)

const (
	keepShared       = 5 * time.Second
	maxSharedAnswers = 4096
	maxSharedValues  = 1_000_000
)

// sharing makes one evaluation serve all who ask for the same. The first to
// come evaluates; the others wait for it, or take what it left behind for a few
// seconds. Errors are not kept.
type sharing struct {
	mu      sync.Mutex
	answers map[InstantRequest]*answer
	kept    []*answer // in the order of expiry
	values  int       // of kept
}

type answer struct {
	key    InstantRequest
	done   chan struct{}
	vector *Vector // these three are set before done is closed
	err    error
	until  time.Time
}

func (s *sharing) init() { s.answers = make(map[InstantRequest]*answer) }

func (s *sharing) do(ctx context.Context, key InstantRequest, onShared func(), evaluate func() (*Vector, error)) (*Vector, error) {
	// Two names of one moment (monotonic reading, location) are one key.
	key.Time = time.UnixMilli(key.Time.UnixMilli())
	for {
		s.mu.Lock()
		s.expire(time.Now())
		a, found := s.answers[key]
		if !found {
			a = &answer{key: key, done: make(chan struct{})}
			s.answers[key] = a
			s.mu.Unlock()
			return s.lead(a, evaluate)
		}
		s.mu.Unlock()

		select {
		case <-a.done:
		case <-ctx.Done():
			return nil, evaluationError(ctx.Err())
		}
		if a.err != nil {
			switch kindOf(a.err) {
			case Canceled, Timeout, Busy:
				// The bad luck of the one who evaluated, not ours.
				if ctx.Err() == nil {
					continue
				}
			}
		}
		onShared()
		return a.vector, a.err
	}
}

// lead evaluates for all who wait for a. Should the evaluation panic, they try
// for themselves.
func (s *sharing) lead(a *answer, evaluate func() (*Vector, error)) (*Vector, error) {
	a.err = &Error{Kind: Canceled, Err: context.Canceled}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		defer close(a.done)
		if a.err != nil {
			delete(s.answers, a.key)
			return
		}
		a.until = time.Now().Add(keepShared)
		s.kept = append(s.kept, a)
		s.values += len(a.vector.Values)
		s.expire(time.Now())
	}()
	a.vector, a.err = evaluate()
	return a.vector, a.err
}

// expire forgets answers that are too old or too many. The caller holds mu.
func (s *sharing) expire(now time.Time) {
	n := 0
	for ; n < len(s.kept); n++ {
		a := s.kept[n]
		if len(s.kept)-n <= maxSharedAnswers && s.values <= maxSharedValues && now.Before(a.until) {
			break
		}
		s.values -= len(a.vector.Values)
		delete(s.answers, a.key)
	}
	if n > 0 {
		rest := copy(s.kept, s.kept[n:])
		clear(s.kept[rest:])
		s.kept = s.kept[:rest]
	}
}

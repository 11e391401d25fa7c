// Package attempts bounds how often something may fail.
//
// It promises that what has failed too often in a window waits until the window
// ends, and that memory is bounded by the keys that are kept.
//
// It does not decide what a key is, nor what is done with who must wait.
package attempts

import (
	"sync"
	"time"
)

// Limiter counts failures by key. Windows are fixed: one begins with the first
// failure after the one before has ended. Safe for concurrent use.
type Limiter[K comparable] struct {
	most    int
	length  time.Duration
	keys    int
	mu      sync.Mutex
	windows map[K]*window
}

// window is what is known of one key.
type window struct {
	failures int
	ends     time.Time
}

// New returns a limiter that lets each key fail most times in a window of some
// length, and keeps so many keys.
func New[K comparable](most int, length time.Duration, keys int) *Limiter[K] {
	return &Limiter[K]{most: most, length: length, keys: keys, windows: make(map[K]*window)}
}

// Wait returns how long a key must wait before it may try again, 0 when it may
// now.
func (l *Limiter[K]) Wait(key K, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.windows[key]
	if w == nil || w.failures < l.most {
		return 0
	}
	return max(0, w.ends.Sub(now))
}

// Failed counts one failure.
func (l *Limiter[K]) Failed(key K, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.windows[key]
	if w == nil {
		l.makeRoom(now)
		w = &window{}
		l.windows[key] = w
	}
	if !now.Before(w.ends) {
		*w = window{ends: now.Add(l.length)}
	}
	w.failures++
}

// Forget ends the window of a key.
func (l *Limiter[K]) Forget(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.windows, key)
}

// Len returns how many keys are kept.
func (l *Limiter[K]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.windows)
}

// makeRoom forgets windows that have ended, and where that is not enough the
// one that ends first: an attack by so many keys is not stopped here.
func (l *Limiter[K]) makeRoom(now time.Time) {
	if len(l.windows) < l.keys {
		return
	}
	var (
		oldest K
		ends   time.Time
	)
	for key, w := range l.windows {
		if !now.Before(w.ends) {
			delete(l.windows, key)
			continue
		}
		if ends.IsZero() || w.ends.Before(ends) {
			oldest, ends = key, w.ends
		}
	}
	if len(l.windows) >= l.keys {
		delete(l.windows, oldest)
	}
}

package fleet

import (
	"sync"
	"time"
)

const (
	// maxAttempts is how often a wrong password may be given for one user in an
	// attemptWindow before further ones are refused unread.
	maxAttempts   = 20
	attemptWindow = 5 * time.Minute
)

// attempts counts wrong passwords by user. There are no more of them than users.
// Beside the limit by address, it stops those who guess from many addresses; a
// sign-in link lets the user in meanwhile.
type attempts struct {
	mu    sync.Mutex
	users map[string]*attempt
}

// attempt is what is known of one user, in a window that began with the first
// wrong password after the window before.
type attempt struct {
	count int
	ends  time.Time
}

// allow returns a [Limit] error when the user must wait.
func (a *attempts) allow(userID string, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.users[userID]
	if t == nil || t.count < maxAttempts || !now.Before(t.ends) {
		return nil
	}
	return Errorf(Limit, "a wrong password was given too often: wait %v, or ask for a sign-in link", t.ends.Sub(now).Round(time.Second))
}

func (a *attempts) failed(userID string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.users[userID]
	if t == nil || !now.Before(t.ends) {
		t = &attempt{ends: now.Add(attemptWindow)}
		a.users[userID] = t
	}
	t.count++
}

func (a *attempts) succeeded(userID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.users, userID)
}

package access

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// maxFailures is how many sign-ins may fail from one address in a
	// failureWindow before further ones are refused unread.
	maxFailures   = 10
	failureWindow = 5 * time.Minute
	// maxAddresses bounds the memory of the limiter: about 100 bytes each.
	maxAddresses = 10_000
)

// limiter counts failed sign-ins by address. Secrets are of 256 random bits, so
// it is not what keeps their guessers out; it keeps them from filling log and
// disk. It does slow down those who guess passwords.
type limiter struct {
	mu       sync.Mutex
	failures map[netip.Prefix]*failure
}

// failure is what is known of one address. Windows are fixed: one begins with
// the first failure after the one before has ended.
type failure struct {
	count int
	ends  time.Time
}

func newLimiter() *limiter {
	return &limiter{failures: make(map[netip.Prefix]*failure)}
}

// wait returns how long an address must wait before it may try again, 0 when it
// may now.
func (l *limiter) wait(address string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.failures[network(address)]
	if f == nil || f.count < maxFailures {
		return 0
	}
	return max(0, f.ends.Sub(now))
}

// failed counts one failure.
func (l *limiter) failed(address string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := network(address)
	f := l.failures[key]
	if f == nil {
		l.makeRoom(now)
		f = &failure{}
		l.failures[key] = f
	}
	if !now.Before(f.ends) {
		*f = failure{ends: now.Add(failureWindow)}
	}
	f.count++
}

// makeRoom forgets windows that have ended, and where that is not enough the
// one that ends first: an attack from so many addresses is not stopped here.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.failures) < maxAddresses {
		return
	}
	var (
		oldest netip.Prefix
		ends   time.Time
	)
	for key, f := range l.failures {
		if !now.Before(f.ends) {
			delete(l.failures, key)
			continue
		}
		if ends.IsZero() || f.ends.Before(ends) {
			oldest, ends = key, f.ends
		}
	}
	if len(l.failures) >= maxAddresses {
		delete(l.failures, oldest)
	}
}

// network returns what counts as one address: an IPv4 address, or the /64 of an
// IPv6 address, which is what one customer has. Anything else counts as one.
func network(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

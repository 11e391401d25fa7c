package access

import (
	"net/netip"
	"time"

	"sonde.dev/sonde/server/internal/attempts"
)

const (
	// maxFailures is how many sign-ins may fail from one address in a
	// failureWindow before further ones are refused unread.
	maxFailures   = 10
	failureWindow = 5 * time.Minute
	// maxAddresses bounds the memory of the limiter: about 100 bytes each.
	maxAddresses = 10_000
)

// newLimiter counts failed sign-ins by [network]. Secrets are of 256 random bits,
// so it is not what keeps their guessers out; it keeps them from filling log and
// disk. It does slow down those who guess passwords.
func newLimiter() *attempts.Limiter[netip.Prefix] {
	return attempts.New[netip.Prefix](maxFailures, failureWindow, maxAddresses)
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

package probe

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// resolveEvery is how long an address of a name is used. It is a bound without
// regard to the record's own time to live, which the system's resolver hides.
const resolveEvery = 30 * time.Second

// host is an address, or a name together with the address it has now. It is
// safe for concurrent use.
type host struct {
	name     string
	resolver *net.Resolver

	mu      sync.Mutex
	addr    netip.Addr
	expires time.Time // zero: never
}

// newHost returns the host of an address or name.
func newHost(name string, r *net.Resolver) *host {
	addr, _ := netip.ParseAddr(name)
	if r == nil {
		r = net.DefaultResolver
	}
	return &host{name: name, resolver: r, addr: addr.Unmap()}
}

// lookup returns the address, the resolver's first for a name. It resolves a
// name that has not been resolved for [resolveEvery]; a failure is not kept.
func (h *host) lookup(ctx context.Context) (netip.Addr, error) {
	h.mu.Lock()
	addr, expires := h.addr, h.expires
	h.mu.Unlock()
	if addr.IsValid() && (expires.IsZero() || time.Now().Before(expires)) {
		return addr, nil
	}
	addrs, err := h.resolver.LookupNetIP(ctx, "ip", h.name)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(addrs) == 0 {
		return netip.Addr{}, &net.DNSError{Err: "no address", Name: h.name, IsNotFound: true}
	}
	addr = addrs[0].Unmap()
	h.mu.Lock()
	h.addr, h.expires = addr, time.Now().Add(resolveEvery)
	h.mu.Unlock()
	return addr, nil
}

// checkHost examines an address or a host name.
func checkHost(name string) error {
	const reason = "must be an IP address or a host name"
	if _, err := netip.ParseAddr(name); err == nil {
		return nil
	}
	if name == "" || len(name) > 253 {
		return &FieldError{"target", name, reason}
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return &FieldError{"target", name, reason}
		}
		for i := range len(label) {
			c := label[i] | 0x20
			if (c < 'a' || c > 'z') && (label[i] < '0' || label[i] > '9') && label[i] != '-' && label[i] != '_' {
				return &FieldError{"target", name, reason}
			}
		}
	}
	return nil
}

// splitHostPort takes a valid target host:port apart.
func splitHostPort(target string) (string, uint16, error) {
	name, port, err := net.SplitHostPort(target)
	if err != nil {
		return "", 0, &FieldError{"target", target, "must be host:port"}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", 0, &FieldError{"target", target, "must have a port of 1 to 65535"}
	}
	if checkHost(name) != nil {
		return "", 0, &FieldError{"target", target, "must have an IP address or a host name before the port"}
	}
	return name, uint16(n), nil
}

// checkText examines a target that is only a label.
func checkText(target string) error {
	if target == "" || !utf8.ValidString(target) {
		return &FieldError{"target", target, "must be text and not empty"}
	}
	return nil
}

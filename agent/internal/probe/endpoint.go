package probe

import (
	"net/url"
	"strconv"
)

// Endpoint returns where the attempts of a valid spec go: an IP address or a
// host name, and a port, which is 0 for icmp. ok is false for kinds that reach
// nothing by a network of their own, and for a target that cannot be reached.
func (s *Spec) Endpoint() (host string, port uint16, ok bool) {
	var err error
	switch s.Kind {
	case ICMP:
		host, err = s.Target, checkHost(s.Target)
	case TCP:
		host, port, err = splitHostPort(s.Target)
	case DNSQuery:
		host, port, err = splitHostPort(resolverAddress(s.Target))
	case HTTP:
		return httpEndpoint(s.Target)
	default:
		return "", 0, false
	}
	return host, port, err == nil
}

func httpEndpoint(target string) (host string, port uint16, ok bool) {
	u, err := url.Parse(target)
	if err != nil {
		return "", 0, false
	}
	host = u.Hostname()
	switch {
	case u.Port() != "":
		n, err := strconv.ParseUint(u.Port(), 10, 16)
		port, ok = uint16(n), err == nil && n > 0
	case u.Scheme == "http":
		port, ok = 80, true
	case u.Scheme == "https":
		port, ok = 443, true
	}
	return host, port, ok && checkHost(host) == nil
}

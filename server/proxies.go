package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/pires/go-proxyproto"
)

// proxies are the balancers and proxies that are believed when they say for whom
// they come: by the PROXY protocol, version 1 or 2, at the beginning of a
// connection, or by X-Forwarded-For in a request. What anybody else says of that
// is not.
type proxies []netip.Prefix

// parseProxies reads addresses and networks: "192.0.2.1", "2001:db8::/32".
func parseProxies(texts []string) (proxies, error) {
	var p proxies
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if address, errAddress := netip.ParseAddr(text); errAddress == nil {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		p = append(p, network)
	}
	return p, nil
}

func (p proxies) include(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(a.Unmap()) })
}

// listener has the connections of proxies that speak the PROXY protocol come from
// whom they say.
func (p proxies) listener(l net.Listener) net.Listener {
	if len(p) == 0 {
		return l
	}
	policy := func(c proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
		if peer, ok := c.Upstream.(*net.TCPAddr); ok && p.include(peer.AddrPort().Addr()) {
			return proxyproto.USE, nil
		}
		return proxyproto.SKIP, nil
	}
	return &proxyproto.Listener{Listener: l, ConnPolicy: policy}
}

// handler has requests of proxies that send X-Forwarded-For come from the last one
// in it that is no proxy: what stands before that is hearsay.
func (p proxies) handler(next http.Handler) http.Handler {
	if len(p) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err == nil && p.include(peer.Addr()) {
			if client, ok := p.client(r.Header.Values("X-Forwarded-For")); ok {
				r.RemoteAddr = client.String()
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (p proxies) client(forwardedFor []string) (client netip.Addr, ok bool) {
	for _, text := range slices.Backward(strings.Split(strings.Join(forwardedFor, ","), ",")) {
		address, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			return client, ok
		}
		if client, ok = address.Unmap(), true; !p.include(client) {
			break
		}
	}
	return client, ok
}

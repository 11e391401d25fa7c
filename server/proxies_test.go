package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/pires/go-proxyproto"
)

// behind returns the address of a server that answers with who it thinks asks.
func behind(t *testing.T, trusted ...string) string {
	t.Helper()
	p, err := parseProxies(trusted)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(p.handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.RemoteAddr)
	})))
	s.Listener = p.listener(s.Listener)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// ask sends prefix and a request on a connection of its own, and returns the status
// and the body of the answer. All goes in one write: a server that refuses the
// first line hangs up, and what came after that would have it reset the connection.
func ask(t *testing.T, address, prefix string, forwardedFor ...string) (int, string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request := prefix + "GET / HTTP/1.1\r\nHost: sonde\r\nConnection: close\r\n"
	for _, value := range forwardedFor {
		request += "X-Forwarded-For: " + value + "\r\n"
	}
	io.WriteString(c, request+"\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if host, _, err := net.SplitHostPort(string(body)); err == nil {
		return res.StatusCode, host
	}
	return res.StatusCode, string(body)
}

func TestProxyProtocol(t *testing.T) {
	const v1 = "PROXY TCP4 203.0.113.7 192.0.2.1 50000 7070\r\n"
	header := proxyproto.HeaderProxyFromAddrs(2, &net.TCPAddr{IP: net.ParseIP("2001:db8::7"), Port: 1}, &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 2})
	v2, err := header.Format()
	if err != nil {
		t.Fatal(err)
	}
	trusting := behind(t, "127.0.0.0/8")
	for prefix, want := range map[string]string{v1: "203.0.113.7", string(v2): "2001:db8::7", "": "127.0.0.1"} {
		if status, got := ask(t, trusting, prefix); status != 200 || got != want {
			t.Errorf("%q: %d, from %s, want %s", prefix, status, got, want)
		}
	}
	// What such a client says further is its own affair.
	if _, got := ask(t, trusting, v1, "198.51.100.1"); got != "203.0.113.7" {
		t.Errorf("a client behind a balancer says that it is %s, and is believed", got)
	}
	for _, address := range []string{behind(t), behind(t, "192.0.2.1")} {
		if status, got := ask(t, address, v1); status != http.StatusBadRequest {
			t.Errorf("a stranger speaks the PROXY protocol: %d, from %s", status, got)
		}
	}
}

func TestForwardedFor(t *testing.T) {
	trusting := behind(t, "127.0.0.1", "10.0.0.0/8", "2001:db8::/32")
	for name, test := range map[string]struct {
		values []string
		want   string
	}{
		"none":                 {nil, "127.0.0.1"},
		"one":                  {[]string{"203.0.113.7"}, "203.0.113.7"},
		"hearsay before it":    {[]string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		"a proxy behind it":    {[]string{"203.0.113.7, 10.1.2.3"}, "203.0.113.7"},
		"two headers":          {[]string{"198.51.100.1", "203.0.113.7,10.1.2.3"}, "203.0.113.7"},
		"IPv6":                 {[]string{"2001:db9::7, 2001:db8::1"}, "2001:db9::7"},
		"proxies only":         {[]string{"10.1.2.4, 10.1.2.3"}, "10.1.2.4"},
		"no address":           {[]string{"unknown"}, "127.0.0.1"},
		"no address before it": {[]string{"203.0.113.7, x, 10.1.2.3"}, "10.1.2.3"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, got := ask(t, trusting, "", test.values...); got != test.want {
				t.Errorf("from %s, want %s", got, test.want)
			}
		})
	}
	for _, address := range []string{behind(t), behind(t, "192.0.2.1")} {
		if _, got := ask(t, address, "", "203.0.113.7"); got != "127.0.0.1" {
			t.Errorf("a stranger says that it comes for %s, and is believed", got)
		}
	}
}

func TestTrustedProxiesRefused(t *testing.T) {
	for _, text := range []string{"", "balancer", "10.0.0.0/33", "10.0.0.1:80", "*"} {
		if _, err := parseProxies([]string{"10.0.0.1", text}); err == nil {
			t.Errorf("%q is taken for an address", text)
		}
	}
}

func TestWebOrigins(t *testing.T) {
	for origin, ok := range map[string]bool{
		"https://sonde.example": true, "http://localhost:3000": true, "https://[2001:db8::1]:8443": true,
		"": false, "sonde.example": false, "https://": false, "https://sonde.example/": false, "https://Sonde.example": false,
		"https://sonde.example:443": false, "http://sonde.example:80": false, "https://*.example": false, "*": false,
		"https://ada@sonde.example": false, "ftp://sonde.example": false, "null": false, "https://sonde.example?x": false,
	} {
		if err := checkOrigin(origin); (err == nil) != ok {
			t.Errorf("%q: %v", origin, err)
		}
	}
}

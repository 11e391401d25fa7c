package probe

import "testing"

func TestEndpoint(t *testing.T) {
	tests := []struct {
		kind   Kind
		target string
		host   string
		port   uint16
		ok     bool
	}{
		{ICMP, "192.0.2.1", "192.0.2.1", 0, true},
		{ICMP, "db.example", "db.example", 0, true},
		{TCP, "[2001:db8::1]:22", "2001:db8::1", 22, true},
		{TCP, "db.example", "", 0, false},
		{DNSQuery, "192.0.2.53", "192.0.2.53", 53, true},
		{DNSQuery, "2001:db8::53", "2001:db8::53", 53, true},
		{DNSQuery, "ns.example:5353", "ns.example", 5353, true},
		{HTTP, "http://web.example/x", "web.example", 80, true},
		{HTTP, "https://web.example:/x", "web.example", 443, true},
		{HTTP, "https://[fe80::1%25eth0]:8443/", "fe80::1%eth0", 8443, true},
		{HTTP, "https://web.example:99999/", "web.example", 0, false},
		{HTTP, "ftp://web.example/", "web.example", 0, false},
		{Disk, "/var", "", 0, false},
		{RTT, "web.example:80", "", 0, false},
		{Sched, "", "", 0, false},
	}
	for _, test := range tests {
		s := Spec{Kind: test.kind, Target: test.target}
		host, port, ok := s.Endpoint()
		if ok != test.ok || ok && (host != test.host || port != test.port) {
			t.Errorf("%s %q goes to %q %d %t, want %q %d %t", test.kind, test.target, host, port, ok, test.host, test.port, test.ok)
		}
	}
}

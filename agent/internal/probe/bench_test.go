package probe

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// BenchmarkAttempt makes one attempt after another, each against a server in
// this process, whose part is in the figures of tcp, http and dns.
func BenchmarkAttempt(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	defer server.Close()
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	resolver := serveDNS(b, func(w dns.ResponseWriter, q *dns.Msg) { w.WriteMsg(new(dns.Msg).SetReply(q)) })
	for _, s := range []Spec{
		{Kind: ICMP, Target: "127.0.0.1"},
		{Kind: TCP, Target: l.Addr().String()},
		{Kind: HTTP, Target: server.URL},
		{Kind: HTTP, Target: server.URL, HTTP: HTTPOptions{Reuse: true}},
		{Kind: DNSQuery, Target: resolver},
		{Kind: Disk, Target: b.TempDir()},
		{Kind: RTT, Target: "server"},
	} {
		name := string(s.Kind)
		if s.HTTP.Reuse {
			name += "-reuse"
		}
		b.Run(name, func(b *testing.B) {
			p := newProber(b, s, Config{Pinger: pinger(func(context.Context) (time.Duration, error) { return 1, nil })})
			s.Interval = Duration(time.Second)
			r := &runner{spec: s, kind: kinds[s.Kind], prober: p, stats: newStats(kinds[s.Kind])}
			b.ReportAllocs()
			for b.Loop() {
				r.attempt(b.Context())
			}
			if n := r.stats.outcomes[Success].Load(); n != uint64(b.N) {
				b.Errorf("%d of %d succeeded", n, b.N)
			}
		})
	}
}

// BenchmarkReport reads the counters of the default probes.
func BenchmarkReport(b *testing.B) {
	specs, err := Defaults(Environment{Server: "http://127.0.0.1:1", StateDir: "/"})
	if err != nil {
		b.Fatal(err)
	}
	s := NewSet(Config{})
	if err := s.Apply(specs); err != nil {
		b.Fatal(err)
	}
	for _, r := range s.runners {
		for i := range r.stats.durations {
			for ms := range 100 {
				r.stats.durations[i].Record(float64(ms) / 1000)
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		report(s)
	}
}

package probe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// phasesOf returns how often each phase was timed.
func phasesOf(r result) map[string]int {
	counts := map[string]int{}
	for p, took := range r.timings {
		counts[phaseNames[p]] = len(took)
	}
	return counts
}

// listen accepts connections and gives them to handle, which closes them.
func listen(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			handle(c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

func TestTCP(t *testing.T) {
	addr := listen(t, func(c net.Conn) { c.Close() })
	_, port, _ := net.SplitHostPort(addr)
	cfg := Config{Resolver: resolverOf(t)}
	for _, c := range []struct {
		name, target string
		timeout      time.Duration
		want         Outcome
	}{
		{"address", addr, long, Success},
		{"host name", "sonde.test:" + port, long, Success},
		{"closed port", freePort(t, "tcp"), long, Refused},
		{"unknown name", "missing.test:" + port, long, DNS},
		{"resolver is silent", "slow.test:" + port, short, DNS},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := try(t, Spec{Kind: TCP, Target: c.target}, cfg, c.timeout); r.outcome != c.want {
				t.Errorf("outcome %v (%v), want %v", r.outcome, r.err, c.want)
			}
		})
	}
}

func TestTCPInNamespace(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	layWire(t, 10*time.Millisecond, 0)
	ip(t, "route", "add", "unreachable", "192.0.2.2")
	ip(t, "route", "add", "prohibit", "192.0.2.3")
	served := serveTCPOnWire(t)
	for _, c := range []struct {
		name, target string
		want         Outcome
	}{
		{"delayed", served, Success},
		{"no route", "192.0.2.1:80", Unreachable},
		{"unreachable route", "192.0.2.2:80", Unreachable},
		{"prohibited route", "192.0.2.3:80", Permission},
		{"delayed refusal", far + ":1", Refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := try(t, Spec{Kind: TCP, Target: c.target}, Config{}, long)
			if r.outcome != c.want {
				t.Fatalf("outcome %v (%v), want %v", r.outcome, r.err, c.want)
			}
			for _, took := range r.timings[phaseTotal] {
				if took < 20*time.Millisecond {
					t.Errorf("took %v, less than the delay of 20 ms", took)
				}
			}
		})
	}
	t.Run("timeout", func(t *testing.T) {
		r := try(t, Spec{Kind: TCP, Target: served}, Config{}, 15*time.Millisecond)
		if r.outcome != Timeout {
			t.Errorf("outcome %v (%v), want timeout", r.outcome, r.err)
		}
	})
}

func TestHTTP(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello, sonde") })
	mux.HandleFunc("/missing", http.NotFound)
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "not all")
	})
	plain, secure := httptest.NewServer(mux), httptest.NewUnstartedServer(mux)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	_, port, _ := net.SplitHostPort(plain.Listener.Addr().String())
	garbage := listen(t, func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "this is no HTTP\r\n\r\n")
		c.Close()
	})
	mute := listen(t, func(c net.Conn) { t.Cleanup(func() { c.Close() }) })
	cfg := Config{Resolver: resolverOf(t)}
	request := map[string]int{"connect": 1, "ttfb": 1, "transfer": 1, "total": 1}
	for _, c := range []struct {
		name, target string
		options      HTTPOptions
		timeout      time.Duration
		want         Outcome
		phases       map[string]int
	}{
		{"plain", plain.URL + "/ok", HTTPOptions{}, long, Success, request},
		{"HEAD", plain.URL + "/ok", HTTPOptions{Method: "HEAD"}, long, Success, request},
		{"host name", "http://sonde.test:" + port + "/ok", HTTPOptions{}, long, Success,
			map[string]int{"dns": 1, "connect": 1, "ttfb": 1, "transfer": 1, "total": 1}},
		{"TLS", secure.URL + "/ok", HTTPOptions{SkipVerify: true}, long, Success,
			map[string]int{"connect": 1, "tls": 1, "ttfb": 1, "transfer": 1, "total": 1}},
		{"unknown certificate", secure.URL + "/ok", HTTPOptions{}, long, TLS, nil},
		{"TLS to a plain server", strings.Replace(plain.URL, "http:", "https:", 1), HTTPOptions{}, long, TLS, nil},
		{"TLS to a mute server", "https://" + mute, HTTPOptions{}, short, Timeout, nil},
		{"not found", plain.URL + "/missing", HTTPOptions{}, long, Status, nil},
		{"not found as expected", plain.URL + "/missing", HTTPOptions{Status: "4xx"}, long, Success, request},
		{"redirect", plain.URL + "/moved", HTTPOptions{}, long, Status, nil},
		{"redirect as expected", plain.URL + "/moved", HTTPOptions{Status: "3xx"}, long, Success, request},
		{"redirect followed", plain.URL + "/moved", HTTPOptions{Redirects: 1}, long, Success, request},
		{"too many redirects", plain.URL + "/loop", HTTPOptions{Redirects: 3}, long, Status, nil},
		{"body up to the limit", plain.URL + "/ok", HTTPOptions{BodyLimit: 12}, long, Success, request},
		{"body beyond the limit", plain.URL + "/ok", HTTPOptions{BodyLimit: 11}, long, Protocol, nil},
		{"body cut off", plain.URL + "/cut", HTTPOptions{}, long, Protocol, nil},
		{"no HTTP", "http://" + garbage, HTTPOptions{}, long, Protocol, nil},
		{"silent", plain.URL + "/silent", HTTPOptions{}, short, Timeout, nil},
		{"closed port", "http://" + freePort(t, "tcp"), HTTPOptions{}, long, Refused, nil},
		{"unknown name", "http://missing.test", HTTPOptions{}, long, DNS, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := try(t, Spec{Kind: HTTP, Target: c.target, HTTP: c.options}, cfg, c.timeout)
			if r.outcome != c.want {
				t.Fatalf("outcome %v (%v), want %v", r.outcome, r.err, c.want)
			}
			if c.phases != nil {
				if diff := cmp.Diff(c.phases, phasesOf(r)); diff != "" {
					t.Errorf("phases (-want +got):\n%s", diff)
				}
			}
		})
	}
	t.Run("reuse", func(t *testing.T) {
		s := Spec{Kind: HTTP, Target: plain.URL + "/ok", HTTP: HTTPOptions{Reuse: true}}
		p := newProber(t, s, cfg)
		one(t, p, s, long)
		want := map[string]int{"ttfb": 1, "transfer": 1, "total": 1}
		if diff := cmp.Diff(want, phasesOf(one(t, p, s, long))); diff != "" {
			t.Errorf("phases of the second request (-want +got):\n%s", diff)
		}
	})
}

func TestDNS(t *testing.T) {
	addr := serveDNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		switch name := q.Question[0].Name; name {
		case ".":
			m.Answer = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeNS, Class: dns.ClassINET}, Ns: "a.test."}}
		case "missing.test.":
			m.Rcode = dns.RcodeNameError
		case "failing.test.":
			m.Rcode = dns.RcodeServerFailure
		case "other.test.":
			m.Question[0].Name = "another.test."
		case "echo.test.":
			m.Response = false
		case "broken.test.":
			w.Write([]byte{byte(q.Id >> 8), byte(q.Id), 0x80, 0, 0, 9})
			return
		case "wrong-id.test.":
			m.Id++
		case "late-id.test.":
			late := *m
			late.Id++
			w.WriteMsg(&late)
		}
		w.WriteMsg(m)
	})
	cfg := Config{Resolver: resolverOf(t)}
	for _, c := range []struct {
		name, target string
		options      DNSOptions
		timeout      time.Duration
		want         Outcome
	}{
		{"root", addr, DNSOptions{}, long, Success},
		{"no records", addr, DNSOptions{Name: "sonde.test", Type: "AAAA"}, long, Success},
		{"no such name", addr, DNSOptions{Name: "missing.test"}, long, Success},
		{"no such name, unexpected", addr, DNSOptions{Name: "missing.test", Rcode: "NOERROR"}, long, Status},
		{"server failure", addr, DNSOptions{Name: "failing.test"}, long, Status},
		{"server failure, expected", addr, DNSOptions{Name: "failing.test", Rcode: "SERVFAIL"}, long, Success},
		{"other question", addr, DNSOptions{Name: "other.test"}, long, Protocol},
		{"no response", addr, DNSOptions{Name: "echo.test"}, long, Protocol},
		{"does not parse", addr, DNSOptions{Name: "broken.test"}, long, Protocol},
		{"other id", addr, DNSOptions{Name: "wrong-id.test"}, short, Timeout},
		{"other id, then the answer", addr, DNSOptions{Name: "late-id.test"}, long, Success},
		{"closed port", freePort(t, "udp"), DNSOptions{}, long, Refused},
		{"unknown name", "missing.test", DNSOptions{}, long, DNS},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := try(t, Spec{Kind: DNSQuery, Target: c.target, DNS: c.options}, cfg, c.timeout)
			if r.outcome != c.want {
				t.Errorf("outcome %v (%v), want %v", r.outcome, r.err, c.want)
			}
		})
	}
}

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".sonde-probe-test")
	// What a crash left, and more of it than there may be.
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Spec{Name: "test", Kind: Disk, Target: dir, Interval: Duration(time.Second), Disk: DiskOptions{Size: 8192}}
	p := kinds[Disk].make(s, &Config{})
	for range 3 {
		r := one(t, p, s, long)
		if r.outcome != Success {
			t.Fatalf("outcome %v (%v)", r.outcome, r.err)
		}
		want := map[string]int{"write": 1, "fsync": 1, "total": 1}
		if p.(*diskProber).direct != nil {
			want["read"] = 1
		}
		if diff := cmp.Diff(want, phasesOf(r)); diff != "" {
			t.Errorf("phases (-want +got):\n%s", diff)
		}
		info, err := os.Stat(path)
		if err != nil || info.Size() != 8192 {
			t.Errorf("file has %d bytes (%v), want 8192", info.Size(), err)
		}
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v (%v)", entries, err)
	}
}

func TestDiskFailures(t *testing.T) {
	t.Run("missing directory", func(t *testing.T) {
		r := try(t, Spec{Kind: Disk, Target: filepath.Join(t.TempDir(), "missing")}, Config{}, long)
		if r.outcome != Error || !errors.Is(r.err, os.ErrNotExist) {
			t.Errorf("outcome %v (%v), want error", r.outcome, r.err)
		}
	})
	t.Run("link", func(t *testing.T) {
		dir := t.TempDir()
		victim := filepath.Join(dir, "victim")
		if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(victim, filepath.Join(dir, ".sonde-probe-test")); err != nil {
			t.Fatal(err)
		}
		if r := try(t, Spec{Kind: Disk, Target: dir}, Config{}, long); r.outcome != Error {
			t.Errorf("outcome %v (%v), want error", r.outcome, r.err)
		}
		if b, err := os.ReadFile(victim); string(b) != "precious" {
			t.Errorf("the file behind the link has %q (%v)", b, err)
		}
	})
	t.Run("pipe", func(t *testing.T) {
		dir := t.TempDir()
		if err := unix.Mkfifo(filepath.Join(dir, ".sonde-probe-test"), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := try(t, Spec{Kind: Disk, Target: dir}, Config{}, long); r.outcome != Error {
			t.Errorf("outcome %v (%v), want error", r.outcome, r.err)
		}
	})
	t.Run("permission", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		withoutCapabilities(t, func() {
			if r := try(t, Spec{Kind: Disk, Target: dir}, Config{}, long); r.outcome != Permission {
				t.Errorf("outcome %v (%v), want permission", r.outcome, r.err)
			}
		}, unix.CAP_DAC_OVERRIDE)
	})
	t.Run("timeout", func(t *testing.T) {
		if r := try(t, Spec{Kind: Disk, Target: t.TempDir()}, Config{}, time.Nanosecond); r.outcome != Timeout {
			t.Errorf("outcome %v (%v), want timeout", r.outcome, r.err)
		}
	})
}

func TestSched(t *testing.T) {
	s := Spec{Kind: Sched, Sched: SchedOptions{Wakeups: 7}}
	p := newProber(t, s, Config{})
	for range 2 {
		if r := one(t, p, s, long); r.outcome != Success || len(r.timings[phaseTotal]) != 7 {
			t.Errorf("outcome %v (%v) with %d wake-ups, want 7", r.outcome, r.err, len(r.timings[phaseTotal]))
		}
	}
	if r := one(t, p, s, time.Nanosecond); r.outcome != Timeout {
		t.Errorf("outcome %v (%v), want timeout", r.outcome, r.err)
	}
	if r := one(t, p, s, long); r.outcome != Success {
		t.Errorf("after a timeout: %v (%v)", r.outcome, r.err)
	}
}

func TestRTT(t *testing.T) {
	s := Spec{Kind: RTT, Target: "server"}
	for _, c := range []struct {
		name   string
		pinger Pinger
		want   Outcome
	}{
		{"answer", after(time.Millisecond), Success},
		{"no answer", after(time.Hour), Timeout},
		{"no stream", nil, Unreachable},
	} {
		if r := try(t, s, Config{Pinger: c.pinger}, short); r.outcome != c.want {
			t.Errorf("%s: %v (%v), want %v", c.name, r.outcome, r.err, c.want)
		}
	}
}

func TestOutcomeOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Outcome
	}{
		{nil, Success},
		{fmt.Errorf("wrapped: %w", os.ErrDeadlineExceeded), Timeout},
		{&net.DNSError{IsTimeout: true}, DNS},
		{os.NewSyscallError("connect", unix.EHOSTUNREACH), Unreachable},
		{os.NewSyscallError("connect", unix.ETIMEDOUT), Timeout},
		{&os.PathError{Err: unix.EROFS}, Permission},
		{&os.PathError{Err: unix.ENOSPC}, Error},
		{io.ErrUnexpectedEOF, Error},
	} {
		if got := outcomeOf(c.err); got != c.want {
			t.Errorf("outcome of %v is %v, want %v", c.err, got, c.want)
		}
	}
}

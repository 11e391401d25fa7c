package probe

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const namespaceEnv = "SONDE_TEST_NAMESPACE"

// inNamespace runs the calling test again in a process with a network of its
// own, in which only the loopback interface is there and up. It returns true in
// that process, and false in the one that waited for it.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(namespaceEnv) == t.Name() {
		ip(t, "link", "set", "lo", "up")
		return true
	}
	if testing.Short() {
		t.Skip("needs a network namespace; not in short mode")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip of iproute2: ", err)
	}
	args := []string{"-test.run=^" + t.Name() + "$", "-test.timeout=2m"}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), namespaceEnv+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.ENOSPC) {
		t.Skip("may not make a network namespace: ", err)
	}
	if text := string(out); err != nil {
		t.Fatalf("in its namespace: %v\n%s", err, text)
	} else if strings.Contains(text, "--- SKIP") {
		t.Skip(text)
	} else if testing.Verbose() {
		t.Log(text)
	}
	return false
}

// ip runs ip(8).
func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v: %s", args, err, out)
	}
}

// withoutCapabilities runs f on a thread that lacks the given capabilities.
func withoutCapabilities(t *testing.T, f func(), capabilities ...int) {
	t.Helper()
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		err := unix.Capget(&header, &data[0])
		for _, c := range capabilities {
			data[c/32].Effective &^= 1 << (c % 32)
		}
		if err == nil {
			err = unix.Capset(&header, &data[0])
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skip("may not drop capabilities: ", err)
	}
}

// result is what one attempt came to.
type result struct {
	outcome Outcome
	timings map[phase][]time.Duration
	err     error
}

// one makes one attempt of a probe and checks what has to be so for any.
func one(t testing.TB, p prober, s Spec, timeout time.Duration) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	var a attempt
	limited := runner{spec: Spec{Timeout: Duration(timeout)}, prober: p}
	outcome, err := limited.try(ctx, &a)
	if (outcome == Success) != (err == nil) {
		t.Errorf("outcome %v with error %v", outcome, err)
	}
	if !slices.Contains(kinds[s.Kind].outcomes, outcome) {
		t.Errorf("outcome %v is none of kind %s", outcome, s.Kind)
	}
	r := result{outcome: outcome, timings: map[phase][]time.Duration{}, err: err}
	for _, timing := range a.timings {
		if !slices.Contains(kinds[s.Kind].phases, timing.phase) {
			t.Errorf("phase %s is none of kind %s", phaseNames[timing.phase], s.Kind)
		}
		if timing.took < 0 {
			t.Errorf("phase %s took %v", phaseNames[timing.phase], timing.took)
		}
		r.timings[timing.phase] = append(r.timings[timing.phase], timing.took)
	}
	if outcome == Success && len(r.timings[phaseTotal]) == 0 {
		t.Error("success without a duration")
	}
	return r
}

// newProber returns the prober of a valid spec; it is closed with the test.
func newProber(t testing.TB, s Spec, cfg Config) prober {
	t.Helper()
	if s.Name == "" {
		s.Name = "test"
	}
	if s.Interval == 0 {
		s.Interval = Duration(time.Second)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	p := kinds[s.Kind].make(s, &cfg)
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// try makes one attempt of a new probe.
func try(t testing.TB, s Spec, cfg Config, timeout time.Duration) result {
	t.Helper()
	return one(t, newProber(t, s, cfg), s, timeout)
}

// long is a timeout that no attempt is to reach, short one that some are.
const (
	long  = 20 * time.Second
	short = 100 * time.Millisecond
)

// serveDNS runs a name server on loopback and returns its address.
func serveDNS(t testing.TB, handle dns.HandlerFunc) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: handle}
	done := make(chan struct{})
	started := make(chan struct{})
	server.NotifyStartedFunc = func() { close(started) }
	go func() {
		defer close(done)
		server.ActivateAndServe()
	}()
	<-started
	t.Cleanup(func() {
		server.Shutdown()
		<-done
	})
	return conn.LocalAddr().String()
}

// resolverOf returns a resolver that knows sonde.test as 127.0.0.1, slow.test
// never, and no other name.
func resolverOf(t testing.TB) *net.Resolver {
	addr := serveDNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		switch name := q.Question[0].Name; {
		case strings.HasPrefix(name, "slow.test."):
			return
		case name != "sonde.test.":
			m.Rcode = dns.RcodeNameError
		case q.Question[0].Qtype == dns.TypeA:
			m.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1},
				A:   net.IPv4(127, 0, 0, 1),
			}}
		}
		w.WriteMsg(m)
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "udp", addr)
		if err == nil {
			// The resolver goes on waiting for some seconds after its caller left.
			t.Cleanup(func() { conn.Close() })
		}
		return conn, err
	}}
}

// freePort returns a port of loopback on which nothing listens.
func freePort(t testing.TB, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

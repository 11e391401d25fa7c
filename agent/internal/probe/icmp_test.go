package probe

import (
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// allowPing sets who may have a socket for echo requests without capability.
func allowPing(t *testing.T, all bool) {
	t.Helper()
	groups := "1 0"
	if all {
		groups = "0 2147483647"
		if os.Getuid() != 0 {
			groups = "0 0"
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte(groups), 0); err != nil {
		t.Skip("may not set ping_group_range: ", err)
	}
}

func TestICMP(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cfg := Config{Resolver: resolverOf(t)}
	icmp := func(target string) Spec { return Spec{Kind: ICMP, Target: target} }
	cases := []struct {
		name, target string
		want         Outcome
	}{
		{"IPv4", "127.0.0.1", Success},
		{"IPv6", "::1", Success},
		{"host name", "sonde.test", Success},
		{"unknown name", "missing.test", DNS},
		{"no route", "192.0.2.1", Unreachable},
		{"no route of IPv6", "2001:db8::1", Unreachable},
		{"unreachable route", "192.0.2.2", Unreachable},
		{"prohibited route", "192.0.2.3", Permission},
	}
	ip(t, "route", "add", "unreachable", "192.0.2.2")
	ip(t, "route", "add", "prohibit", "192.0.2.3")
	for _, socket := range []string{"datagram", "raw"} {
		allowPing(t, socket == "datagram")
		for _, c := range cases {
			t.Run(socket+"/"+c.name, func(t *testing.T) {
				r := try(t, icmp(c.target), cfg, long)
				if r.outcome != c.want {
					t.Fatalf("outcome %v (%v), want %v", r.outcome, r.err, c.want)
				}
			})
		}
		t.Run(socket+"/sizes", func(t *testing.T) {
			for _, size := range []int{16, 17, 1400} {
				s := icmp("127.0.0.1")
				s.ICMP.Size = size
				if r := try(t, s, cfg, long); r.outcome != Success {
					t.Errorf("size %d: %v (%v)", size, r.outcome, r.err)
				}
			}
		})
	}
	allowPing(t, false)
	t.Run("permission", func(t *testing.T) {
		withoutCapabilities(t, func() {
			r := try(t, icmp("127.0.0.1"), cfg, long)
			if r.outcome != Permission || !strings.Contains(r.err.Error(), "ping_group_range") {
				t.Errorf("outcome %v (%v), want permission and what to do", r.outcome, r.err)
			}
		}, unix.CAP_NET_RAW)
	})
	t.Run("timeout", func(t *testing.T) {
		layWire(t, 0, 1)
		for _, all := range []bool{true, false} {
			allowPing(t, all)
			for _, target := range []string{far, far6} {
				if r := try(t, icmp(target), cfg, short); r.outcome != Timeout {
					t.Errorf("outcome %v (%v), want timeout", r.outcome, r.err)
				}
			}
		}
	})
}

// TestICMPErrorFromRouter lets a router answer that it does not know the way.
func TestICMPErrorFromRouter(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	// The router is a process in a second namespace.
	router := exec.Command("unshare", "--net", "sleep", "60")
	if err := router.Start(); err != nil {
		t.Skip("needs unshare of util-linux: ", err)
	}
	defer router.Wait()
	defer router.Process.Kill()
	self, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	pid := "/proc/" + strconv.Itoa(router.Process.Pid)
	for deadline := time.Now().Add(long); ; {
		other, err := os.Readlink(pid + "/ns/net")
		if err == nil && other != self {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the second namespace did not come up")
		}
	}
	inRouter := func(command ...string) {
		t.Helper()
		args := append([]string{"--net=" + pid + "/ns/net"}, command...)
		if out, err := exec.Command("nsenter", args...).CombinedOutput(); err != nil {
			t.Skipf("nsenter %v: %v: %s", args, err, out)
		}
	}
	ip(t, "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", strconv.Itoa(router.Process.Pid))
	ip(t, "addr", "add", "198.51.100.1/24", "dev", "near")
	ip(t, "addr", "add", "2001:db8:1::1/64", "dev", "near", "nodad")
	ip(t, "link", "set", "near", "up")
	inRouter("ip", "addr", "add", "198.51.100.2/24", "dev", "far")
	inRouter("ip", "addr", "add", "2001:db8:1::2/64", "dev", "far", "nodad")
	inRouter("ip", "link", "set", "far", "up")
	inRouter("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
	inRouter("ip", "route", "add", "unreachable", "203.0.113.0/24")
	inRouter("ip", "-6", "route", "add", "unreachable", "2001:db8:2::/64")
	ip(t, "route", "add", "default", "via", "198.51.100.2")
	ip(t, "-6", "route", "add", "default", "via", "2001:db8:1::2")

	for _, all := range []bool{true, false} {
		allowPing(t, all)
		for _, c := range []struct {
			target string
			want   Outcome
		}{
			{"198.51.100.2", Success},
			{"2001:db8:1::2", Success},
			{"203.0.113.1", Unreachable},
			{"2001:db8:2::1", Unreachable},
		} {
			// The first packets can be lost while the neighbours find each other.
			s := Spec{Kind: ICMP, Target: c.target}
			p := newProber(t, s, Config{})
			r := one(t, p, s, 2*time.Second)
			for range 4 {
				if r.outcome != Timeout {
					break
				}
				r = one(t, p, s, 2*time.Second)
			}
			if r.outcome != c.want {
				t.Errorf("%s: outcome %v (%v), want %v", c.target, r.outcome, r.err, c.want)
			}
		}
	}
}

func TestEchoMatching(t *testing.T) {
	for _, to := range []string{"127.0.0.1", "::1"} {
		addr := netip.MustParseAddr(to)
		e := newEcho(addr, 7, 56)
		reply := func(change func(b []byte)) []byte {
			b := append([]byte(nil), e.request...)
			b[0] = e.reply
			b[2], b[3] = 1, 2 // the checksum and
			b[4], b[5] = 3, 4 // the id are the kernel's affair
			change(b)
			return b
		}
		if !e.answeredBy(reply(func([]byte) {})) {
			t.Errorf("%s: the reply is not taken", to)
		}
		for name, packet := range map[string][]byte{
			"the request itself":   e.request,
			"other number":         reply(func(b []byte) { b[7]++ }),
			"other token":          reply(func(b []byte) { b[8]++ }),
			"other code":           reply(func(b []byte) { b[1]++ }),
			"other end":            reply(func(b []byte) { b[len(b)-1]++ }),
			"short":                reply(func([]byte) {})[:20],
			"long":                 append(reply(func([]byte) {}), 0),
			"empty":                nil,
			"of another request":   newEcho(addr, 7, 56).request,
			"header and no packet": {e.reply, 0, 0, 0},
		} {
			if e.answeredBy(packet) {
				t.Errorf("%s: %s is taken for the reply", to, name)
			}
		}
		if !e.quotedIn(e.request) || !e.quotedIn(e.request[:icmpHeader]) {
			t.Errorf("%s: an error that quotes the request is not seen", to)
		}
		if e.quotedIn(newEcho(addr, 8, 56).request) || e.quotedIn(newEcho(addr, 7, 56).request) || e.quotedIn(nil) {
			t.Errorf("%s: an error about another request is taken", to)
		}
	}
}

func FuzzEcho(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 0})
	f.Add(newEcho(netip.MustParseAddr("::1"), 1, 56).request)
	e4, e6 := newEcho(netip.MustParseAddr("127.0.0.1"), 1, 56), newEcho(netip.MustParseAddr("::1"), 1, 56)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, e := range []*echo{e4, e6} {
			if e.answeredBy(b) || e.answeredBy(trimIPv4(b)) {
				t.Errorf("%x is taken for a reply", b)
			}
			e.quotedIn(b)
		}
	})
}

func TestChecksum(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 64} {
		b := make([]byte, 2+n)
		for i := range b {
			b[i] = byte(i * 37)
		}
		b[0], b[1] = 0, 0
		sum := checksum(b)
		b[0], b[1] = byte(sum>>8), byte(sum)
		if got := checksum(b); got != 0 {
			t.Errorf("checksum over %d bytes with their checksum is %#x, want 0", len(b), got)
		}
	}
}

// TestDelayAndLoss injects both and expects to find them again.
func TestDelayAndLoss(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	const delay = 10 * time.Millisecond
	layWire(t, delay, 5)
	for _, target := range []string{far, far6} {
		s := Spec{Kind: ICMP, Target: target}
		p := newProber(t, s, Config{})
		counts := map[Outcome]int{}
		var took []time.Duration
		for range 15 {
			r := one(t, p, s, 250*time.Millisecond)
			counts[r.outcome]++
			took = append(took, r.timings[phaseTotal]...)
		}
		// Of five packets the first is the request that is lost, the others are two
		// round trips.
		if diff := cmp.Diff(map[Outcome]int{Success: 10, Timeout: 5}, counts); diff != "" {
			t.Errorf("%s: outcomes (-want +got):\n%s", target, diff)
		}
		if len(took) != counts[Success] {
			t.Errorf("%s: %d durations of %d successes", target, len(took), counts[Success])
		}
		for _, d := range took {
			if d < 2*delay {
				t.Errorf("%s: round trip of %v is less than the delay of %v", target, d, 2*delay)
			}
		}
	}
}

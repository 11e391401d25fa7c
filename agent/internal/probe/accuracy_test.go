package probe

import (
	"net"
	"net/http"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestAccuracy prints how far the measured durations are from a delay that a
// wire injects, with the machine idle and with a busy loop on every core. What
// the wire itself is late is part of the error.
func TestAccuracy(t *testing.T) {
	if testing.Short() || !testing.Verbose() {
		t.Skip("prints figures and checks none: run with -v")
	}
	if !inNamespace(t) {
		return
	}
	const delay = 5 * time.Millisecond
	layWire(t, delay, 0)
	for _, load := range []struct {
		name string
		busy int
	}{{"idle", 0}, {"busy", 2}} {
		for range load.busy {
			loop := exec.Command("sh", "-c", "while :; do :; done")
			if err := loop.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				loop.Process.Kill()
				loop.Wait()
			})
		}
		for _, s := range []struct {
			spec  Spec
			phase phase
			trips int
		}{
			{Spec{Kind: ICMP, Target: far}, phaseTotal, 1},
			{Spec{Kind: ICMP, Target: far6}, phaseTotal, 1},
			{Spec{Kind: TCP, Target: serveTCPOnWire(t)}, phaseTotal, 1},
			{Spec{Kind: DNSQuery, Target: serveDNSOnWire(t)}, phaseTotal, 1},
			{Spec{Kind: HTTP, Target: serveHTTPOnWire(t)}, phaseConnect, 1},
			{Spec{Kind: HTTP, Target: serveHTTPOnWire(t)}, phaseTTFB, 1},
			{Spec{Kind: Sched}, phaseTotal, 0},
		} {
			p := newProber(t, s.spec, Config{})
			var errs []time.Duration
			for range 150 {
				r := one(t, p, s.spec, time.Second)
				if r.outcome != Success {
					t.Fatalf("%s: %v (%v)", s.spec.Kind, r.outcome, r.err)
				}
				for _, took := range r.timings[s.phase] {
					errs = append(errs, took-time.Duration(2*s.trips)*delay)
				}
			}
			slices.Sort(errs)
			t.Logf("%-5s %-4s %-8s %-16s p50 %7.3f ms  p99 %7.3f ms", load.name, s.spec.Kind, phaseNames[s.phase],
				s.spec.Target, ms(errs[len(errs)/2]), ms(errs[len(errs)*99/100]))
		}
	}
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

// serveTCPOnWire accepts connections and returns where they reach it over the wire.
func serveTCPOnWire(t testing.TB) string {
	l, err := net.Listen("tcp4", near+":0")
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
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return onWire(t, l.Addr().String())
}

func serveDNSOnWire(t testing.TB) string {
	conn, err := net.ListenPacket("udp4", near+":0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		w.WriteMsg(new(dns.Msg).SetReply(q))
	})}
	go func() {
		defer close(done)
		server.ActivateAndServe()
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return onWire(t, conn.LocalAddr().String())
}

func serveHTTPOnWire(t testing.TB) string {
	l, err := net.Listen("tcp4", near+":0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	go func() {
		defer close(done)
		server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return "http://" + onWire(t, l.Addr().String()) + "/"
}

// onWire returns the address at the far end under which the near one answers.
func onWire(t testing.TB, address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(far, port)
}

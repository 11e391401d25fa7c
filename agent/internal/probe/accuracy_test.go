package probe

import (
	"net"
	"net/http"
	"os/exec"
	"slices"
	"testing"
	"time"
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
			want  time.Duration
		}{
			{Spec{Kind: ICMP, Target: far}, phaseTotal, 2 * delay},
			{Spec{Kind: ICMP, Target: far6}, phaseTotal, 2 * delay},
			{Spec{Kind: TCP, Target: serveTCPOnWire(t)}, phaseTotal, 2 * delay},
			{Spec{Kind: DNSQuery, Target: far}, phaseTotal, delay},
			{Spec{Kind: HTTP, Target: serveHTTPOnWire(t)}, phaseConnect, 2 * delay},
			{Spec{Kind: HTTP, Target: serveHTTPOnWire(t)}, phaseTTFB, 2 * delay},
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
					errs = append(errs, took-s.want)
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

package probe

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCost prints what the default probes cost. The server of one of them is in
// the figure.
func TestCost(t *testing.T) {
	if testing.Short() || !testing.Verbose() {
		t.Skip("prints figures and checks none: run with -v")
	}
	if !inNamespace(t) {
		return
	}
	layWire(t, time.Millisecond, 0)
	specs, err := Defaults(Environment{
		Server:   "http://" + serveTCPOnWire(t),
		Gateway:  netip.MustParseAddr(far),
		Resolver: netip.MustParseAddr(far),
		StateDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := NewSet(Config{Pinger: pinger(func(context.Context) (time.Duration, error) { return time.Millisecond, nil })})
	if err := s.Apply(specs); err != nil {
		t.Fatal(err)
	}
	const length = 20 * time.Second
	before := cpuTime(t)
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("%.3f ms of CPU a second", ms(cpuTime(t)-before)/length.Seconds())
	r := report(s)
	for _, spec := range specs {
		t.Logf("%s: %v", spec.Name, r.attempts(spec.Name))
	}
}

// cpuTime returns the CPU time that the process has used.
func cpuTime(t testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sonde.dev/sonde/internal/postgrestest"
)

// island is a network of its own, with a cable to each of those who use what runs
// in it. It is gone when the test ends, however that does.
type island struct {
	pid    int // of the process that keeps it
	cables []*cable
}

// cable leads to an island. What is sent over one that is cut is lost without a
// word.
type cable struct {
	island    *island
	near, far string     // names of its ends
	address   netip.Addr // of the far one
}

// newIsland returns an island with so many cables; or why there is none.
func newIsland(t *testing.T, cables int) (*island, error) {
	t.Helper()
	keeper := exec.Command("sleep", "infinity")
	keeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := keeper.Start(); err != nil {
		return nil, fmt.Errorf("making a network namespace: %w", err)
	}
	t.Cleanup(func() {
		_ = keeper.Process.Kill()
		_ = keeper.Wait() // killed
	})
	s := &island{pid: keeper.Process.Pid}
	// Networks for benchmarks (RFC 2544), others for each test that runs.
	network := netip.MustParseAddr("198.18.0.0").As4()
	block := os.Getpid() % (1 << 13)
	network[1] += byte(block >> 12)
	network[2], network[3] = byte(block>>4), byte(block<<4)
	address := netip.AddrFrom4(network)
	for i := range cables {
		near := address.Next()
		far := near.Next()
		address = far.Next().Next()
		c := &cable{s, fmt.Sprintf("sonde%d-%d", s.pid, i), fmt.Sprint("far", i), far}
		if err := c.lay(near); err != nil {
			return nil, err
		}
		s.cables = append(s.cables, c)
	}
	return s, nil
}

func (c *cable) lay(near netip.Addr) error {
	octets := c.address.As4()
	mac := fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", octets[0], octets[1], octets[2], octets[3])
	inside := c.island.ip
	for _, step := range []struct {
		ip   func(...string) error
		args []string
	}{
		{ip, []string{"link", "add", c.near, "type", "veth", "peer", "name", c.far, "address", mac, "netns", strconv.Itoa(c.island.pid)}},
		{ip, []string{"address", "add", near.String() + "/30", "dev", c.near}},
		{ip, []string{"link", "set", c.near, "up"}},
		{inside, []string{"address", "add", c.address.String() + "/30", "dev", c.far}},
		{inside, []string{"link", "set", c.far, "up"}},
		// Nobody asks who has the address, so nobody learns that nobody answers.
		{ip, []string{"neighbour", "replace", c.address.String(), "lladdr", mac, "dev", c.near, "nud", "permanent"}},
	} {
		if err := step.ip(step.args...); err != nil {
			return err
		}
	}
	return nil
}

func (c *cable) cut() error  { return c.island.ip("link", "set", c.far, "down") }
func (c *cable) mend() error { return c.island.ip("link", "set", c.far, "up") }

// orphans is the query for how many connections over the cable PostgreSQL has
// whose other end is gone.
func (c *cable) orphans(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("ss", "-Htn", "state", "established", "dst", c.address.String()).Output()
	if err != nil {
		t.Fatalf("ss: %v", err)
	}
	var ports []string
	for line := range strings.Lines(string(out)) {
		near := netip.MustParseAddrPort(strings.Fields(line)[2])
		ports = append(ports, strconv.Itoa(int(near.Port())))
	}
	return fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE client_addr = '%s' AND client_port <> ALL('{%s}')",
		c.address.Prev(), strings.Join(ports, ","))
}

func (s *island) namespace() string { return fmt.Sprintf("/proc/%d/ns/net", s.pid) }

func (s *island) ip(args ...string) error {
	return command("nsenter", append([]string{"--net=" + s.namespace(), "ip"}, args...)...)
}

func ip(args ...string) error { return command("ip", args...) }

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// place is that of a PostgreSQL on the island. The test reaches it by the last
// cable.
func (s *island) place() postgrestest.Place {
	var addresses []string
	for _, c := range s.cables {
		addresses = append([]string{c.address.String()}, addresses...)
	}
	return postgrestest.Place{Addresses: addresses, Start: s.start}
}

// start starts a process on the island.
func (s *island) start(cmd *exec.Cmd) error {
	here, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return err
	}
	defer here.Close()
	there, err := os.Open(s.namespace())
	if err != nil {
		return err
	}
	defer there.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	defer func() {
		if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(err) // the thread is good for nothing else
		}
	}()
	return cmd.Start()
}

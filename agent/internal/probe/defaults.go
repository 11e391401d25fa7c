package probe

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Environment is where the default probes get their targets. What is empty is
// left out, and with it the probes that need it.
type Environment struct {
	// Server is the URL of the agent's server.
	Server string
	// Gateway is the default gateway; see [Gateway].
	Gateway netip.Addr
	// Resolver is the first name server; see [Nameserver].
	Resolver netip.Addr
	// StateDir is the absolute path of the agent's folder.
	StateDir string
}

// defaultNames are the names of the default probes, in their order.
var defaultNames = []string{"server", "server-tcp", "gateway", "resolver", "disk", "sched"}

// Defaults returns the probes of a fresh install: all that env has a target for,
// or those of them with the given names. It is an error to name an unknown one.
func Defaults(env Environment, only ...string) ([]Spec, error) {
	for _, name := range only {
		if !slices.Contains(defaultNames, name) {
			return nil, fmt.Errorf("unknown default probe %q: must be one of %s", name, strings.Join(defaultNames, ", "))
		}
	}
	const interval = Duration(time.Second)
	var specs []Spec
	if env.Server != "" {
		server, err := serverAddress(env.Server)
		if err != nil {
			return nil, err
		}
		specs = append(specs,
			Spec{Name: "server", Kind: RTT, Target: server, Interval: interval},
			Spec{Name: "server-tcp", Kind: TCP, Target: server, Interval: interval})
	}
	if env.Gateway.IsValid() {
		specs = append(specs, Spec{Name: "gateway", Kind: ICMP, Target: env.Gateway.String(), Interval: interval})
	}
	if env.Resolver.IsValid() {
		specs = append(specs, Spec{Name: "resolver", Kind: DNSQuery, Target: env.Resolver.String(), Interval: interval})
	}
	if env.StateDir != "" {
		specs = append(specs, Spec{Name: "disk", Kind: Disk, Target: filepath.Clean(env.StateDir), Interval: 10 * interval})
	}
	specs = append(specs, Spec{Name: "sched", Kind: Sched, Interval: interval})
	if len(only) > 0 {
		specs = slices.DeleteFunc(specs, func(s Spec) bool { return !slices.Contains(only, s.Name) })
	}
	return specs, nil
}

// serverAddress returns the host:port of a server's URL.
func serverAddress(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Hostname() == "" {
		return "", fmt.Errorf("server %q: must be a URL such as https://sonde.example:7070", server)
	}
	port := u.Port()
	if port == "" {
		switch u.Scheme {
		case "http":
			port = "80"
		case "https":
			port = "443"
		default:
			return "", fmt.Errorf("server %q: must have a port, or http or https", server)
		}
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// errNoGateway is a table of routes without a default gateway.
var errNoGateway = errors.New("no default gateway")

// Gateway returns the default gateway of IPv4 from the kernel's table of routes
// under procRoot. The table under another root than /proc is that of the first
// process, which has the network of the host.
func Gateway(procRoot string) (netip.Addr, error) {
	path := filepath.Join(procRoot, "net/route")
	if filepath.Clean(procRoot) != "/proc" {
		path = filepath.Join(procRoot, "1/net/route")
	}
	f, err := os.Open(path)
	if err != nil {
		return netip.Addr{}, err
	}
	defer f.Close()
	addr, err := parseGateway(f)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return addr, nil
}

// parseGateway finds the default route with the lowest metric. Lines that are
// not routes, such as the header, are passed over.
func parseGateway(r io.Reader) (netip.Addr, error) {
	const (
		destination, gateway, flags, metric, mask = 1, 2, 3, 6, 7 // columns

		up, viaGateway, reject = 0x1, 0x2, 0x200 // RTF_UP, RTF_GATEWAY, RTF_REJECT
	)
	var best netip.Addr
	var bestMetric uint64
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) <= mask || f[destination] != "00000000" || f[mask] != "00000000" {
			continue
		}
		bits, err := strconv.ParseUint(f[flags], 16, 32)
		if err != nil || bits&(up|viaGateway|reject) != up|viaGateway {
			continue
		}
		m, err := strconv.ParseUint(f[metric], 10, 64)
		if err != nil || best.IsValid() && m >= bestMetric {
			continue
		}
		// The address is printed as a number of the machine's byte order.
		var number [4]byte
		if len(f[gateway]) != 2*len(number) {
			continue
		}
		if _, err := hex.Decode(number[:], []byte(f[gateway])); err != nil {
			continue
		}
		var addr [4]byte
		binary.NativeEndian.PutUint32(addr[:], binary.BigEndian.Uint32(number[:]))
		best, bestMetric = netip.AddrFrom4(addr), m
	}
	if err := lines.Err(); err != nil {
		return netip.Addr{}, err
	}
	if !best.IsValid() {
		return netip.Addr{}, errNoGateway
	}
	return best, nil
}

// errNoNameserver is a resolv.conf without an address.
var errNoNameserver = errors.New("no nameserver")

// Nameserver returns the first name server of a file in the format of
// resolv.conf(5).
func Nameserver(path string) (netip.Addr, error) {
	f, err := os.Open(path)
	if err != nil {
		return netip.Addr{}, err
	}
	defer f.Close()
	addr, err := parseNameserver(f)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return addr, nil
}

func parseNameserver(r io.Reader) (netip.Addr, error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(f[1]); err == nil {
			return addr, nil
		}
	}
	if err := lines.Err(); err != nil {
		return netip.Addr{}, err
	}
	return netip.Addr{}, errNoNameserver
}

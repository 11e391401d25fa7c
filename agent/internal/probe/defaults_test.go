package probe

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDefaults(t *testing.T) {
	env := Environment{
		Server:   "https://sonde.example",
		Gateway:  netip.MustParseAddr("192.0.2.1"),
		Resolver: netip.MustParseAddr("::1"),
		StateDir: "/var/lib/sonde/",
	}
	for _, c := range []struct {
		name string
		env  Environment
		only []string
		want string
	}{
		{"all", env, nil, "server rtt sonde.example:443, server-tcp tcp sonde.example:443, gateway icmp 192.0.2.1, " +
			"resolver dns ::1, disk disk /var/lib/sonde, sched sched local"},
		{"some", env, []string{"sched", "server"}, "server rtt sonde.example:443, sched sched local"},
		{"nothing known", Environment{}, nil, "sched sched local"},
		{"asked for and not known", Environment{}, []string{"gateway"}, ""},
		{"port of the server", Environment{Server: "http://127.0.0.1:7070/"}, []string{"server-tcp"}, "server-tcp tcp 127.0.0.1:7070"},
	} {
		specs, err := Defaults(c.env, c.only...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var got []string
		for _, s := range specs {
			if err := s.Validate(); err != nil {
				t.Error(err)
			}
			got = append(got, s.Name+" "+string(s.Kind)+" "+s.label())
		}
		if diff := cmp.Diff(c.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	if _, err := Defaults(env, "server", "sever"); err == nil || !strings.Contains(err.Error(), `"sever"`) {
		t.Errorf("unknown name: %v", err)
	}
	for _, server := range []string{"sonde.example:7070", "://", "grpc://sonde.example"} {
		if _, err := Defaults(Environment{Server: server}); err == nil {
			t.Errorf("server %q is taken", server)
		}
	}
}

const routes = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth1	00000000	010200C0	0003	0	0	200	00000000	0	0	0
eth0	00000000	FE6433C6	0003	0	0	100	00000000	0	0	0
eth2	00000000	00000000	0001	0	0	50	00000000	0	0	0
down	00000000	017100CB	0002	0	0	10	00000000	0	0	0
eth0	006433C6	00000000	0001	0	0	100	00FFFFFF	0	0	0
eth0	000A	x	y
`

func TestGateway(t *testing.T) {
	root := t.TempDir()
	if _, err := Gateway(root); !os.IsNotExist(err) {
		t.Errorf("without a table: %v", err)
	}
	dir := filepath.Join(root, "1", "net")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "route"), []byte(routes), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Gateway(root)
	if want := netip.MustParseAddr("198.51.100.254"); err != nil || got != want {
		t.Errorf("gateway %v (%v), want %v", got, err, want)
	}
	if _, err := parseGateway(strings.NewReader("")); err == nil {
		t.Error("an empty table has a gateway")
	}
}

func TestNameserver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	for text, want := range map[string]string{
		"# nameserver 192.0.2.9\nsearch example\nnameserver\t192.0.2.1 # first\nnameserver 192.0.2.2\n": "192.0.2.1",
		"nameserver nonsense\nnameserver fe80::1%eth0":                                                  "fe80::1%eth0",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Nameserver(path); err != nil || got.String() != want {
			t.Errorf("%q: %v (%v), want %v", text, got, err, want)
		}
	}
	if _, err := parseNameserver(strings.NewReader("search example")); err == nil {
		t.Error("a file without a server has one")
	}
}

func FuzzGateway(f *testing.F) {
	f.Add(routes)
	f.Fuzz(func(t *testing.T, text string) {
		if addr, err := parseGateway(strings.NewReader(text)); err == nil && !addr.Is4() {
			t.Errorf("gateway %v", addr)
		}
	})
}

func FuzzNameserver(f *testing.F) {
	f.Add("nameserver ::1\n")
	f.Fuzz(func(t *testing.T, text string) {
		if addr, err := parseNameserver(strings.NewReader(text)); err == nil && !addr.IsValid() {
			t.Errorf("nameserver %v", addr)
		}
	})
}

package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/agent/internal/desired"
	"sonde.dev/sonde/agent/internal/probe"
)

var collectors = []string{"cpu", "processes"}

func parse(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := Parse([]byte(text), "/state", collectors)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func fields(errs []desired.FieldError) []string {
	var list []string
	for _, e := range errs {
		list = append(list, e.Field)
	}
	return list
}

func probes(specs ...probe.Spec) desired.Settings {
	s := desired.Settings{Probes: map[string]desired.Probe{}}
	for i, spec := range specs {
		spec.Name = fmt.Sprintf("p%03d", i)
		if spec.Interval == 0 {
			spec.Interval = probe.Duration(time.Second)
		}
		s.Probes[spec.Name] = desired.Probe{Spec: spec}
	}
	return s
}

func TestTargets(t *testing.T) {
	const rules = `
targets:
  - cidr: 10.0.0.0/8
  - cidr: 192.0.2.7
    ports: [443, 8000-8999]
  - cidr: fe80::/10
  - host: db.example.org
    ports: [5432]
  - host: "*.corp.example"
`
	tests := []struct {
		kind    probe.Kind
		target  string
		allowed bool
	}{
		{probe.ICMP, "10.1.2.3", true},
		{probe.ICMP, "::ffff:10.1.2.3", true},
		{probe.ICMP, "11.1.2.3", false},
		{probe.TCP, "10.1.2.3:22", true},
		{probe.TCP, "192.0.2.7:443", true},
		{probe.TCP, "192.0.2.7:8999", true},
		{probe.TCP, "192.0.2.7:9000", false},
		{probe.ICMP, "192.0.2.7", false}, // its rule is for ports
		{probe.ICMP, "fe80::1%eth0", true},
		{probe.HTTP, "https://192.0.2.7/", true},
		{probe.HTTP, "http://192.0.2.7/", false},
		{probe.HTTP, "http://[::ffff:10.0.0.1]/", true},
		{probe.DNSQuery, "10.0.0.53", true},
		{probe.DNSQuery, "9.9.9.9", false},
		// A name is never resolved to be judged.
		{probe.TCP, "localhost:80", false},
		{probe.TCP, "10.evil.example:80", false},
		{probe.ICMP, "167772161", false}, // 10.0.0.1 to some resolvers
		{probe.TCP, "db.example.org:5432", true},
		{probe.TCP, "DB.example.org.:5432", true},
		{probe.TCP, "db.example.org:22", false},
		{probe.TCP, "x.db.example.org:5432", false},
		{probe.HTTP, "https://a.b.corp.example/", true},
		{probe.HTTP, "https://corp.example/", false},
		{probe.HTTP, "https://evilcorp.example/", false},
		{probe.HTTP, "https://a.corp.example.evil/", false},
		{probe.HTTP, "https://a.corp.example@evil.example/", false},
		{probe.HTTP, "not a URL", false},
		{probe.TCP, "no-port", false},
		// These go nowhere that a rule could be for.
		{probe.Sched, "", true},
		{probe.RTT, "anything", true},
		{probe.Disk, "/state", true},
	}
	p := parse(t, rules)
	for _, test := range tests {
		errs := p.Check(probes(probe.Spec{Kind: test.kind, Target: test.target}))
		if (len(errs) == 0) != test.allowed {
			t.Errorf("%s %q: %v, want allowed %t", test.kind, test.target, errs, test.allowed)
		}
		for _, e := range errs {
			if e.Field != "probes.p000.target" || !strings.HasPrefix(e.Message, "refused by this host's policy: ") || !strings.Contains(e.Message, fmt.Sprintf("%q", test.target)) {
				t.Errorf("%s %q is refused as %v", test.kind, test.target, e)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	fast, second, yes, no := probe.Duration(100*time.Millisecond), probe.Duration(time.Second), true, false
	hundred := make([]probe.Spec, 100)
	for i := range hundred {
		hundred[i] = probe.Spec{Kind: probe.Sched}
	}
	redirected := probe.Spec{Kind: probe.HTTP, Target: "http://10.0.0.1/", HTTP: probe.HTTPOptions{Redirects: 1}}
	tests := []struct {
		name, policy string
		settings     desired.Settings
		want         []string
	}{
		{"nothing asked", "", desired.Settings{}, nil},
		{"any target by default", "", probes(probe.Spec{Kind: probe.TCP, Target: "anywhere.example:1"}, redirected), nil},
		{"state folder only by default", "", probes(probe.Spec{Kind: probe.Disk, Target: "/etc"}), []string{"probes.p000.target"}},
		{"nothing below the state folder", "", probes(probe.Spec{Kind: probe.Disk, Target: "/state/x"}), []string{"probes.p000.target"}},
		{"100 attempts a second by default", "", probes(hundred...), nil},
		{"and no more", "", probes(append(hundred, probe.Spec{Kind: probe.Sched, Interval: probe.Duration(time.Hour)})...), []string{"probes"}},
		{"rate in tenths", "max_probe_rate: 0.3", probes(
			probe.Spec{Kind: probe.Sched, Interval: 10 * second},
			probe.Spec{Kind: probe.Sched, Interval: 10 * second},
			probe.Spec{Kind: probe.Sched, Interval: 10 * second}), nil},
		{"other directories", "disk_directories: [/srv]", probes(
			probe.Spec{Kind: probe.Disk, Target: "/srv"},
			probe.Spec{Kind: probe.Disk, Target: "/state"}), []string{"probes.p001.target"}},
		{"no directory", "disk_directories: []", probes(probe.Spec{Kind: probe.Disk, Target: "/state"}), []string{"probes.p000.target"}},
		{"no target", "targets: []", probes(probe.Spec{Kind: probe.ICMP, Target: "127.0.0.1"}, probe.Spec{Kind: probe.Sched}), []string{"probes.p000.target"}},
		{"kinds", "probe_kinds: [sched]", probes(probe.Spec{Kind: probe.Sched}, probe.Spec{Kind: probe.RTT, Target: "x"}), []string{"probes.p001.kind"}},
		{"unknown kind", "", probes(probe.Spec{Kind: "warp"}), []string{"probes.p000.kind"}},
		{"redirects", "targets: [{cidr: 10.0.0.0/8}]", probes(redirected), []string{"probes.p000.http.redirects"}},
		{"intervals", "{min_submission_interval: 1s, min_collector_interval: 1s, min_probe_interval: 1s}", desired.Settings{
			SubmissionInterval: &fast,
			Collectors:         map[string]desired.Collector{"cpu": {Interval: &fast}, "processes": {Interval: &second}},
			Probes:             map[string]desired.Probe{"a": {Spec: probe.Spec{Kind: probe.Sched, Interval: fast}}, "b": {Disabled: true}},
		}, []string{"submission_interval_ms", "collectors.cpu.interval_ms", "probes.a.interval_ms"}},
		{"forbidden", "forbidden_collectors: [processes]", desired.Settings{
			Collectors: map[string]desired.Collector{"cpu": {Enabled: &yes}, "processes": {Enabled: &yes}},
		}, []string{"collectors.processes.enabled"}},
		{"forbidden and turned on by default", "forbidden_collectors: [processes]", desired.Settings{
			Collectors: map[string]desired.Collector{"processes": {Interval: &second}},
		}, []string{"collectors.processes.enabled"}},
		{"forbidden and turned off", "forbidden_collectors: [processes]", desired.Settings{
			Collectors: map[string]desired.Collector{"processes": {Enabled: &no}},
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, fields(parse(t, test.policy).Check(test.settings))); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"target: []", "field target not found"},
		{"targets:", "line 1: a value is missing"},
		{"targets: [{cidr: 10.0.0.0/8, host: x}]", "targets[0]: needs one of cidr and host"},
		{"targets: [{ports: [1]}]", "targets[0]: needs one of cidr and host"},
		{"targets: [{cidr: 10.0.0.1/8}]", "is it 10.0.0.0/8?"},
		{"targets: [{cidr: '::ffff:10.0.0.0/104'}]", "targets[0].cidr"},
		{"targets: [{cidr: ten}]", `"ten" is not an address`},
		{"targets: [{host: 10.0.0.1}]", "targets[0].host"},
		{"targets: [{host: '*example'}]", "targets[0].host"},
		{"targets: [{host: 'a.*'}]", "targets[0].host"},
		{"targets: [{host: x, ports: []}]", "targets[0].ports: is empty"},
		{"targets: [{host: x, ports: [0]}]", `"0" is neither a port`},
		{"targets: [{host: x, ports: [9-1]}]", `"9-1" is neither a port`},
		{"targets: [{host: x, ports: [65536]}]", `"65536" is neither a port`},
		{"probe_kinds: [warp]", `"warp" is not icmp`},
		{"min_probe_interval: 1ms", "min_probe_interval: 1ms is not 100ms to 1h0m0s"},
		{"max_probe_rate: -1", "max_probe_rate: -1"},
		{"max_probe_rate: .nan", "max_probe_rate: NaN"},
		{"max_probe_rate: .inf", "max_probe_rate: +Inf"},
		{"forbidden_collectors: [warp]", `no collector "warp"`},
		{"disk_directories: [srv]", `"srv" is not an absolute path`},
		{"disk_directories: [/srv/../etc]", `"/srv/../etc" is not an absolute path`},
		{"max_probe_rate: 1\n---\nmax_probe_rate: 2", "more than one document"},
		{"targets: &t []\nprobe_kinds: *t", "line 2: aliases are not allowed"},
	}
	for _, test := range tests {
		_, err := Parse([]byte(test.text), "/state", collectors)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
	}
	for _, text := range []string{"", "# nothing\n", "{}"} {
		if _, err := Parse([]byte(text), "/state", collectors); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzParse asserts that no file allows what no file may.
func FuzzParse(f *testing.F) {
	f.Add([]byte("targets: [{cidr: 10.0.0.0/8, ports: [1-2]}]\nmax_probe_rate: 1"))
	f.Add([]byte("targets: [{host: '*.example'}]\nprobe_kinds: [tcp]\nmin_probe_interval: 1s"))
	f.Add([]byte("forbidden_collectors: [cpu]\ndisk_directories: [/srv]"))
	fast := probe.Duration(99 * time.Millisecond)
	asked := probes(probe.Spec{Kind: "warp"}, probe.Spec{Kind: probe.Disk, Target: "srv"})
	asked.SubmissionInterval = &fast
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data, "/state", collectors)
		if (p == nil) == (err == nil) {
			t.Fatalf("a policy %v and an error %v", p, err)
		}
		if err == nil && len(p.Check(asked)) < 3 {
			t.Errorf("only %v of %v are refused", p.Check(asked), asked)
		}
	})
}

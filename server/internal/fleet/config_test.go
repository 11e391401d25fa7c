package fleet_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sonde.dev/sonde/server/internal/fleet"
)

func submit(ms uint32) fleet.Settings { return fleet.Settings{SubmissionIntervalMS: &ms} }

func TestEffective(t *testing.T) {
	agent := fleet.Agent{ID: "id-1", Name: "web-1", Labels: map[string]string{"site": "north", "empty": ""}}
	selected := func(selector map[string]string) fleet.Policy {
		return fleet.Policy{Name: "p", Selector: selector, Settings: submit(1000)}
	}
	web := func(interval uint32) fleet.Settings {
		return fleet.Settings{Probes: map[string]fleet.ProbeSettings{"web": {Kind: "tcp", Target: "a:1", IntervalMS: interval}}}
	}
	for name, test := range map[string]struct {
		policies   []fleet.Policy
		want       fleet.Settings
		provenance map[string]string
	}{
		"nothing":          {},
		"no selector":      {[]fleet.Policy{selected(nil)}, submit(1000), map[string]string{"submission_interval_ms": "p"}},
		"all labels":       {[]fleet.Policy{selected(map[string]string{"site": "north", "name": "web-1", "id": "id-1"})}, submit(1000), map[string]string{"submission_interval_ms": "p"}},
		"one label is not": {policies: []fleet.Policy{selected(map[string]string{"site": "north", "name": "web-2"})}},
		"absent is not empty": {policies: []fleet.Policy{
			selected(map[string]string{"other": ""}),
		}},
		"empty is empty": {[]fleet.Policy{selected(map[string]string{"empty": ""})}, submit(1000), map[string]string{"submission_interval_ms": "p"}},
		"priority wins": {
			[]fleet.Policy{{Name: "a", Priority: 2, Settings: submit(200)}, {Name: "b", Priority: -1, Settings: submit(300)}},
			submit(200), map[string]string{"submission_interval_ms": "a"},
		},
		"the later name wins": {
			[]fleet.Policy{{Name: "b", Settings: submit(200)}, {Name: "a", Settings: submit(300)}},
			submit(200), map[string]string{"submission_interval_ms": "b"},
		},
		"fields of collectors are mixed": {
			[]fleet.Policy{
				{Name: "off", Settings: fleet.Settings{Collectors: map[string]fleet.CollectorSettings{"cpu": {Enabled: new(false), IntervalMS: new(uint32(500))}, "none": {}}}},
				{Name: "on", Priority: 1, Settings: fleet.Settings{Collectors: map[string]fleet.CollectorSettings{"cpu": {Enabled: new(true)}}}},
			},
			fleet.Settings{Collectors: map[string]fleet.CollectorSettings{"cpu": {Enabled: new(true), IntervalMS: new(uint32(500))}}},
			map[string]string{"collectors.cpu.enabled": "on", "collectors.cpu.interval_ms": "off"},
		},
		"probes are not mixed": {
			[]fleet.Policy{
				{Name: "a", Settings: fleet.Settings{Probes: map[string]fleet.ProbeSettings{"web": {Kind: "icmp", Target: "h", IntervalMS: 1000, TimeoutMS: 9}}}},
				{Name: "b", Settings: web(200)},
			},
			web(200), map[string]string{"probes.web": "b"},
		},
		"a probe is taken away": {
			[]fleet.Policy{{Name: "a", Settings: web(200)}, {Name: "b", Settings: fleet.Settings{Probes: map[string]fleet.ProbeSettings{"web": {Disabled: true, Kind: "tcp"}}}}},
			fleet.Settings{Probes: map[string]fleet.ProbeSettings{"web": {Disabled: true}}}, map[string]string{"probes.web": "b"},
		},
	} {
		got, provenance := fleet.Effective(fleet.FleetConfig{Policies: test.policies}, agent)
		if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(test.provenance, provenance, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: provenance: %s", name, diff)
		}
		if (got.Hash() == 0) != (len(provenance) == 0) {
			t.Errorf("%s: hash %x of %v", name, got.Hash(), provenance)
		}
	}
}

// randomPolicy makes policies that overlap in labels, priorities and settings.
func randomPolicy(r *rand.Rand, i int) fleet.Policy {
	p := fleet.Policy{
		Name:     fmt.Sprintf("p%d", i),
		Priority: int32(r.IntN(3)),
		Settings: fleet.Settings{
			Collectors: map[string]fleet.CollectorSettings{},
			Probes:     map[string]fleet.ProbeSettings{},
		},
	}
	if r.IntN(2) == 0 {
		p.Selector = map[string]string{"site": []string{"a", "b"}[r.IntN(2)]}
	}
	if r.IntN(2) == 0 {
		p.Settings.SubmissionIntervalMS = new(100 + r.Uint32N(900))
	}
	for _, name := range []string{"cpu", "disk"} {
		if r.IntN(2) == 0 {
			p.Settings.Collectors[name] = fleet.CollectorSettings{Enabled: new(r.IntN(2) == 0)}
		}
		if r.IntN(2) == 0 {
			p.Settings.Probes[name] = fleet.ProbeSettings{Kind: "sched", IntervalMS: 100 + r.Uint32N(900)}
		}
	}
	return p
}

// The order in which policies are listed, and in which maps are walked, changes
// nothing.
func TestEffectiveIsIndependentOfOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var c fleet.FleetConfig
		for i := range r.IntN(8) {
			c.Policies = append(c.Policies, randomPolicy(r, i))
		}
		if wrong := c.Validate(); len(wrong) > 0 {
			t.Fatal(wrong)
		}
		agent := fleet.Agent{Labels: map[string]string{"site": "a"}}
		want, provenance := fleet.Effective(c, agent)
		r.Shuffle(len(c.Policies), func(i, j int) { c.Policies[i], c.Policies[j] = c.Policies[j], c.Policies[i] })
		got, gotProvenance := fleet.Effective(c, agent)
		if diff := cmp.Diff(want, got) + cmp.Diff(provenance, gotProvenance); diff != "" {
			t.Fatal(diff)
		}
		if want.Hash() != got.Hash() {
			t.Fatalf("one configuration has the hashes %x and %x", want.Hash(), got.Hash())
		}
	}
}

// Agents keep settings by their hash, over restarts of both sides.
func TestHashStays(t *testing.T) {
	s := fleet.Settings{
		SubmissionIntervalMS: new(uint32(1000)),
		Collectors:           map[string]fleet.CollectorSettings{"cpu": {Enabled: new(true)}},
		Probes:               map[string]fleet.ProbeSettings{"web": {Kind: "http", Target: "http://h", IntervalMS: 1000}},
	}
	if got, want := s.Hash(), uint64(0x6def582c4b30b229); got != want {
		t.Errorf("hash is %#x, want %#x", got, want)
	}
}

func TestValidateConfig(t *testing.T) {
	probe := func(p fleet.ProbeSettings) fleet.Settings {
		if p.IntervalMS == 0 {
			p.IntervalMS = 1000
		}
		return fleet.Settings{Probes: map[string]fleet.ProbeSettings{"x": p}}
	}
	many := fleet.Settings{Probes: map[string]fleet.ProbeSettings{}}
	for i := range 257 {
		many.Probes[fmt.Sprint(i)] = fleet.ProbeSettings{Disabled: true}
	}
	for name, test := range map[string]struct {
		policy fleet.Policy
		field  string // empty: nothing is wrong
		says   string
	}{
		"fine":                 {policy: fleet.Policy{Name: "a-0", Priority: -1000, Settings: submit(600_000)}},
		"name":                 {fleet.Policy{Name: "A"}, "policies[0].name", `"A"`},
		"long name":            {fleet.Policy{Name: strings.Repeat("a", 65)}, "policies[0].name", "1 to 64"},
		"priority":             {fleet.Policy{Name: "a", Priority: 1001}, "policies[0].priority", "1001"},
		"selector key":         {fleet.Policy{Name: "a", Selector: map[string]string{"a-b": ""}}, "policies[0].selector", `"a-b"`},
		"selector of server":   {fleet.Policy{Name: "a", Selector: map[string]string{"instance": ""}}, "policies[0].selector", `"instance"`},
		"selector value":       {fleet.Policy{Name: "a", Selector: map[string]string{"k": strings.Repeat("x", 257)}}, "policies[0].selector.k", "257 bytes"},
		"selector id":          {fleet.Policy{Name: "a", Selector: map[string]string{"id": "x"}}, "policies[0].selector.id", "UUID"},
		"submission":           {fleet.Policy{Name: "a", Settings: submit(99)}, "policies[0].settings.submission_interval_ms", "99: want 100 to 600000"},
		"collector name":       {fleet.Policy{Name: "a", Settings: fleet.Settings{Collectors: map[string]fleet.CollectorSettings{"a b": {}}}}, "policies[0].settings.collectors", `"a b"`},
		"collector interval":   {fleet.Policy{Name: "a", Settings: fleet.Settings{Collectors: map[string]fleet.CollectorSettings{"cpu": {IntervalMS: new(uint32(3_600_001))}}}}, "policies[0].settings.collectors.cpu.interval_ms", "3600001"},
		"too many probes":      {fleet.Policy{Name: "a", Settings: many}, "policies[0].settings.probes", "257"},
		"probe kind":           {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "smtp"})}, "policies[0].settings.probes.x.kind", `"smtp"`},
		"probe interval":       {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "sched", IntervalMS: 99})}, "policies[0].settings.probes.x.interval_ms", "99"},
		"probe timeout":        {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "sched", TimeoutMS: 60_001})}, "policies[0].settings.probes.x.timeout_ms", "60001"},
		"foreign options":      {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "sched", HTTP: fleet.HTTPProbeOptions{Method: "GET"}})}, "policies[0].settings.probes.x.http", `"sched"`},
		"disabled":             {policy: fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Disabled: true, Kind: "what"})}},
		"icmp":                 {policy: fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "icmp", Target: "2001:db8::1"})}},
		"icmp with port":       {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "icmp", Target: "h:1"})}, "policies[0].settings.probes.x.target", `"h:1"`},
		"tcp":                  {policy: fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "tcp", Target: "[::1]:443"})}},
		"tcp without port":     {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "tcp", Target: "h"})}, "policies[0].settings.probes.x.target", "host:port"},
		"tcp port 0":           {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "tcp", Target: "h:0"})}, "policies[0].settings.probes.x.target", "host:port"},
		"http":                 {policy: fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "http", Target: "https://h:1/x?y", HTTP: fleet.HTTPProbeOptions{Method: "HEAD", Status: "3xx", Redirects: 10}})}},
		"http scheme":          {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "http", Target: "ftp://h"})}, "policies[0].settings.probes.x.target", `"ftp://h"`},
		"http redirects":       {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "http", Target: "http://h", HTTP: fleet.HTTPProbeOptions{Redirects: 11}})}, "policies[0].settings.probes.x.http.redirects", "11"},
		"http method":          {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "http", Target: "http://h", HTTP: fleet.HTTPProbeOptions{Method: "POST"}})}, "policies[0].settings.probes.x.http.method", `"POST"`},
		"dns":                  {policy: fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "dns", Target: "::1", DNS: fleet.DNSProbeOptions{Name: "a.b.", Type: "AAAA", Rcode: "NXDOMAIN"}})}},
		"dns with port":        {policy: fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "dns", Target: "192.0.2.1:53"})}},
		"dns name":             {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "dns", Target: "h", DNS: fleet.DNSProbeOptions{Name: "a b"}})}, "policies[0].settings.probes.x.dns.name", `"a b"`},
		"dns type":             {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "dns", Target: "h", DNS: fleet.DNSProbeOptions{Type: "A A"}})}, "policies[0].settings.probes.x.dns.type", `"A A"`},
		"disk":                 {policy: fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "disk", Target: "/var/lib"})}},
		"disk relative":        {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "disk", Target: "/a/../b"})}, "policies[0].settings.probes.x.target", "absolute"},
		"sched with target":    {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "sched", Target: "x"})}, "policies[0].settings.probes.x.target", `"x"`},
		"rtt without target":   {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "rtt"})}, "policies[0].settings.probes.x.target", "not empty"},
		"target of a megabyte": {fleet.Policy{Name: "a", Settings: probe(fleet.ProbeSettings{Kind: "rtt", Target: strings.Repeat("x", 1<<20)})}, "policies[0].settings.probes.x.target", "1048576"},
	} {
		wrong := fleet.FleetConfig{Policies: []fleet.Policy{test.policy}}.Validate()
		switch {
		case test.field == "" && len(wrong) > 0:
			t.Errorf("%s: %v", name, wrong)
		case test.field != "" && (len(wrong) != 1 || wrong[0].Field != test.field || !strings.Contains(wrong[0].Message, test.says)):
			t.Errorf("%s: got %v, want %s with %q", name, wrong, test.field, test.says)
		}
	}
}

func TestValidateReturnsAll(t *testing.T) {
	wrong := fleet.FleetConfig{Policies: []fleet.Policy{
		{Name: "a", Priority: 5000, Settings: submit(1)},
		{Name: "a"},
	}}.Validate()
	var fields []string
	for _, w := range wrong {
		fields = append(fields, w.Field)
	}
	want := []string{"policies[0].priority", "policies[0].settings.submission_interval_ms", "policies[1].name"}
	if !slices.Equal(fields, want) {
		t.Errorf("got %v, want %v", fields, want)
	}
	if wrong := (fleet.FleetConfig{Policies: make([]fleet.Policy, 257)}).Validate(); len(wrong) != 1 || wrong[0].Field != "policies" {
		t.Errorf("257 policies: %v", wrong)
	}
	if wrong := (fleet.FleetConfig{Policies: make([]fleet.Policy, 256)}).Validate(); len(wrong) != 100 {
		t.Errorf("%d errors, want no more than 100", len(wrong))
	}
	secret := fleet.Settings{Probes: map[string]fleet.ProbeSettings{"x": {Kind: "http", Target: "http://me:hunter2@h", IntervalMS: 1000}}}
	wrong = fleet.FleetConfig{Policies: []fleet.Policy{{Name: "a", Settings: secret}}}.Validate()
	if len(wrong) != 1 || strings.Contains(wrong[0].Message, "hunter2") {
		t.Errorf("credentials in a target: %v", wrong)
	}
}

func TestDiff(t *testing.T) {
	before := fleet.Settings{
		SubmissionIntervalMS: new(uint32(1000)),
		Collectors:           map[string]fleet.CollectorSettings{"cpu": {Enabled: new(false)}},
		Probes:               map[string]fleet.ProbeSettings{"web": {Kind: "http", Target: "http://h", IntervalMS: 1000, HTTP: fleet.HTTPProbeOptions{Redirects: 3}}},
	}
	after := fleet.Settings{
		SubmissionIntervalMS: new(uint32(1000)),
		Collectors:           map[string]fleet.CollectorSettings{"cpu": {IntervalMS: new(uint32(200))}},
		Probes:               map[string]fleet.ProbeSettings{"web": {Kind: "http", Target: "http://other", IntervalMS: 1000}},
	}
	want := []fleet.SettingChange{
		{"collectors.cpu.enabled", "false", ""},
		{"collectors.cpu.interval_ms", "", "200"},
		{"probes.web.http.redirects", "3", ""},
		{"probes.web.target", "http://h", "http://other"},
	}
	if diff := cmp.Diff(want, fleet.Diff(before, after)); diff != "" {
		t.Error(diff)
	}
	if got := fleet.Diff(after, after); len(got) > 0 {
		t.Errorf("settings differ from themselves: %v", got)
	}
}

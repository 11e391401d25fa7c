package fleetconfig

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// fleet is what testdata/fleet.yaml says, with every field there is.
var fleet = &sondev1.FleetConfig{Policies: []*sondev1.Policy{
	{
		Name: "all",
		Settings: &sondev1.Settings{
			SubmissionIntervalMs: new(uint32(1000)),
			Collectors: map[string]*sondev1.CollectorSettings{
				"cpu":       {IntervalMs: new(uint32(200))},
				"processes": {Enabled: new(false)},
			},
			Probes: map[string]*sondev1.ProbeSettings{"website": {
				Kind: "http", Target: "https://www.example.org/", IntervalMs: 5000, TimeoutMs: 1500,
				Http: &sondev1.HTTPProbeOptions{Method: "HEAD", Status: "2xx", Redirects: 3, SkipVerify: true},
			}},
		},
	},
	{
		Name: "databases", Priority: 10, Selector: map[string]string{"role": "db", "rack": "12"},
		Settings: &sondev1.Settings{
			SubmissionIntervalMs: new(uint32(600_000)),
			Collectors: map[string]*sondev1.CollectorSettings{
				"cpu":    {},
				"memory": {Enabled: new(true), IntervalMs: new(uint32(3_600_000))},
			},
			Probes: map[string]*sondev1.ProbeSettings{
				"gateway": {Disabled: true},
				"names": {
					Kind: "dns", Target: "192.0.2.53", IntervalMs: 90_000,
					Dns: &sondev1.DNSProbeOptions{Name: "example.org.", Type: "AAAA", Rcode: "NXDOMAIN"},
				},
			},
		},
	},
	{Name: "spare", Priority: -1},
}}

func TestRoundTrip(t *testing.T) {
	want, err := os.ReadFile("testdata/fleet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := Format(fleet)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	asJSON, err := FormatJSON(fleet)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{want, asJSON} {
		got, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fleet, got.Config, protocmp.Transform()); diff != "" {
			t.Errorf("read from\n%s(-want +got):\n%s", text, diff)
		}
	}
}

// TestEveryField fails when the schema has a field that the text does not.
func TestEveryField(t *testing.T) {
	for _, c := range []struct {
		m      proto.Message
		fields int
	}{
		{&sondev1.FleetConfig{}, 1}, {&sondev1.Policy{}, 4}, {&sondev1.Settings{}, 3}, {&sondev1.CollectorSettings{}, 2},
		{&sondev1.ProbeSettings{}, 7}, {&sondev1.HTTPProbeOptions{}, 4}, {&sondev1.DNSProbeOptions{}, 3},
	} {
		d := c.m.ProtoReflect().Descriptor()
		if n := d.Fields().Len(); n != c.fields {
			t.Errorf("%s has %d fields, the text has %d", d.Name(), n, c.fields)
		}
	}
}

func TestParse(t *testing.T) {
	policy := func(s *sondev1.Settings) *sondev1.FleetConfig {
		return &sondev1.FleetConfig{Policies: []*sondev1.Policy{{Name: "p", Settings: s}}}
	}
	interval := &sondev1.Settings{SubmissionIntervalMs: new(uint32(10_000))}
	tests := []struct {
		name, text string
		want       *sondev1.FleetConfig
	}{
		{"no policies", "policies: []", &sondev1.FleetConfig{}},
		{"keys without values", "policies:\n", &sondev1.FleetConfig{}},
		{"settings without values", "policies: [{name: p, settings: }]", policy(&sondev1.Settings{})},
		{"one line", "policies: [{name: p, settings: {submission_interval: 10s}}]", policy(interval)},
		{"comments", "# why\npolicies:\n- name: p # who\n  settings: {submission_interval: 10s}", policy(interval)},
		{"anchor and alias", "policies:\n- {name: q, settings: &s {submission_interval: 10s}}\n- {name: p, settings: *s}",
			&sondev1.FleetConfig{Policies: []*sondev1.Policy{{Name: "q", Settings: interval}, {Name: "p", Settings: interval}}}},
		{"numbers as texts", "policies: [{name: 007, selector: {rack: 12, on: true}}]",
			&sondev1.FleetConfig{Policies: []*sondev1.Policy{{Name: "007", Selector: map[string]string{"rack": "12", "on": "true"}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Config, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseListsEveryError(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"not YAML", "policies: [", "yaml: line 1: did not find expected node content"},
		{"empty", "# nothing\n", "the file is empty; without policies it reads policies: []"},
		{"two documents", "policies: []\n---\npolicies: []\n", "line 2: a second document: there can be only one"},
		{"no mapping", "- a\n", "line 1: must be a mapping of keys to values"},
		{"no list", "policies: {a: b}", "line 1: policies: must be a list"},
		{"itself", "policies: &p [*p]", "line 1: policies[0]: must be a mapping of keys to values\nline 1: policies[0].name: is missing"},
		{"too long", "#" + strings.Repeat("x", MaxBytes), "1048577 bytes are more than 1048576"},
		{"all of it", `policies:
  - nam: all
    settings:
      submission_interval: 10
      collectors:
        cpu: {interval: soon, enabled: yes}
        cpu: {}
        memory: 1s
        disk: {interval: 1.5ms}
        load: {interval: -1s}
      probes:
        web:
          interval: 9000000h
          http: {redirects: -1, status: [2xx]}
          kind:
  - name: p
    priority: high
    selector: {role: null}
  - name: p
polices: []
`, `line 2: policies[0].nam: there is no key of this name here, only name, priority, selector, settings
line 2: policies[0].name: is missing
line 4: policies[0].settings.submission_interval: "10" must be a duration such as 200ms, 10s or 5m
line 6: policies[0].settings.collectors.cpu.interval: "soon" must be a duration such as 200ms, 10s or 5m
line 6: policies[0].settings.collectors.cpu.enabled: "yes" must be true or false
line 7: policies[0].settings.collectors.cpu: stands twice
line 8: policies[0].settings.collectors.memory: must be a mapping of keys to values
line 9: policies[0].settings.collectors.disk.interval: "1.5ms" must be in whole milliseconds
line 10: policies[0].settings.collectors.load.interval: "-1s" must be in whole milliseconds
line 13: policies[0].settings.probes.web.interval: "9000000h" must be a duration such as 200ms, 10s or 5m
line 14: policies[0].settings.probes.web.http.redirects: "-1" must be a whole number from 0 to 4294967295
line 14: policies[0].settings.probes.web.http.status: must be a plain value
line 15: policies[0].settings.probes.web.kind: has no value
line 17: policies[1].priority: "high" must be a whole number from -2147483648 to 2147483647
line 18: policies[1].selector.role: has no value
line 19: policies[2].name: two policies are named "p"
line 20: polices: there is no key of this name here, only policies`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLine(t *testing.T) {
	text, err := os.ReadFile("testdata/fleet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"policies[0].settings.submission_interval_ms":        4,
		"policies[0].settings.collectors.cpu.interval_ms":    7,
		"policies[0].settings.probes.website.http.redirects": 19,
		"policies[1].settings.probes.gateway.interval_ms":    34, // which is missing
		"policies[1].selector":                               23,
		"policies[2]":                                        44,
		"policies[9]":                                        1,
		"nowhere":                                            0,
	} {
		if got := f.Line(path); got != want {
			t.Errorf("%s is in line %d, want %d", path, got, want)
		}
	}
}

func TestSet(t *testing.T) {
	base := "policies: [{name: all, settings: {submission_interval: 1s, collectors: {cpu: {interval: 1s}}}}]"
	tests := []struct{ name, policy, path, value, want string }{
		{"change", "all", "collectors.cpu.interval", "200ms",
			"policies: [{name: all, settings: {submission_interval: 1s, collectors: {cpu: {interval: 200ms}}}}]"},
		{"add", "all", "collectors.disk.enabled", "false",
			"policies: [{name: all, settings: {submission_interval: 1s, collectors: {cpu: {interval: 1s}, disk: {enabled: false}}}}]"},
		{"add a whole probe", "all", "probes.web", "{kind: tcp, target: 'db:5432', interval: 1s}",
			"policies: [{name: all, settings: {submission_interval: 1s, collectors: {cpu: {interval: 1s}}, probes: {web: {kind: tcp, target: 'db:5432', interval: 1s}}}}]"},
		{"new policy", "more", "submission_interval", "5s",
			"policies: [{name: all, settings: {submission_interval: 1s, collectors: {cpu: {interval: 1s}}}}, {name: more, settings: {submission_interval: 5s}}]"},
		{"not a duration", "all", "submission_interval", "soon", `error: submission_interval: "soon" must be a duration such as 200ms, 10s or 5m`},
		{"unknown", "all", "colectors.cpu", "{}", "error: colectors: there is no key of this name here, only collectors, probes, submission_interval"},
		{"too deep", "all", "submission_interval.cpu", "1s", "error: submission_interval: must be a plain value"},
		{"nothing", "all", "submission_interval", "", "error: submission_interval: has no value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := parse(t, base)
			got, err := Set(before, tt.policy, tt.path, tt.value)
			compare(t, tt.want, got, err)
			if diff := cmp.Diff(parse(t, base), before, protocmp.Transform()); diff != "" {
				t.Errorf("the original changed: %s", diff)
			}
		})
	}
}

func TestUnset(t *testing.T) {
	base := "policies: [{name: all, settings: {submission_interval: 1s, collectors: {cpu: {interval: 1s}, disk: {interval: 1s, enabled: true}}}}]"
	tests := []struct{ name, policy, path, want string }{
		{"leaf", "all", "collectors.disk.enabled",
			"policies: [{name: all, settings: {submission_interval: 1s, collectors: {cpu: {interval: 1s}, disk: {interval: 1s}}}}]"},
		{"what is empty then goes too", "all", "collectors.cpu.interval",
			"policies: [{name: all, settings: {submission_interval: 1s, collectors: {disk: {interval: 1s, enabled: true}}}}]"},
		{"a mapping", "all", "collectors", "policies: [{name: all, settings: {submission_interval: 1s}}]"},
		{"not set", "all", "collectors.load.interval", `error: collectors.load.interval: is not set by the policy "all"`},
		{"no such policy", "most", "collectors", `error: there is no policy named "most"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Unset(parse(t, base), tt.policy, tt.path)
			compare(t, tt.want, got, err)
		})
	}
}

// compare wants the configuration of a text, or the error behind "error: ".
func compare(t *testing.T, want string, got *sondev1.FleetConfig, err error) {
	t.Helper()
	if message, ok := strings.CutPrefix(want, "error: "); ok {
		if err == nil || err.Error() != message {
			t.Errorf("error %v, want %s", err, message)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parse(t, want), got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func parse(t *testing.T, text string) *sondev1.FleetConfig {
	t.Helper()
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f.Config
}

func TestFormatDuration(t *testing.T) {
	for ms, want := range map[uint32]string{
		0: "0s", 1: "1ms", 200: "200ms", 1500: "1.5s", 60_000: "1m", 90_000: "1m30s", 3_600_000: "1h", 5_400_000: "1h30m", 3_601_000: "1h0m1s", 36_000_000: "10h",
	} {
		if got := FormatDuration(ms); got != want {
			t.Errorf("%d ms is %s, want %s", ms, got, want)
		}
	}
}

// FuzzParse shows that whatever is read is written as a text that reads the
// same, and always the same text.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/fleet.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("policies: [{name: p, selector: {a: '\\u0085\"'}, settings: &s {probes: {x: {}}}}, {name: q, settings: *s}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		first, err := Parse(text)
		if err != nil {
			return
		}
		written, err := Format(first.Config)
		if err != nil {
			t.Fatal(err)
		}
		second, err := Parse(written)
		if err != nil {
			t.Fatalf("%v in what was written:\n%s", err, written)
		}
		if !proto.Equal(first.Config, second.Config) {
			t.Errorf("%v was written as\n%s", first.Config, written)
		}
		if again, err := Format(second.Config); err != nil || string(again) != string(written) {
			t.Errorf("written once as\n%s\nand then as\n%s\n%v", written, again, err)
		}
	})
}

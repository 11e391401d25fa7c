package desired

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/agent/internal/collect"
	"sonde.dev/sonde/agent/internal/probe"
)

func every(d time.Duration) *probe.Duration { return (*probe.Duration)(&d) }

func on(b bool) *bool { return &b }

// full sets something of everything.
func full() Settings {
	return Settings{
		SubmissionInterval: every(10 * time.Second),
		Collectors:         map[string]Collector{"cpu": {Interval: every(200 * time.Millisecond)}, "load": {Enabled: on(false)}},
		Probes: map[string]Probe{
			"disk": {Disabled: true},
			"web": {Spec: probe.Spec{
				Name: "web", Kind: probe.HTTP, Target: "https://web.example/?a=<&>", Interval: probe.Duration(time.Second),
				HTTP: probe.HTTPOptions{Method: "HEAD", Redirects: 2},
			}},
		},
	}
}

func TestOver(t *testing.T) {
	tcp := probe.Spec{Name: "web", Kind: probe.TCP, Target: "web.example:443", Interval: probe.Duration(time.Second)}
	sched := probe.Spec{Name: "sched", Kind: probe.Sched, Interval: probe.Duration(time.Second)}
	disk := probe.Spec{Name: "disk", Kind: probe.Disk, Target: "/state", Interval: probe.Duration(time.Second)}
	own := Running{
		SubmissionInterval: time.Second,
		Collectors: collect.Config{Collectors: map[string]collect.Setting{
			"cpu": {}, "memory": {Enabled: true, Interval: time.Minute},
		}},
		Probes: []probe.Spec{tcp, sched, disk},
	}
	tests := []struct {
		name     string
		settings Settings
		want     Running
	}{
		{"nothing", Settings{}, own},
		{"everything", full(), Running{
			SubmissionInterval: 10 * time.Second,
			Collectors: collect.Config{Collectors: map[string]collect.Setting{
				// The operator turned it off, and the server did not say on.
				"cpu":    {Interval: 200 * time.Millisecond},
				"load":   {},
				"memory": {Enabled: true, Interval: time.Minute},
			}},
			Probes: []probe.Spec{sched, full().Probes["web"].Spec},
		}},
		{"a collector turned on keeps its own interval", Settings{
			Collectors: map[string]Collector{"cpu": {Enabled: on(true)}, "memory": {Enabled: on(false)}, "load": {Interval: every(time.Minute)}},
		}, Running{
			SubmissionInterval: time.Second,
			Collectors: collect.Config{Collectors: map[string]collect.Setting{
				"cpu": {Enabled: true}, "memory": {Interval: time.Minute}, "load": {Enabled: true, Interval: time.Minute},
			}},
			Probes: own.Probes,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.settings.Over(own)); diff != "" {
				t.Errorf("running (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	spec := func(s probe.Spec) Settings {
		s.Name = "web"
		if s.Interval == 0 {
			s.Interval = probe.Duration(time.Second)
		}
		return Settings{Probes: map[string]Probe{"web": {Spec: s}}}
	}
	tests := []struct {
		name     string
		settings Settings
		want     string // "" for none
	}{
		{"everything", full(), ""},
		{"submission", Settings{SubmissionInterval: every(99 * time.Millisecond)}, "submission_interval_ms: 99 is not 100 to 600000"},
		{"no interval", Settings{Collectors: map[string]Collector{"cpu": {Interval: every(0)}}}, "collectors.cpu.interval_ms: 0 is not 100 to 3600000"},
		{"long interval", Settings{Collectors: map[string]Collector{"cpu": {Interval: every(2 * time.Hour)}}}, "collectors.cpu.interval_ms: 7200000 is not"},
		{"no such collector", Settings{Collectors: map[string]Collector{"warp": {}}}, `collectors.warp: this agent has no collector "warp"`},
		{"kind", spec(probe.Spec{Kind: "warp"}), `probes.web.kind: "warp": must be icmp`},
		{"target", spec(probe.Spec{Kind: probe.TCP, Target: "here"}), `probes.web.target: "here": must be host:port`},
		{"probe interval", spec(probe.Spec{Kind: probe.Sched, Interval: 1}), `probes.web.interval_ms: "1ns": must be`},
		{"timeout", spec(probe.Spec{Kind: probe.Sched, Timeout: probe.Duration(time.Hour)}), `probes.web.timeout_ms: "1h0m0s": must be`},
		{"option", spec(probe.Spec{Kind: probe.HTTP, Target: "http://x/", HTTP: probe.HTTPOptions{Redirects: 11}}), `probes.web.http.redirects: 11: must be`},
		{"name", Settings{Probes: map[string]Probe{"A b": {Spec: probe.Spec{Name: "A b"}}}}, `probes.A b: "A b": must be 1 to 64`},
		{"a probe that is taken away", Settings{Probes: map[string]Probe{"A b": {Disabled: true}}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			errs := test.settings.Validate([]string{"cpu", "load"})
			switch {
			case test.want == "" && len(errs) > 0:
				t.Errorf("is refused: %v", errs)
			case test.want != "" && (len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), test.want)):
				t.Errorf("gives %v, want %s", errs, test.want)
			}
		})
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	load := func() (State, error) { t.Helper(); return Load(path) }
	if s, err := load(); err != nil || s.Hash != 0 {
		t.Fatalf("no file gives %v, %v", s, err)
	}
	want := State{Hash: 1<<63 + 1, Settings: full()}
	if err := want.Save(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	got, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}

	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"empty":     {},
		"torn":      data[:len(data)/2],
		"one digit": bytes.Replace(data, []byte("200ms"), []byte("201ms"), 1),
		"more":      append(bytes.Clone(data), "{}"...),
		"unknown":   bytes.Replace(data, []byte(`{"hash"`), []byte(`{"x":1,"hash"`), 1),
	} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := load(); err == nil || !strings.Contains(err.Error(), "config.json is damaged") {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}

	for range 2 { // also when there is none
		if err := (State{}).Save(path); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("the file of no state: %v", err)
		}
	}
}

func FuzzFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "config.json")
	if err := (State{Hash: 7, Settings: full()}).Save(path); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parse(data)
		if err == nil && s.Hash == 0 {
			t.Error("a file without a hash is taken")
		}
	})
}

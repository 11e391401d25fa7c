package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/agent/internal/collect"
	"sonde.dev/sonde/agent/internal/desired"
	"sonde.dev/sonde/agent/internal/policy"
	"sonde.dev/sonde/agent/internal/probe"
)

// parts stand for those of an agent that a configuration changes.
type parts struct {
	running    desired.Running
	failProbes error
}

type (
	fakeScheduler struct{ *parts }
	fakeProbes    struct{ *parts }
	fakeUplink    struct{ *parts }
)

func (p fakeScheduler) Apply(c collect.Config) error {
	p.running.Collectors = c
	return nil
}

func (p fakeProbes) Apply(specs []probe.Spec) error {
	if p.failProbes != nil {
		return p.failProbes
	}
	p.running.Probes = specs
	return nil
}

func (p fakeUplink) SetSubmissionInterval(d time.Duration) { p.running.SubmissionInterval = d }

var sched = probe.Spec{Name: "sched", Kind: probe.Sched, Interval: probe.Duration(time.Second)}

// newRemote returns the remote configuration of a fresh start of an agent.
func newRemote(t *testing.T, stateDir string) (*remote, *parts, *strings.Builder) {
	t.Helper()
	log := &strings.Builder{}
	p := &parts{}
	r := &remote{
		own:        desired.Running{SubmissionInterval: time.Second, Collectors: collect.Config{Collectors: map[string]collect.Setting{}}, Probes: []probe.Spec{sched}},
		policy:     policy.Default(stateDir),
		path:       filepath.Join(stateDir, "config.json"),
		log:        slog.New(slog.NewTextHandler(log, nil)),
		collectors: []string{"cpu", "load"},
		scheduler:  fakeScheduler{p},
		probes:     fakeProbes{p},
		uplink:     fakeUplink{p},
	}
	if err := r.begin(); err != nil {
		t.Fatal(err)
	}
	return r, p, log
}

func every(d time.Duration) *probe.Duration { return (*probe.Duration)(&d) }

// faster is a state that changes something of everything.
func faster(hash uint64) desired.State {
	return desired.State{Hash: hash, Settings: desired.Settings{
		SubmissionInterval: every(200 * time.Millisecond),
		Collectors:         map[string]desired.Collector{"cpu": {Interval: every(200 * time.Millisecond)}},
		Probes:             map[string]desired.Probe{"sched": {Disabled: true}},
	}}
}

func configure(t *testing.T, r *remote, state desired.State) {
	t.Helper()
	if errs := r.Configure(state); len(errs) > 0 {
		t.Fatalf("refused: %v", errs)
	}
}

func wantRunning(t *testing.T, r *remote, p *parts, state desired.State) {
	t.Helper()
	if r.ConfigHash() != state.Hash {
		t.Errorf("hash %d is in force, want %d", r.ConfigHash(), state.Hash)
	}
	if diff := cmp.Diff(state.Settings.Over(r.own), p.running); diff != "" {
		t.Errorf("running (-want +got):\n%s", diff)
	}
}

func TestRemoteHoldsOverRestart(t *testing.T) {
	dir := t.TempDir()
	r, p, _ := newRemote(t, dir)
	wantRunning(t, r, p, desired.State{})
	configure(t, r, faster(7))
	wantRunning(t, r, p, faster(7))

	r, p, _ = newRemote(t, dir)
	wantRunning(t, r, p, faster(7))
	configure(t, r, desired.State{})
	wantRunning(t, r, p, desired.State{})

	r, p, _ = newRemote(t, dir)
	wantRunning(t, r, p, desired.State{})
	if r.changes.Load() != 0 {
		t.Error("a start counts as a change")
	}
}

func TestRemoteRefusesAsAWhole(t *testing.T) {
	dir := t.TempDir()
	r, p, _ := newRemote(t, dir)
	configure(t, r, faster(7))

	bad := faster(8)
	bad.Settings.SubmissionInterval = every(5 * time.Second)
	bad.Settings.Collectors["warp"] = desired.Collector{}
	bad.Settings.Collectors["load"] = desired.Collector{Interval: every(time.Millisecond)}
	bad.Settings.Probes["web"] = desired.Probe{Spec: probe.Spec{Name: "web", Kind: probe.TCP, Target: "here", Interval: sched.Interval}}
	bad.Settings.Probes["etc"] = desired.Probe{Spec: probe.Spec{Name: "etc", Kind: probe.Disk, Target: "/etc", Interval: sched.Interval}}
	want := []desired.FieldError{
		{Field: "collectors.load.interval_ms", Message: "1 is not 100 to 3600000"},
		{Field: "collectors.warp", Message: `this agent has no collector "warp"`},
		{Field: "probes.etc.target", Message: `refused by this host's policy: "/etc" is not a directory that disk probes may write to`},
		{Field: "probes.web.target", Message: `"here": must be host:port`},
	}
	if diff := cmp.Diff(want, r.Configure(bad)); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	wantRunning(t, r, p, faster(7))
	if c, n := r.changes.Load(), r.rejections.Load(); c != 1 || n != 1 {
		t.Errorf("%d changes and %d rejections", c, n)
	}
	r, p, _ = newRemote(t, dir)
	wantRunning(t, r, p, faster(7))
}

func TestRemoteCountsOwnProbes(t *testing.T) {
	r, p, _ := newRemote(t, t.TempDir())
	state := desired.State{Hash: 9, Settings: desired.Settings{Probes: map[string]desired.Probe{}}}
	for i := range probe.MaxProbes {
		name := fmt.Sprint("p", i)
		state.Settings.Probes[name] = desired.Probe{Spec: probe.Spec{Name: name, Kind: probe.Sched, Interval: probe.Duration(time.Minute)}}
	}
	errs := r.Configure(state)
	if len(errs) != 1 || errs[0].Error() != "probes: 257 probes, with the agent's own, are more than 256" {
		t.Errorf("errors are %v", errs)
	}
	state.Settings.Probes["p0"] = desired.Probe{Disabled: true}
	configure(t, r, state)
	wantRunning(t, r, p, state)
}

func TestRemotePutsBack(t *testing.T) {
	faults := map[string]func(t *testing.T, r *remote, p *parts) (mend func()){
		"probes fail": func(_ *testing.T, _ *remote, p *parts) func() {
			p.failProbes = errors.New("no probes today")
			return func() { p.failProbes = nil }
		},
		"cannot be kept": func(_ *testing.T, r *remote, _ *parts) func() {
			path := r.path
			r.path = filepath.Join(path, "nowhere")
			return func() { r.path = path }
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r, p, _ := newRemote(t, dir)
			configure(t, r, faster(7))
			mend := fault(t, r, p)
			next := faster(8)
			next.Settings.Collectors = map[string]desired.Collector{"load": {Interval: every(time.Minute)}}
			if errs := r.Configure(next); len(errs) != 1 {
				t.Errorf("errors are %v", errs)
			}
			wantRunning(t, r, p, faster(7))
			mend()
			r, p, _ = newRemote(t, dir)
			wantRunning(t, r, p, faster(7))
			configure(t, r, next)
			wantRunning(t, r, p, next)
		})
	}
}

func TestRemoteIgnoresWhatItCannotUse(t *testing.T) {
	gone := faster(7)
	gone.Settings.Collectors["warp"] = desired.Collector{}
	forbidden := faster(7)
	forbidden.Settings.Probes["etc"] = desired.Probe{Spec: probe.Spec{Name: "etc", Kind: probe.Disk, Target: "/etc", Interval: sched.Interval}}
	tests := map[string]struct {
		keep func(path string) error
		log  string
	}{
		"damaged":                             {func(path string) error { return os.WriteFile(path, []byte(`{"hash":"7`), 0o600) }, "config.json is damaged"},
		"a collector that this version lacks": {gone.Save, "collectors.warp"},
		"no longer allowed":                   {forbidden.Save, "refused by this host's policy"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := test.keep(filepath.Join(dir, "config.json")); err != nil {
				t.Fatal(err)
			}
			r, p, log := newRemote(t, dir)
			wantRunning(t, r, p, desired.State{})
			if !strings.Contains(log.String(), test.log) {
				t.Errorf("the log lacks %q: %s", test.log, log)
			}
			configure(t, r, faster(8))
			r, p, _ = newRemote(t, dir)
			wantRunning(t, r, p, faster(8))
		})
	}
}

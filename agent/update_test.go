package agent

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

const (
	cpuSeries  = "node_cpu_seconds_total"
	loadSeries = "node_load1"
)

func testConfig(server, stateDir string) Config {
	return Config{
		Server:             server,
		JoinToken:          "x",
		StateDir:           stateDir,
		ProcRoot:           "/proc",
		SysRoot:            "/sys",
		RootFS:             "/",
		SubmissionInterval: 100 * time.Millisecond,
		DefaultProbes:      []string{"none"},
		SpoolMaxBytes:      MinSpoolBytes,
		SpoolMaxAge:        time.Hour,
		SpoolFlushAfter:    time.Second,
		SpoolMemoryBytes:   MinSpoolMemoryBytes,
		Logger:             slog.New(slog.DiscardHandler),
	}
}

// start runs an agent until stop is called.
func start(t *testing.T, c Config) (a *Agent, stop func()) {
	t.Helper()
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the agent ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return a, stop
}

func update(hash uint64, s *sondev1.Settings) *sondev1.ConfigUpdate {
	return &sondev1.ConfigUpdate{Hash: hash, Settings: s}
}

func TestConfigUpdate(t *testing.T) {
	s := newFakeServer(t)
	dir := t.TempDir()
	_, stop := start(t, testConfig(s.url, dir))
	s.awaitPace(t, cpuSeries, time.Second, 1)

	good := update(7, &sondev1.Settings{
		SubmissionIntervalMs: proto.Uint32(200),
		Collectors: map[string]*sondev1.CollectorSettings{
			"cpu":  {IntervalMs: proto.Uint32(100)},
			"load": {Enabled: proto.Bool(false)},
		},
		Probes: map[string]*sondev1.ProbeSettings{"wake": {Kind: "sched", IntervalMs: 100}},
	})
	if r := s.tell(t, good); len(r.Errors) > 0 || r.Hash != 7 || r.SubmissionIntervalMs != 200 {
		t.Fatalf("the answer is %v", r)
	}
	s.awaitPace(t, cpuSeries, 100*time.Millisecond, 5)
	s.await(t, "the probe", func() bool { return len(s.times["sonde_probe_attempts_total"]) > 0 })

	// One bad probe among good settings, and nothing changes.
	bad := update(8, &sondev1.Settings{
		SubmissionIntervalMs: proto.Uint32(300),
		Collectors:           map[string]*sondev1.CollectorSettings{"cpu": {IntervalMs: proto.Uint32(500)}},
		Probes: map[string]*sondev1.ProbeSettings{
			"web": {Kind: "tcp", Target: "here", IntervalMs: 1000},
			"etc": {Kind: "disk", Target: "/etc", IntervalMs: 1000},
		},
	})
	r := s.tell(t, bad)
	if r.Hash != 8 || r.SubmissionIntervalMs != 200 || len(r.Errors) != 2 ||
		r.Errors[0].Field != "probes.etc.target" || !strings.Contains(r.Errors[0].Message, "refused by this host's policy") ||
		r.Errors[1].Field != "probes.web.target" || !strings.Contains(r.Errors[1].Message, `"here"`) {
		t.Errorf("the answer is %v", r)
	}
	s.awaitPace(t, cpuSeries, 100*time.Millisecond, 5)

	// A restart holds on to it before the server says anything.
	stop()
	s.mu.Lock()
	loads := len(s.times[loadSeries])
	s.mu.Unlock()
	_, stop = start(t, testConfig(s.url, dir))
	s.awaitPace(t, cpuSeries, 100*time.Millisecond, 5)
	s.mu.Lock()
	if h := s.hellos[len(s.hellos)-1]; h.ConfigHash != 7 || h.SubmissionIntervalMs != 200 {
		t.Errorf("the agent says %v", h)
	}
	if n := len(s.times[loadSeries]); n != loads {
		t.Errorf("%d ticks of a collector that is off", n-loads)
	}
	s.mu.Unlock()

	// Nothing decided is the agent's own settings again.
	if r := s.tell(t, update(0, nil)); len(r.Errors) > 0 || r.SubmissionIntervalMs != 100 {
		t.Errorf("the answer is %v", r)
	}
	s.awaitPace(t, cpuSeries, time.Second, 1)
	s.awaitPace(t, loadSeries, time.Second, 1)
	stop()
}

func TestSubmissionIntervalDoesNotWaitForTheOldOne(t *testing.T) {
	s := newFakeServer(t)
	c := testConfig(s.url, t.TempDir())
	c.SubmissionInterval = MaxSubmissionInterval
	c.Collectors = []string{"cpu=100ms"}
	start(t, c)
	s.await(t, "the agent", func() bool { return len(s.hellos) > 0 })
	s.tell(t, update(7, &sondev1.Settings{SubmissionIntervalMs: proto.Uint32(100)}))
	s.await(t, "batches", func() bool { return s.batches >= 3 })
}

func TestUpdatesInARow(t *testing.T) {
	s := newFakeServer(t)
	a, _ := start(t, testConfig(s.url, t.TempDir()))
	s.await(t, "the agent", func() bool { return len(s.hellos) > 0 })
	const last = 50
	for hash := range uint64(last) {
		s.updates <- update(hash+1, &sondev1.Settings{SubmissionIntervalMs: proto.Uint32(100 + uint32(hash))})
	}
	s.await(t, "the last answer", func() bool { return len(s.results) > 0 && s.results[len(s.results)-1].Hash == last })
	for i, r := range s.results {
		if len(r.Errors) > 0 || i > 0 && r.Hash <= s.results[i-1].Hash {
			t.Errorf("answer %d is %v after %v", i, r, s.results[max(i-1, 0)])
		}
	}
	if got := a.remote.ConfigHash(); got != last {
		t.Errorf("%d is in force", got)
	}
}

func TestPolicyFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.yaml")
	c := testConfig("http://127.0.0.1:1", filepath.Join(dir, "state"))
	c.PolicyFile = path
	for text, want := range map[string]string{
		"":                                   "",
		"forbidden_collectors: [self, cpu]":  "",
		"forbidden_collectors: [warp]":       `policy-file: ` + path + `: forbidden_collectors: there is no collector "warp"`,
		"max_probe_rat: 1":                   "field max_probe_rat not found",
		"targets: [{cidr: 10.0.0.0/8}\nx: 1": "policy-file",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := c.Check()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q gives %v, want %q", text, err, want)
		}
	}
	c.PolicyFile = filepath.Join(dir, "nowhere")
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "policy-file: open ") {
		t.Errorf("a missing file gives %v", err)
	}
}

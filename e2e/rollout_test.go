package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sonde.dev/sonde/internal/fleetconfig"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// TestRolloutStopsAtFailures rolls out what the agent can put in force, and what
// then begins to fail: a probe whose target is down does not stop it, a collector
// that fails does, and so do samples that the server refuses.
func TestRolloutStopsAtFailures(t *testing.T) {
	s := startServer(t, t.TempDir(), "--max-series", "400")
	// A host whose kernel tells a load that is none; its collector is off.
	proc := t.TempDir()
	if err := os.WriteFile(filepath.Join(proc, "loadavg"), []byte("much more most 1/2 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	startAgent(t, s, t.TempDir(), "--proc-root", proc, "--collectors", "load=off", "--submission-interval", "200ms")
	steer := newSteering(t, s)
	await(t, "what the agent counts of itself", func() bool {
		samples := s.promQuery(t, `sonde_agent_collector_failures_total{collector="load"}`)
		return len(samples) == 1 && samples[0].Value[1] == "0"
	})

	// A port that nobody listens on.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	probe := `policies: [{name: all, settings: {probes: {gone: {kind: tcp, target: "` + closed + `", interval: 100ms}}`
	good := steer.rollOut(t, probe+"}}]", 5)
	steer.awaitRollout(t, good, sondev1.RolloutState_ROLLOUT_STATE_DONE)
	if n := len(s.promQuery(t, `sum(sonde_probe_attempts_total{probe="gone",outcome!="success"}) > 0`)); n != 1 {
		t.Error("the probe of a closed port did not fail")
	}

	bad := steer.rollOut(t, probe+", collectors: {load: {enabled: true, interval: 100ms}}}}]", 60)
	reason := steer.awaitRollout(t, bad, sondev1.RolloutState_ROLLOUT_STATE_FAILED)
	for _, part := range []string{s.agents(t).Agents[0].Name, `sonde_agent_collector_failures_total{collector="load"} rose by `, "and not in the 1m0s before"} {
		if !strings.Contains(reason, part) {
			t.Errorf("the reason %q does not say %q", reason, part)
		}
	}
	steer.awaitState(t, sondev1.ConfigState_CONFIG_STATE_APPLIED, bad+1)

	// Each probe of tcp has a handful of series: these are beyond the limit.
	var many strings.Builder
	for i := range 200 {
		many.WriteString(", p" + strings.Repeat("x", i/26) + string(rune('a'+i%26)) + ": {kind: tcp, target: \"" + closed + "\", interval: 1h}")
	}
	tooMuch := steer.rollOut(t, probe[:len(probe)-1]+many.String()+"}}}]", 60)
	reason = steer.awaitRollout(t, tooMuch, sondev1.RolloutState_ROLLOUT_STATE_FAILED)
	if !strings.Contains(reason, "sonde_agent_samples_refused_total rose by ") {
		t.Errorf("the reason is %q", reason)
	}
	steer.awaitState(t, sondev1.ConfigState_CONFIG_STATE_APPLIED, tooMuch+1)
	if res, err := steer.config.GetConfig(t.Context(), &sondev1.GetConfigRequest{}); err != nil || res.Revision.RollbackOf != bad+1 || len(res.Config.Policies[0].Settings.Probes) != 1 {
		t.Errorf("the newest revision is %v, %v", res, err)
	}
}

// rollOut makes a revision of a configuration in YAML, in one step that is
// watched for some seconds.
func (s *steering) rollOut(t *testing.T, text string, watch uint32) uint64 {
	t.Helper()
	file, err := fleetconfig.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.config.ApplyConfig(t.Context(), &sondev1.ApplyConfigRequest{
		Config: file.Config, BaseRevision: s.newest(t),
		Plan: &sondev1.RolloutPlan{StepsPercent: []uint32{100}, WatchSeconds: watch},
	})
	if err != nil {
		t.Fatal(err)
	}
	return res.Revision.Number
}

// awaitRollout waits until a rollout has ended, and returns why.
func (s *steering) awaitRollout(t *testing.T, revision uint64, want sondev1.RolloutState) string {
	t.Helper()
	var status *sondev1.RolloutStatus
	await(t, "the end of a rollout", func() bool {
		res, err := s.config.GetConfig(t.Context(), &sondev1.GetConfigRequest{Revision: revision})
		if err != nil {
			t.Fatal(err)
		}
		status = res.Revision.Rollout
		return status.State != sondev1.RolloutState_ROLLOUT_STATE_RUNNING
	})
	if status.State != want {
		t.Fatalf("the rollout ended as %v, want %v", status, want)
	}
	return status.Reason
}

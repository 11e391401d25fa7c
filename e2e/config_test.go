package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"sonde.dev/sonde/internal/fleetconfig"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

const (
	cpuSeries  = `node_cpu_seconds_total{cpu="0",mode="idle"}`
	loadSeries = `node_load1`
)

// TestRemoteConfiguration changes a running agent from the server in every way
// there is, and shows that it neither restarts nor reconnects nor loses or
// doubles a sample over it.
func TestRemoteConfiguration(t *testing.T) {
	s := startServer(t, t.TempDir())
	state := t.TempDir()
	a := startAgent(t, s, state)
	steer := newSteering(t, s)
	steer.awaitRate(t, cpuSeries, 5)
	if got := steer.agent(t).State; got != sondev1.ConfigState_CONFIG_STATE_LOCAL {
		t.Errorf("an agent for which nothing is decided is %v", got)
	}

	fast := steer.apply(t, "policies: [{name: all, settings: {collectors: {cpu: {interval: 200ms}}}}]")
	steer.awaitState(t, sondev1.ConfigState_CONFIG_STATE_APPLIED, fast)
	steer.awaitRate(t, cpuSeries, 25)
	steer.awaitRate(t, loadSeries, 5)
	if from := steer.agent(t).Provenance["collectors.cpu.interval_ms"]; from != "all" {
		t.Errorf("the interval comes from policy %q", from)
	}

	if _, err := steer.config.ApplyConfig(t.Context(), &sondev1.ApplyConfigRequest{}); connect.CodeOf(err) != connect.CodeAborted {
		t.Errorf("a change that does not know of revision %d gives %v", fast, err)
	}
	slow := steer.apply(t, "policies: [{name: all, settings: {submission_interval: 5s, collectors: {cpu: {interval: 200ms}}}}]")
	steer.awaitState(t, sondev1.ConfigState_CONFIG_STATE_APPLIED, slow)
	steer.awaitBatches(t, "one in five seconds", func(step time.Duration) bool { return step >= 4*time.Second })
	steer.rollBack(t, fast)
	steer.awaitBatches(t, "one a second", func(step time.Duration) bool { return step <= 2*time.Second })

	// What only the agent can know to be wrong; nothing of it may hold.
	bad := steer.apply(t, "policies: [{name: all, settings: {collectors: {cpu: {interval: 1s}, load: {interval: 200ms}, warp: {interval: 1s}}}}]")
	steer.awaitState(t, sondev1.ConfigState_CONFIG_STATE_REJECTED, bad)
	if errs := steer.agent(t).Errors; len(errs) != 1 || errs[0].Field != "collectors.warp" || !strings.Contains(errs[0].Message, `"warp"`) {
		t.Errorf("the agent's reason is %v", errs)
	}
	steer.awaitLater(t, cpuSeries)
	steer.awaitRate(t, cpuSeries, 25)
	steer.awaitRate(t, loadSeries, 5)
	restored := steer.rollBack(t, fast)
	steer.awaitState(t, sondev1.ConfigState_CONFIG_STATE_APPLIED, restored)

	// A label makes a selector match, and no longer.
	labelled := steer.apply(t, `policies:
  - {name: all, settings: {collectors: {cpu: {interval: 200ms}}}}
  - {name: databases, priority: 1, selector: {role: db}, settings: {collectors: {load: {interval: 200ms}}}}`)
	steer.awaitState(t, sondev1.ConfigState_CONFIG_STATE_APPLIED, labelled)
	steer.label(t, map[string]string{"role": "db"})
	steer.awaitRate(t, loadSeries, 25)
	steer.label(t, nil)
	steer.awaitRate(t, loadSeries, 5)

	if n := strings.Count(a.log.String(), `"msg":"connected"`); n != 1 {
		t.Errorf("the agent connected %d times", n)
	}
	for expr, what := range map[string]string{
		`resets(sonde_agent_samples_total[10m])`:                      "restarts",
		`sonde_agent_reconnects_total`:                                "reconnects",
		`sonde_agent_samples_dropped_total`:                           "dropped samples",
		`sonde_agent_samples_refused_total`:                           "refused samples",
		`sonde_agent_collector_failures_total{collector=~"cpu|load"}`: "failures",
	} {
		for _, sample := range s.promQuery(t, expr) {
			if sample.Value[1] != "0" {
				t.Errorf("%s %s", sample.Value[1], what)
			}
		}
	}
	for _, series := range []string{cpuSeries, loadSeries} {
		wantWhole(t, series, steer.points(t, series))
	}

	// The last good configuration holds without a server.
	s.stop(t)
	a.stop(t)
	began := time.Now()
	a = startAgent(t, s, state)
	await(t, "the agent to miss its server", func() bool {
		return contains(a.log, "no connection to the server") && time.Since(began) > 2*time.Second
	})
	alone := time.Now()
	s = startServer(t, s.dir)
	steer = newSteering(t, s)
	await(t, "what was measured without a server", func() bool {
		points := steer.points(t, cpuSeries)
		return len(points) > 0 && points[len(points)-1].After(alone)
	})
	fastSteps := 0
	var before time.Time
	for _, at := range steer.points(t, cpuSeries) {
		if before.After(began) && at.Before(alone) && at.Sub(before) < 500*time.Millisecond {
			fastSteps++
		}
		before = at
	}
	if fastSteps < 3 {
		t.Errorf("%d steps of 200 ms while the server was away: the agent goes by its own interval", fastSteps)
	}
	steer.awaitState(t, sondev1.ConfigState_CONFIG_STATE_APPLIED, labelled)
}

// steering is the fleet's configuration as a program steers it: with one agent.
type steering struct {
	*sonde
	config sondev1connect.ConfigServiceClient
	fleet  sondev1connect.FleetServiceClient
}

func newSteering(t *testing.T, s *sonde) *steering {
	token := s.secret(t, "admin-token")
	with := connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			req.Header().Set("Authorization", "Bearer "+token)
			return next(ctx, req)
		}
	}))
	return &steering{
		sonde:  s,
		config: sondev1connect.NewConfigServiceClient(http.DefaultClient, s.url, with),
		fleet:  sondev1connect.NewFleetServiceClient(http.DefaultClient, s.url, with),
	}
}

// newest returns the number of the newest revision.
func (s *steering) newest(t *testing.T) uint64 {
	t.Helper()
	res, err := s.config.GetConfig(t.Context(), &sondev1.GetConfigRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return res.Revision.GetNumber()
}

// apply makes a revision of a configuration in YAML and returns its number.
func (s *steering) apply(t *testing.T, text string) uint64 {
	t.Helper()
	file, err := fleetconfig.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.config.ApplyConfig(t.Context(), &sondev1.ApplyConfigRequest{Config: file.Config, BaseRevision: s.newest(t)})
	if err != nil {
		t.Fatal(err)
	}
	return res.Revision.Number
}

func (s *steering) rollBack(t *testing.T, to uint64) uint64 {
	t.Helper()
	res, err := s.config.RollBack(t.Context(), &sondev1.RollBackRequest{ToRevision: to, BaseRevision: s.newest(t)})
	if err != nil {
		t.Fatal(err)
	}
	return res.Revision.Number
}

// agent returns what is decided for the agent.
func (s *steering) agent(t *testing.T) *sondev1.AgentConfig {
	t.Helper()
	res, err := s.config.ListAgentConfigs(t.Context(), &sondev1.ListAgentConfigsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Configs) != 1 {
		t.Fatalf("there are %d agents, want 1", len(res.Configs))
	}
	return res.Configs[0]
}

func (s *steering) awaitState(t *testing.T, want sondev1.ConfigState, revision uint64) {
	t.Helper()
	await(t, want.String(), func() bool {
		got := s.agent(t)
		return got.State == want && got.Revision == revision
	})
}

func (s *steering) label(t *testing.T, labels map[string]string) {
	t.Helper()
	_, err := s.fleet.UpdateAgent(t.Context(), &sondev1.UpdateAgentRequest{
		Id: s.agent(t).AgentId, Labels: &sondev1.AgentLabels{Labels: labels},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// points returns the times of all samples of a series.
func (s *steering) points(t *testing.T, series string) []time.Time {
	t.Helper()
	var points []time.Time
	for _, result := range s.promQuery(t, series+"[10m]") {
		for _, value := range result.Values {
			points = append(points, time.UnixMilli(int64(value[0].(float64)*1000+0.5)))
		}
	}
	return points
}

// awaitRate waits until the newest five seconds of a series have so many samples.
func (s *steering) awaitRate(t *testing.T, series string, want int) {
	t.Helper()
	await(t, series+" at the new rate", func() bool {
		points := s.points(t, series)
		if len(points) == 0 {
			return false
		}
		newest := points[len(points)-1]
		if newest.Sub(points[0]) < 5*time.Second {
			return false
		}
		n := 0
		for _, at := range points {
			if newest.Sub(at) < 5*time.Second-50*time.Millisecond { // a tick may come a little late
				n++
			}
		}
		return n == want
	})
}

// awaitLater waits until the newest five seconds of a series came after now.
func (s *steering) awaitLater(t *testing.T, series string) {
	t.Helper()
	now := time.Now()
	await(t, "later samples", func() bool {
		points := s.points(t, series)
		return points[len(points)-1].Sub(now) > 5*time.Second
	})
}

// awaitBatches waits until the step from one batch to the next, in the times of
// its newest samples, is as it should be.
func (s *steering) awaitBatches(t *testing.T, what string, done func(step time.Duration) bool) {
	t.Helper()
	newest := func() time.Time {
		points := s.points(t, loadSeries)
		return points[len(points)-1]
	}
	before := newest()
	await(t, what, func() bool {
		now := newest()
		step := now.Sub(before)
		before = now
		return step > 0 && done(step)
	})
}

// wantWhole wants no tick of a collector twice, however late it came, and no gap
// beyond a missed tick.
func wantWhole(t *testing.T, series string, points []time.Time) {
	t.Helper()
	const shortest = 200 * time.Millisecond
	for i := 1; i < len(points); i++ {
		if points[i].Truncate(shortest).Equal(points[i-1].Truncate(shortest)) {
			t.Errorf("%s has samples at %v and %v", series, points[i-1], points[i])
		}
		if step := points[i].Sub(points[i-1]); step > 1500*time.Millisecond {
			t.Errorf("%s has no sample for %v after %v", series, step, points[i-1])
		}
	}
}

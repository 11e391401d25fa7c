package ingest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
)

func settings(ms uint32) fleet.FleetConfig {
	return fleet.FleetConfig{Policies: []fleet.Policy{{Name: "p", Settings: fleet.Settings{SubmissionIntervalMS: &ms}}}}
}

func (w *world) apply(t testing.TB, c fleet.FleetConfig, base uint64) {
	t.Helper()
	if _, err := w.cfg.Steering.Apply(t.Context(), c, fleet.Proposal{Author: "me", Base: base}); err != nil {
		t.Fatal(err)
	}
}

func (c *client) result(hash uint64, ms uint32, errors ...*sondev1.FieldError) {
	c.requests <- &sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_ConfigResult{ConfigResult: &sondev1.ConfigResult{
		Hash: hash, Errors: errors, SubmissionIntervalMs: ms,
	}}}
	// A message behind it: once this is taken, the result was.
	c.requests <- &sondev1.ConnectRequest{}
}

func (w *world) state(t *testing.T) fleet.AgentConfig {
	t.Helper()
	configs, err := w.cfg.Steering.AgentConfigs(t.Context(), w.agent.ID)
	if err != nil {
		t.Fatal(err)
	}
	return configs[0]
}

func TestConfigIsPushedAndAnswered(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	c, _ := w.connect(t)
	w.apply(t, settings(200), 0)
	update := c.next(t).GetConfigUpdate()
	want := &sondev1.Settings{SubmissionIntervalMs: new(uint32(200))}
	if diff := cmp.Diff(want, update.GetSettings(), protocmp.Transform()); diff != "" || update.Hash == 0 {
		t.Fatalf("update %v: %s", update, diff)
	}
	if got := w.state(t); got.State != fleet.ConfigPending {
		t.Errorf("before the answer the agent is %s", got.State)
	}
	c.result(update.Hash, 200)
	if got := w.state(t); got.State != fleet.ConfigApplied {
		t.Errorf("after the answer the agent is %s", got.State)
	}
	if status, _ := w.Status(w.agent.ID); status.SubmissionInterval != 200*time.Millisecond {
		t.Errorf("the submission interval is %v, want 200ms", status.SubmissionInterval)
	}

	w.apply(t, settings(300), 1)
	update = c.next(t).GetConfigUpdate()
	c.result(update.GetHash(), 300, &sondev1.FieldError{Field: "submission_interval_ms", Message: "no"})
	if got := w.state(t); got.State != fleet.ConfigRejected || !slices.Equal(got.Errors, []fleet.FieldError{{Field: "submission_interval_ms", Message: "no"}}) {
		t.Errorf("after a refusal: %+v", got)
	}
	if status, _ := w.Status(w.agent.ID); status.SubmissionInterval != 200*time.Millisecond {
		t.Errorf("after a refusal the submission interval is %v, want 200ms", status.SubmissionInterval)
	}

	w.apply(t, fleet.FleetConfig{}, 2)
	update = c.next(t).GetConfigUpdate()
	if update == nil || update.Hash != 0 || update.Settings != nil {
		t.Errorf("when nothing is decided any more, the update is %v", update)
	}
	c.close(t)
}

func TestHelloWithAnotherConfigIsTold(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	w.apply(t, settings(200), 0)
	c, _ := w.connect(t)
	hash := c.next(t).GetConfigUpdate().GetHash()
	c.result(hash, 200)
	c.close(t)

	// What is in force is not told; the pong is the first response.
	c, _ = w.hello(t, hash)
	c.requests <- &sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Ping{Ping: &sondev1.Ping{Id: 5}}}
	if res := c.next(t); res.GetPong().GetId() != 5 {
		t.Errorf("an agent that goes by its settings was told %v", res)
	}
	c.close(t)

	c, _ = w.hello(t, hash+1)
	if got := c.next(t).GetConfigUpdate().GetHash(); got != hash {
		t.Errorf("an agent that drifted was told %x, want %x", got, hash)
	}
	if got := w.state(t); got.State != fleet.ConfigDrifted {
		t.Errorf("an agent that drifted is %s", got.State)
	}
	c.close(t)
}

func TestRelabelledAgentIsTold(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	config := settings(200)
	config.Policies[0].Selector = map[string]string{"site": "x"}
	w.apply(t, config, 0)
	c, _ := w.connect(t)
	if _, err := w.service.Update(t.Context(), w.agent.ID, fleet.Change{Labels: map[string]string{"site": "x"}}); err != nil {
		t.Fatal(err)
	}
	if got := c.next(t).GetConfigUpdate().GetSettings().GetSubmissionIntervalMs(); got != 200 {
		t.Errorf("told %d ms, want 200", got)
	}
	c.close(t)
}

// Of updates that wait, only the newest is sent.
func TestOutboxKeepsTheNewestConfig(t *testing.T) {
	o := outbox{wake: make(chan struct{}, 1)}
	for i := range uint64(3) {
		o.configure(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_ConfigUpdate{ConfigUpdate: &sondev1.ConfigUpdate{Hash: i}}})
	}
	if got := o.take(); len(got) != 1 || got[0].GetConfigUpdate().Hash != 2 {
		t.Errorf("sent %v, want only the newest", got)
	}
	if got := o.take(); len(got) != 0 {
		t.Errorf("sent %v again", got)
	}
}

// The facts of hosts are stored soon after their agents connect, not before
// Welcome.
func TestFactsAreStoredSoon(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	c := w.open(t)
	c.requests <- &sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Hello{Hello: &sondev1.Hello{
		AgentId: w.agent.ID, BootId: make([]byte, 16), Host: &sondev1.HostFacts{Kernel: "6.1"},
	}}}
	c.next(t)
	w.storeHellos(t.Context())
	got, err := w.registrar.Authenticate(t.Context(), w.credential)
	if err != nil || got.Host.Kernel != "6.1" || !got.LastSeenAt.Equal(now) {
		t.Errorf("stored %+v, %v", got, err)
	}
	if left := w.hellos.take(); len(left) > 0 {
		t.Errorf("%d hellos wait after they were stored", len(left))
	}
	c.close(t)
}

// BenchmarkConfigChange measures the time from a change of the configuration
// until the answer of each of 1,000 agents is known, while answers are stored.
func BenchmarkConfigChange(b *testing.B) {
	const agents = 1000
	w := newWorld(b, DefaultLimits)
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { w.cfg.Steering.Run(ctx) })
	clients := make([]*client, agents)
	for i := range clients {
		var err error
		w.agent, _, w.credential, err = w.registrar.Enroll(b.Context(), w.joinToken, fleet.HostFacts{Hostname: fmt.Sprint("web-", i)})
		if err != nil {
			b.Fatal(err)
		}
		clients[i], _ = w.connect(b)
	}
	answered := make(chan time.Duration, agents)
	var began time.Time
	for _, c := range clients {
		running.Go(func() {
			for res := range c.responses {
				if u := res.GetConfigUpdate(); u != nil {
					c.result(u.Hash, u.Settings.GetSubmissionIntervalMs())
					answered <- time.Since(began)
				}
			}
		})
	}
	var all []time.Duration
	revision := uint64(0)
	for b.Loop() {
		began = time.Now()
		w.apply(b, settings(uint32(200+revision)), revision)
		revision++
		for range agents {
			all = append(all, <-answered)
		}
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "ms-p99")
	for _, c := range clients {
		close(c.requests)
		if err := <-c.ended; err != nil {
			b.Error(err)
		}
		close(c.responses)
	}
	cancel()
	running.Wait()
}

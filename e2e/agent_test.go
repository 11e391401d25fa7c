package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// TestAgentToQuery follows samples of this machine from the kernel to PromQL.
func TestAgentToQuery(t *testing.T) {
	s := startServer(t, t.TempDir())
	state := t.TempDir()
	a := startAgent(t, s, state)

	for _, expr := range []string{
		`rate(node_cpu_seconds_total{mode="idle"}[5s])`,
		`node_memory_MemTotal_bytes > 0`,
		`node_filesystem_size_bytes`,
		`rate(node_network_receive_bytes_total{device="lo"}[5s])`,
		`histogram_quantile(0.99, rate(sonde_probe_duration_seconds{probe="server",phase="total"}[5s])) > 0`,
		`histogram_count(sonde_probe_duration_seconds{probe="disk",phase="fsync"}) > 0`,
		`sonde_probe_attempts_total{probe="server-tcp",outcome="success"} > 0`,
	} {
		await(t, expr, func() bool { return len(s.promQuery(t, expr)) > 0 })
	}
	list := s.agents(t)
	if len(list.Agents) != 1 || list.Agents[0].Status.State != "AGENT_STATE_UP" {
		t.Fatalf("agents are %+v, want one that is up", list)
	}

	a.stop(t)
	await(t, "the stopped agent to be down", func() bool { return s.agents(t).Agents[0].Status.State == "AGENT_STATE_DOWN" })

	startAgent(t, s, state)
	await(t, "the agent to be up again", func() bool { return s.agents(t).Agents[0].Status.State == "AGENT_STATE_UP" })
	if again := s.agents(t); len(again.Agents) != 1 {
		t.Errorf("an agent that started again counts as %d agents", len(again.Agents))
	}
}

// TestServerRestart shows that history survives, and that agents come back by
// themselves with what they measured meanwhile.
func TestServerRestart(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, dir)
	a := startAgent(t, s, t.TempDir())
	const samples = `count_over_time(node_load1[10m])`
	await(t, "samples", func() bool { return len(s.promQuery(t, samples)) > 0 })
	s.stop(t)
	s = startServer(t, dir)

	await(t, "the agent to come back", func() bool {
		list := s.agents(t)
		return len(list.Agents) == 1 && list.Agents[0].Status.State == "AGENT_STATE_UP"
	})
	raw := s.promQuery(t, `node_load1[10m]`)
	for i := 1; i < len(raw[0].Values); i++ {
		if step := raw[0].Values[i][0].(float64) - raw[0].Values[i-1][0].(float64); step > 1.5 {
			t.Errorf("%.1f s without a sample while the server restarted", step)
		}
	}
	a.stop(t)
}

// TestRemovedAgentStaysOut shows that removal revokes the credential.
func TestRemovedAgentStaysOut(t *testing.T) {
	s := startServer(t, t.TempDir())
	state := t.TempDir()
	a := startAgent(t, s, state)
	await(t, "the agent", func() bool {
		list := s.agents(t).Agents
		return len(list) == 1 && list[0].Status.State == "AGENT_STATE_UP"
	})
	s.call(t, "FleetService/RemoveAgent", `{"id":"`+s.agents(t).Agents[0].ID+`"}`, &struct{}{})
	await(t, "the agent to be told", func() bool { return contains(a.log, "does not know this agent") })
	if list := s.agents(t).Agents; len(list) != 0 {
		t.Errorf("the removed agent is back: %+v", list)
	}
	// Its identity is void; without it, it may enrol anew.
	a.stop(t)
	if err := os.Remove(filepath.Join(state, "identity.json")); err != nil {
		t.Fatal(err)
	}
	startAgent(t, s, state)
	await(t, "the agent to enrol anew", func() bool { return len(s.agents(t).Agents) == 1 })
}

// TestRename shows that a new name reaches the labels of new samples at once.
func TestRename(t *testing.T) {
	s := startServer(t, t.TempDir())
	startAgent(t, s, t.TempDir())
	await(t, "samples", func() bool { return len(s.promQuery(t, `node_load1`)) > 0 })
	id := s.agents(t).Agents[0].ID
	s.call(t, "FleetService/UpdateAgent", `{"id":"`+id+`","name":"renamed","labels":{"labels":{"env":"test"}}}`, &struct{}{})
	await(t, "samples under the new name", func() bool { return len(s.promQuery(t, `node_load1{instance="renamed"}`)) > 0 })
	if got := s.agents(t).Agents[0]; got.Name != "renamed" || got.Labels["env"] != "test" {
		t.Errorf("the agent is %+v", got)
	}
}

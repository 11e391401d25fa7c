package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// identity is what an agent keeps of who it is.
type identity struct {
	AgentID    string `json:"agent_id"`
	Credential string `json:"credential"`
	ServerCA   string `json:"server_ca"`
}

func identityIn(t *testing.T, stateDir string) identity {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(stateDir, "identity.json"))
	if err != nil {
		t.Fatal(err)
	}
	var id identity
	if err := json.Unmarshal(text, &id); err != nil {
		t.Fatal(err)
	}
	return id
}

func (s *sonde) state(t *testing.T) string {
	t.Helper()
	list := s.agents(t).Agents
	if len(list) != 1 {
		return strconv.Itoa(len(list)) + " agents"
	}
	return list[0].Status.State
}

// TestPinnedAuthority: the join token is all that an agent needs to trust the
// server's own authority, and no other server gets anything from it.
func TestPinnedAuthority(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	s := startServer(t, dir, "--tls=own")
	token := s.secret(t, "join-token")
	if !strings.HasPrefix(s.url, "https://") || strings.Count(token, ".") != 1 {
		t.Fatalf("%s has a token without a fingerprint", s.url)
	}
	agent := startAgent(t, s, state)
	await(t, "the agent", func() bool { return s.state(t) == "AGENT_STATE_UP" })
	if id := identityIn(t, state); !strings.Contains(id.ServerCA, "BEGIN CERTIFICATE") {
		t.Error("the agent does not keep the authority that it trusts")
	}

	// Another server, which has an authority of its own, is not trusted, neither by
	// the token nor by the agent that has joined.
	other := startServer(t, t.TempDir(), "--tls=own")
	stranger := start(t, "sonde-agent", "--server", other.url, "--join-token-file", filepath.Join(dir, "join-token"),
		"--state-dir", t.TempDir(), "--default-probes", "none")
	<-stranger.exited
	if log := stranger.log.String(); stranger.err == nil || !strings.Contains(log, "not by the authority that the join token names") {
		t.Errorf("the agent at the wrong server: %v\n%s", stranger.err, log)
	}
	if n := len(other.agents(t).Agents); n != 0 {
		t.Errorf("%d agents joined the wrong server", n)
	}
	agent.stop(t)
	agent = start(t, "sonde-agent", "--server", other.url, "--state-dir", state, "--default-probes", "none")
	await(t, "the agent to turn away", func() bool { return strings.Contains(agent.log.String(), "certificate") })
	agent.kill()

	// A restart keeps the authority.
	s.stop(t)
	s = startServer(t, dir, "--tls=own")
	if s.secret(t, "join-token") != token {
		t.Error("a restart changed the join token")
	}
	startAgent(t, s, state)
	await(t, "the agent after the restart", func() bool { return s.state(t) == "AGENT_STATE_UP" })
}

// TestCredentialRotates under load: no sample is lost, the new credential is the
// only one that works, and the agent comes back with it.
func TestCredentialRotates(t *testing.T) {
	s, state := startServer(t, t.TempDir()), t.TempDir()
	agent := startAgent(t, s, state, "--submission-interval=100ms", "--collectors=load=100ms")
	await(t, "the agent", func() bool { return s.state(t) == "AGENT_STATE_UP" })
	before := identityIn(t, state)
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(state)); err != nil {
		t.Fatal(err)
	}
	var nothing struct{}
	for i := range 3 {
		last := identityIn(t, state).Credential
		s.call(t, "FleetService/RotateCredential", `{"id":"`+before.AgentID+`"}`, &nothing)
		await(t, "the server to know", func() bool { return strings.Count(s.log.String(), "the agent has a new credential") == i+1 })
		if identityIn(t, state).Credential == last {
			t.Error("the agent has the credential of before")
		}
	}
	if contains(agent.log, "no connection to the server") {
		t.Error("the agent lost its stream")
	}

	// Whoever has the old one gets nothing.
	old := start(t, "sonde-agent", "--server", s.url, "--state-dir", copied, "--default-probes", "none")
	await(t, "the refusal of the old credential", func() bool { return strings.Contains(old.log.String(), "unknown or was revoked") })
	old.kill()

	agent.stop(t)
	agent = startAgent(t, s, state, "--submission-interval=100ms", "--collectors=load=100ms")
	await(t, "the agent with its new credential", func() bool { return strings.Contains(agent.log.String(), `"msg":"connected"`) })
	for _, counter := range []string{"sonde_agent_samples_dropped_total", "sonde_agent_samples_refused_total"} {
		await(t, counter, func() bool { return len(s.promQuery(t, counter)) > 0 })
		for _, sample := range s.promQuery(t, "max_over_time("+counter+"[5m])") {
			if sample.Value[1] != "0" {
				t.Errorf("%s is %v", counter, sample.Value[1])
			}
		}
	}

	// Revoked, the session ends at once; a token for this agent lets it in again, as
	// itself.
	s.call(t, "FleetService/RevokeCredential", `{"id":"`+before.AgentID+`"}`, &nothing)
	await(t, "the end of the session", func() bool { return s.state(t) == "AGENT_STATE_DOWN" })
	agent.stop(t)
	var made struct{ Secret string }
	s.call(t, "AccessService/CreateJoinToken", `{"agentId":"`+before.AgentID+`"}`, &made)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(made.Secret), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, "sonde-agent", "--server", s.url, "--join-token-file", file, "--state-dir", state, "--default-probes", "none")
	await(t, "the agent to be back", func() bool { return s.state(t) == "AGENT_STATE_UP" })
	if id := identityIn(t, state); id.AgentID != before.AgentID {
		t.Errorf("it came back as %s, was %s", id.AgentID, before.AgentID)
	}
}

// TestCloneIsShown: of two agents with copies of one state folder, one is turned
// away, and people see it.
func TestCloneIsShown(t *testing.T) {
	s, state := startServer(t, t.TempDir()), t.TempDir()
	startAgent(t, s, state)
	await(t, "the agent", func() bool { return s.state(t) == "AGENT_STATE_UP" })
	copied := t.TempDir()
	text, err := os.ReadFile(filepath.Join(state, "identity.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(copied, "identity.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	startAgent(t, s, copied)
	await(t, "the copy to be seen", func() bool {
		list := s.agents(t).Agents
		return len(list) == 1 && list[0].Status.Clone != nil && list[0].Status.Clone.Address != ""
	})
	if n := strings.Count(s.log.String(), "two processes have the credential of one agent"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	// One of them has the stream, and keeps it.
	begun := strings.Count(s.log.String(), `"msg":"session began"`)
	await(t, "samples", func() bool { return len(s.promQuery(t, "node_load1")) == 1 })
	if n := strings.Count(s.log.String(), `"msg":"session began"`); n != begun || n > 3 {
		t.Errorf("%d sessions began: the two take the stream from each other", n)
	}
}

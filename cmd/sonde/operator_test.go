package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sonde.dev/sonde/internal/command"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

// fakeServer answers what a test says and keeps what it was asked.
type fakeServer struct {
	sondev1connect.UnimplementedConfigServiceHandler
	sondev1connect.UnimplementedFleetServiceHandler

	config   *sondev1.GetConfigResponse
	preview  *sondev1.PreviewConfigResponse
	configs  []*sondev1.AgentConfig
	agents   []*sondev1.Agent
	rollouts []*sondev1.RolloutStatus // of the revision, one after the other

	applied    *sondev1.ApplyConfigRequest
	rolledBack *sondev1.RollBackRequest
	updated    *sondev1.UpdateAgentRequest
	removed    string
}

func (f *fakeServer) GetConfig(context.Context, *sondev1.GetConfigRequest) (*sondev1.GetConfigResponse, error) {
	return f.config, nil
}

func (f *fakeServer) PreviewConfig(context.Context, *sondev1.PreviewConfigRequest) (*sondev1.PreviewConfigResponse, error) {
	return f.preview, nil
}

func (f *fakeServer) ApplyConfig(_ context.Context, req *sondev1.ApplyConfigRequest) (*sondev1.ApplyConfigResponse, error) {
	f.applied = req
	return &sondev1.ApplyConfigResponse{Revision: &sondev1.Revision{Number: req.BaseRevision + 1}}, nil
}

func (f *fakeServer) RollBack(_ context.Context, req *sondev1.RollBackRequest) (*sondev1.RollBackResponse, error) {
	f.rolledBack = req
	return &sondev1.RollBackResponse{Revision: &sondev1.Revision{Number: req.BaseRevision + 1}}, nil
}

func (f *fakeServer) ListRevisions(_ context.Context, req *sondev1.ListRevisionsRequest) (*sondev1.ListRevisionsResponse, error) {
	if req.Before == 0 {
		return &sondev1.ListRevisionsResponse{Revisions: []*sondev1.Revision{
			{Number: 2, Author: "admin", CreatedAt: timestamppb.New(time.Unix(1_000_000_000, 0)), RollbackOf: 1,
				Rollout: &sondev1.RolloutStatus{State: sondev1.RolloutState_ROLLOUT_STATE_DONE, Applied: 3}},
			{Number: 1, Author: "admin", Message: "first\x1b[2J", Rollout: &sondev1.RolloutStatus{State: sondev1.RolloutState_ROLLOUT_STATE_FAILED, Reason: "no"}},
		}}, nil
	}
	now := f.rollouts[0]
	if len(f.rollouts) > 1 {
		f.rollouts = f.rollouts[1:]
	}
	return &sondev1.ListRevisionsResponse{Revisions: []*sondev1.Revision{{
		Number: req.Before - 1, Rollout: now, Plan: &sondev1.RolloutPlan{StepsPercent: []uint32{50, 100}},
	}}}, nil
}

func (f *fakeServer) ListAgentConfigs(context.Context, *sondev1.ListAgentConfigsRequest) (*sondev1.ListAgentConfigsResponse, error) {
	return &sondev1.ListAgentConfigsResponse{Configs: f.configs}, nil
}

// ListAgents has one agent a page.
func (f *fakeServer) ListAgents(_ context.Context, req *sondev1.ListAgentsRequest) (*sondev1.ListAgentsResponse, error) {
	var i int
	if req.PageToken != "" {
		fmt.Sscan(req.PageToken, &i)
	}
	if i >= len(f.agents) {
		return &sondev1.ListAgentsResponse{}, nil
	}
	return &sondev1.ListAgentsResponse{Agents: f.agents[i : i+1], NextPageToken: fmt.Sprint(i + 1)}, nil
}

func (f *fakeServer) UpdateAgent(_ context.Context, req *sondev1.UpdateAgentRequest) (*sondev1.UpdateAgentResponse, error) {
	f.updated = req
	return &sondev1.UpdateAgentResponse{Agent: &sondev1.Agent{Name: "web", Labels: req.Labels.GetLabels()}}, nil
}

func (f *fakeServer) RemoveAgent(_ context.Context, req *sondev1.RemoveAgentRequest) (*sondev1.RemoveAgentResponse, error) {
	f.removed = req.Id
	return &sondev1.RemoveAgentResponse{}, nil
}

// result is what a command left.
type result struct {
	code        int
	out, errors string
}

// sonde runs the command against the server.
func (f *fakeServer) sonde(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(sondev1connect.NewConfigServiceHandler(f))
	mux.Handle(sondev1connect.NewFleetServiceHandler(f))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			_ = connect.NewErrorWriter().Write(w, r, connect.NewError(connect.CodeUnauthenticated, nil))
			return
		}
		mux.ServeHTTP(w, r)
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := newCommand()
	cmd.SetIn(strings.NewReader(stdin))
	var out, errors bytes.Buffer
	code := command.Run(t.Context(), cmd, append(args, "--server", server.URL, "--token-file", token), &out, &errors)
	return result{code, out.String(), errors.String()}
}

func (r result) want(t *testing.T, code int, out, errors string) {
	t.Helper()
	if diff := cmp.Diff(result{code, out, errors}, r, cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const currentFile = `policies:
  - name: all
    settings:
      collectors:
        cpu:
          interval: 1s
`

// current is currentFile, as revision 7.
func current() *fakeServer {
	return &fakeServer{
		config: &sondev1.GetConfigResponse{
			Revision: &sondev1.Revision{Number: 7},
			Config: &sondev1.FleetConfig{Policies: []*sondev1.Policy{{Name: "all", Settings: &sondev1.Settings{
				Collectors: map[string]*sondev1.CollectorSettings{"cpu": {IntervalMs: new(uint32(1000))}},
			}}}},
		},
		preview: &sondev1.PreviewConfigResponse{Changes: []*sondev1.AgentChange{{AgentName: "web", Settings: []*sondev1.SettingChange{
			{Path: "collectors.cpu.interval_ms", Before: "1000", After: "200"}, {Path: "submission_interval_ms", After: "5000"},
		}}}},
	}
}

func TestConfigGet(t *testing.T) {
	current().sonde(t, "", "config", "get").want(t, 0, currentFile, "")
	(&fakeServer{config: &sondev1.GetConfigResponse{}}).sonde(t, "", "config", "get", "-o", "json").want(t, 0, "{\n  \"policies\": []\n}\n", "")
	r := current().sonde(t, "", "config", "get", "-o", "xml")
	if r.code != 2 || !strings.Contains(r.errors, "must be one of yaml, json") {
		t.Errorf("an unknown format gives %+v", r)
	}
}

func TestConfigSet(t *testing.T) {
	s := current()
	s.sonde(t, "", "config", "set", "collectors.cpu.interval", "200ms").want(t, 0, "revision 8 changes 1 agent\n", "")
	want := &sondev1.ApplyConfigRequest{
		BaseRevision: 7,
		Message:      "set collectors.cpu.interval to 200ms in all",
		Config: &sondev1.FleetConfig{Policies: []*sondev1.Policy{{Name: "all", Settings: &sondev1.Settings{
			Collectors: map[string]*sondev1.CollectorSettings{"cpu": {IntervalMs: new(uint32(200))}},
		}}}},
	}
	if diff := cmp.Diff(want, s.applied, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}

	s = current()
	s.sonde(t, "", "config", "set", "collectors.cpu.interval", "1s").want(t, 0, "nothing to change: this is the configuration of revision 7\n", "")
	if s.applied != nil {
		t.Error("a revision was made that changes nothing")
	}
	s.sonde(t, "", "config", "set", "collectors.cpu.interval", "often").want(t, 1, "",
		"sonde: collectors.cpu.interval: \"often\" must be a duration such as 200ms, 10s or 5m\n")

	s.sonde(t, "", "config", "unset", "collectors.cpu.interval", "-m", "why", "--steps", "10,100", "--watch", "5s").want(t, 0, "revision 8 changes 1 agent\n", "")
	want = &sondev1.ApplyConfigRequest{
		BaseRevision: 7,
		Message:      "why",
		Plan:         &sondev1.RolloutPlan{StepsPercent: []uint32{10, 100}, WatchSeconds: 5},
		Config:       &sondev1.FleetConfig{Policies: []*sondev1.Policy{{Name: "all", Settings: &sondev1.Settings{}}}},
	}
	if diff := cmp.Diff(want, s.applied, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestConfigDiff(t *testing.T) {
	other := strings.ReplaceAll(currentFile, "1s", "200ms")
	current().sonde(t, "# the same\n"+currentFile, "config", "diff", "-f", "-").want(t, 0, "", "")
	current().sonde(t, other, "config", "diff", "-f", "-").want(t, 1, ""+
		"AGENT   SETTING                      BEFORE   AFTER\n"+
		"web     collectors.cpu.interval_ms   1000     200\n"+
		"web     submission_interval_ms       -        5000\n", "")
	unused := current()
	unused.preview = &sondev1.PreviewConfigResponse{}
	unused.sonde(t, other, "config", "diff", "-f", "-").want(t, 1, "it differs from revision 7, and changes no agent\n", "")
	current().sonde(t, "policies: {}\nx: y", "config", "diff", "-f", "-").want(t, 2, "",
		"sonde: -: line 1: policies: must be a list\nsonde: -: line 2: x: there is no key of this name here, only policies\n")
	r := current().sonde(t, "", "config", "diff", "-f", "/nowhere")
	r.want(t, 2, "", "sonde: open /nowhere: no such file or directory\n")
}

func TestConfigCheckNamesLines(t *testing.T) {
	s := current()
	s.sonde(t, currentFile, "config", "check", "-f", "-").want(t, 0, "", "")
	s.preview = &sondev1.PreviewConfigResponse{Errors: []*sondev1.FieldError{
		{Field: "policies[0].settings.collectors.cpu.interval_ms", Message: "5: want 100 to 3600000"},
		{Field: "policies[0].name", Message: "is taken"},
	}}
	for _, command := range []string{"check", "apply"} {
		s.sonde(t, currentFile, "config", command, "-f", "-").want(t, 1, "",
			"sonde: -: line 6: policies[0].settings.collectors.cpu.interval_ms: 5: want 100 to 3600000\n"+
				"sonde: -: line 2: policies[0].name: is taken\n")
	}
	if s.applied != nil {
		t.Error("a wrong configuration was applied")
	}
}

func TestConfigApplyWait(t *testing.T) {
	running := &sondev1.RolloutStatus{State: sondev1.RolloutState_ROLLOUT_STATE_RUNNING, Step: 1, Pending: 2, Applied: 1}
	done := func(pending, applied, rejected uint32) *sondev1.RolloutStatus {
		return &sondev1.RolloutStatus{State: sondev1.RolloutState_ROLLOUT_STATE_DONE, Pending: pending, Applied: applied, Rejected: rejected}
	}
	const (
		applied  = sondev1.ConfigState_CONFIG_STATE_APPLIED
		waiting  = sondev1.ConfigState_CONFIG_STATE_PENDING
		rejected = sondev1.ConfigState_CONFIG_STATE_REJECTED
	)
	tests := []struct {
		name        string
		rollouts    []*sondev1.RolloutStatus
		agent       sondev1.ConfigState
		code        int
		out, errors string
	}{
		{"done", []*sondev1.RolloutStatus{running, running, done(0, 3, 0)}, applied, 0,
			"revision 8: running, step 2 of 2, 1 applied, 2 pending\nrevision 8: done, 3 applied\n", ""},
		{"told but not answered", []*sondev1.RolloutStatus{done(1, 0, 0)}, waiting, 0,
			"revision 8: done, 1 pending\n1 agent is not connected and get it on return\n", ""},
		{"rejected", []*sondev1.RolloutStatus{done(0, 2, 1)}, rejected, 1,
			"revision 8: done, 2 applied, 1 rejected\n", "sonde: revision 8 was rejected by 1 agent; `sonde config status` says why\n"},
		{"rejected after the status", []*sondev1.RolloutStatus{done(1, 0, 0), done(0, 0, 1)}, rejected, 1,
			"revision 8: done, 1 pending\nrevision 8: done, 1 rejected\n", "sonde: revision 8 was rejected by 1 agent; `sonde config status` says why\n"},
		{"failed", []*sondev1.RolloutStatus{running, {State: sondev1.RolloutState_ROLLOUT_STATE_FAILED, Reason: "web fell silent"}}, waiting, 1,
			"revision 8: running, step 2 of 2, 1 applied, 2 pending\nrevision 8: failed: web fell silent\n",
			"sonde: revision 8 failed and was rolled back: web fell silent\n"},
		{"superseded", []*sondev1.RolloutStatus{{State: sondev1.RolloutState_ROLLOUT_STATE_SUPERSEDED}}, waiting, 1,
			"revision 8: superseded\n", "sonde: revision 8 was superseded by a later one\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := current()
			s.rollouts = tt.rollouts
			s.agents = []*sondev1.Agent{{Id: "1", Name: "web"}}
			s.configs = []*sondev1.AgentConfig{{AgentId: "1", State: tt.agent}}
			s.sonde(t, "policies: []", "config", "apply", "-f", "-", "--wait").want(t, tt.code, "revision 8 changes 1 agent\n"+tt.out, tt.errors)
		})
	}
}

func TestConfigPlanIsUsage(t *testing.T) {
	for _, args := range [][]string{{"--steps", "50,10"}, {"--steps", "10,50"}, {"--steps", "0,100"}, {"--steps", "100", "--watch", "1ms"}, {"--steps", "200"},
		{"--max-failures", "1"}, {"--ignore-failures"}, {"--steps", "100", "--ignore-failures", "--max-failures", "1"}} {
		s := current()
		if r := s.sonde(t, "policies: []", append([]string{"config", "apply", "-f", "-"}, args...)...); r.code != 2 || s.applied != nil {
			t.Errorf("%v: %+v", args, r)
		}
		if r := s.sonde(t, "", append([]string{"config", "rollback", "3"}, args...)...); r.code != 2 || s.rolledBack != nil {
			t.Errorf("rollback %v: %+v", args, r)
		}
	}
}

func TestConfigRollback(t *testing.T) {
	s := current()
	s.sonde(t, "", "config", "rollback", "3", "-m", "why").want(t, 0, "revision 8 has the configuration of revision 3\n", "")
	want := &sondev1.RollBackRequest{ToRevision: 3, BaseRevision: 7, Message: "why"}
	if diff := cmp.Diff(want, s.rolledBack, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	s.sonde(t, "", "config", "rollback", "3", "--steps", "10,100", "--watch", "5s", "--max-failures", "2").want(t, 0, "revision 8 has the configuration of revision 3\n", "")
	want = &sondev1.RollBackRequest{ToRevision: 3, BaseRevision: 7, Plan: &sondev1.RolloutPlan{
		StepsPercent: []uint32{10, 100}, WatchSeconds: 5, MaxFailures: 2,
	}}
	if diff := cmp.Diff(want, s.rolledBack, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if r := s.sonde(t, "", "config", "rollback", "first"); r.code != 2 {
		t.Errorf("a revision that is no number: %+v", r)
	}
}

func TestConfigHistory(t *testing.T) {
	current().sonde(t, "", "config", "history").want(t, 0, ""+
		"REVISION   CREATED                AUTHOR   ROLLOUT           MESSAGE\n"+
		"2          2001-09-09 01:46:40Z   admin    done, 3 applied   (back to 1)\n"+
		"1          -                      admin    failed: no        first\uFFFD[2J\n", "")
}

func fleet() *fakeServer {
	s := current()
	s.agents = []*sondev1.Agent{
		{Id: "id-1", Name: "db", Labels: map[string]string{"role": "db", "rack": "1"},
			Status: &sondev1.AgentStatus{State: sondev1.AgentState_AGENT_STATE_UP, Address: "192.0.2.1:9"}, Host: &sondev1.HostFacts{AgentVersion: "v1"}},
		{Id: "id-2", Name: "web"},
	}
	s.configs = []*sondev1.AgentConfig{
		{AgentId: "id-1", State: sondev1.ConfigState_CONFIG_STATE_APPLIED, Revision: 7},
		{AgentId: "id-2", State: sondev1.ConfigState_CONFIG_STATE_REJECTED, Revision: 7, Errors: []*sondev1.FieldError{{Field: "collectors.warp", Message: "no such"}, {Message: "too much"}}},
	}
	return s
}

func TestConfigStatus(t *testing.T) {
	fleet().sonde(t, "", "config", "status").want(t, 0, ""+
		"AGENT   STATE      REVISION   SINCE   ERRORS\n"+
		"db      applied    7          -       -\n"+
		"web     rejected   7          -       collectors.warp: no such; too much\n", "")
	fleet().sonde(t, "", "config", "status", "mail").want(t, 1, "", "sonde: there is no agent of the name or id \"mail\"\n")
}

func TestAgentsList(t *testing.T) {
	fleet().sonde(t, "", "agents", "list").want(t, 0, ""+
		"NAME   STATE         LABELS           LAST SEEN   ADDRESS       VERSION   ID\n"+
		"db     up            rack=1,role=db   -           192.0.2.1:9   v1        id-1\n"+
		"web    unspecified   -                -           -             -         id-2\n", "")
	s := fleet()
	s.agents = s.agents[1:]
	s.sonde(t, "", "agents", "list", "-o", "yaml").want(t, 0, "agents:\n  - id: id-2\n    name: web\n", "")
	s.sonde(t, "", "agents", "list", "-o", "json").want(t, 0, "{\n  \"agents\": [\n    {\n      \"id\": \"id-2\",\n      \"name\": \"web\"\n    }\n  ]\n}\n", "")
}

func TestAgentsShow(t *testing.T) {
	s := fleet()
	s.configs = []*sondev1.AgentConfig{{
		State: sondev1.ConfigState_CONFIG_STATE_APPLIED,
		Settings: &sondev1.Settings{
			SubmissionIntervalMs: new(uint32(10_000)),
			Collectors:           map[string]*sondev1.CollectorSettings{"cpu": {Enabled: new(false), IntervalMs: new(uint32(200))}},
			Probes: map[string]*sondev1.ProbeSettings{
				"gateway": {Disabled: true}, "sched": {Kind: "sched", IntervalMs: 1000}, "web": {Kind: "tcp", Target: "w:80", IntervalMs: 500},
			},
		},
		Provenance: map[string]string{
			"submission_interval_ms": "all", "collectors.cpu.enabled": "all", "collectors.cpu.interval_ms": "few",
			"probes.gateway": "all", "probes.sched": "all", "probes.web": "all",
		},
	}}
	r := s.sonde(t, "", "agents", "show", "id-1")
	_, settings, _ := strings.Cut(r.out, "\nerrors")
	want := `                       -
collectors.cpu.enabled       false (policy all)
collectors.cpu.interval_ms   200ms (policy few)
probes.gateway               off (policy all)
probes.sched                 sched every 1s (policy all)
probes.web                   tcp w:80 every 500ms (policy all)
submission_interval_ms       10s (policy all)
`
	if diff := cmp.Diff(want, settings); diff != "" {
		t.Errorf("%s in\n%s%s", diff, r.out, r.errors)
	}
}

func TestAgentsLabel(t *testing.T) {
	s := fleet()
	s.sonde(t, "", "agents", "label", "db", "env=a=b", "rack-").want(t, 0, "web: env=a=b,role=db\n", "")
	want := &sondev1.UpdateAgentRequest{Id: "id-1", Labels: &sondev1.AgentLabels{Labels: map[string]string{"env": "a=b", "role": "db"}}}
	if diff := cmp.Diff(want, s.updated, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	for _, change := range []string{"env", "=x"} {
		if r := fleet().sonde(t, "", "agents", "label", "db", change); r.code != 2 {
			t.Errorf("%q: %+v", change, r)
		}
	}
}

func TestAgentsRename(t *testing.T) {
	s := fleet()
	s.sonde(t, "", "agents", "rename", "web", "www").want(t, 0, "", "")
	if diff := cmp.Diff(&sondev1.UpdateAgentRequest{Id: "id-2", Name: new("www")}, s.updated, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestAgentsRemove(t *testing.T) {
	s := fleet()
	s.sonde(t, "y\n", "agents", "remove", "web").want(t, 1, "", "sonde: not removed: the standard input is no terminal: say --yes\n")
	if s.removed != "" {
		t.Error("removed without --yes")
	}
	s.sonde(t, "", "agents", "remove", "web", "--yes").want(t, 0, "", "")
	if s.removed != "id-2" {
		t.Errorf("%q was removed", s.removed)
	}
}

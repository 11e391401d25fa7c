package rpc

import (
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
	"sonde.dev/sonde/server/internal/fleet"
)

func (w *world) config() sondev1connect.ConfigServiceClient {
	return sondev1connect.NewConfigServiceClient(w.client, w.url)
}

// fullConfig has a value in every field.
func fullConfig() *sondev1.FleetConfig {
	return &sondev1.FleetConfig{Policies: []*sondev1.Policy{{
		Name: "all", Priority: -5, Selector: map[string]string{"name": "web"},
		Settings: &sondev1.Settings{
			SubmissionIntervalMs: new(uint32(200)),
			Collectors: map[string]*sondev1.CollectorSettings{
				"cpu": {Enabled: new(false), IntervalMs: new(uint32(300))},
				"any": {},
			},
			Probes: map[string]*sondev1.ProbeSettings{
				"web": {Kind: "http", Target: "https://h/", IntervalMs: 1000, TimeoutMs: 50,
					Http: &sondev1.HTTPProbeOptions{Method: "HEAD", Status: "3xx", Redirects: 2, SkipVerify: true}},
				"name": {Kind: "dns", Target: "192.0.2.1", IntervalMs: 1000,
					Dns: &sondev1.DNSProbeOptions{Name: "n.", Type: "A", Rcode: "NOERROR"}},
				"disk": {Disabled: true},
			},
		},
	}}}
}

func TestConfigService(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	id := w.enroll(t, &sondev1.HostFacts{Hostname: "web"}).AgentId
	none, err := w.config().GetConfig(ctx, &sondev1.GetConfigRequest{})
	if err != nil || none.Revision != nil || none.Config != nil {
		t.Errorf("before the first revision: %v, %v", none, err)
	}
	preview, err := w.config().PreviewConfig(ctx, &sondev1.PreviewConfigRequest{Config: fullConfig()})
	if err != nil || len(preview.Errors) > 0 || len(preview.Changes) != 1 || preview.Changes[0].AgentName != "web" {
		t.Fatal(preview, err)
	}
	want := &sondev1.SettingChange{Path: "collectors.cpu.enabled", After: "false"}
	if diff := cmp.Diff(want, preview.Changes[0].Settings[0], protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	applied, err := w.config().ApplyConfig(ctx, &sondev1.ApplyConfigRequest{
		Config: fullConfig(), Message: "why", Plan: &sondev1.RolloutPlan{StepsPercent: []uint32{50, 100}, WatchSeconds: 7, MaxFailures: 3},
	})
	if err != nil {
		t.Fatal(err)
	}
	revision := &sondev1.Revision{
		Number: 1, Author: admin.ID, Message: "why", Plan: &sondev1.RolloutPlan{StepsPercent: []uint32{50, 100}, WatchSeconds: 7, MaxFailures: 3},
		Rollout: &sondev1.RolloutStatus{State: sondev1.RolloutState_ROLLOUT_STATE_RUNNING, Pending: 1},
	}
	same := func(want, got any) {
		t.Helper()
		if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(&sondev1.Revision{}, "created_at"),
			protocmp.IgnoreFields(&sondev1.AgentConfig{}, "changed_at")); diff != "" {
			t.Error(diff)
		}
	}
	same(revision, applied.Revision)
	if applied.Revision.CreatedAt == nil {
		t.Error("a revision has no time")
	}
	got, err := w.config().GetConfig(ctx, &sondev1.GetConfigRequest{Revision: 1})
	if err != nil {
		t.Fatal(err)
	}
	same(fullConfig(), got.Config)
	same(revision, got.Revision)

	agents, err := w.config().ListAgentConfigs(ctx, &sondev1.ListAgentConfigsRequest{})
	if err != nil || len(agents.Configs) != 1 {
		t.Fatal(agents, err)
	}
	effective := fullConfig().Policies[0].Settings
	delete(effective.Collectors, "any")
	same(&sondev1.AgentConfig{
		AgentId: id, State: sondev1.ConfigState_CONFIG_STATE_PENDING, Revision: 1, Settings: effective,
		Provenance: map[string]string{
			"submission_interval_ms": "all", "collectors.cpu.enabled": "all", "collectors.cpu.interval_ms": "all",
			"probes.web": "all", "probes.name": "all", "probes.disk": "all",
		},
	}, agents.Configs[0])

	if _, err := w.config().ApplyConfig(ctx, &sondev1.ApplyConfigRequest{Config: &sondev1.FleetConfig{}, BaseRevision: 1}); err != nil {
		t.Fatal(err)
	}
	plan := &sondev1.RolloutPlan{StepsPercent: []uint32{100}, WatchSeconds: 5, IgnoreFailures: true}
	back, err := w.config().RollBack(ctx, &sondev1.RollBackRequest{ToRevision: 1, BaseRevision: 2, Message: "oops", Plan: plan})
	if err != nil {
		t.Fatal(err)
	}
	list, err := w.config().ListRevisions(ctx, &sondev1.ListRevisionsRequest{})
	if err != nil || len(list.Revisions) != 3 {
		t.Fatal(list, err)
	}
	same(back.Revision, list.Revisions[0])
	same(plan, back.Revision.Plan)
	if back.Revision.RollbackOf != 1 || list.Revisions[2].Rollout.State != sondev1.RolloutState_ROLLOUT_STATE_SUPERSEDED {
		t.Errorf("got %v", list)
	}
}

func TestConfigServiceRefuses(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	bad := &sondev1.FleetConfig{Policies: []*sondev1.Policy{{Name: "A"}}}
	preview, err := w.config().PreviewConfig(ctx, &sondev1.PreviewConfigRequest{Config: bad})
	if err != nil || len(preview.Errors) != 1 || preview.Errors[0].Field != "policies[0].name" {
		t.Errorf("got %v, %v", preview, err)
	}
	_, err = w.config().ApplyConfig(ctx, &sondev1.ApplyConfigRequest{Config: bad})
	wantCode(t, err, connect.CodeInvalidArgument)
	if !strings.Contains(err.Error(), "policies[0].name") {
		t.Errorf("%v does not name the field", err)
	}
	if _, err = w.config().ApplyConfig(ctx, &sondev1.ApplyConfigRequest{Config: fullConfig()}); err != nil {
		t.Fatal(err)
	}
	_, err = w.config().ApplyConfig(ctx, &sondev1.ApplyConfigRequest{Config: bad})
	wantCode(t, err, connect.CodeInvalidArgument)
	_, err = w.config().ApplyConfig(ctx, &sondev1.ApplyConfigRequest{})
	wantCode(t, err, connect.CodeAborted)
	_, err = w.config().ApplyConfig(ctx, &sondev1.ApplyConfigRequest{Config: fullConfig(), BaseRevision: 1})
	wantCode(t, err, connect.CodeFailedPrecondition)
	_, err = w.config().GetConfig(ctx, &sondev1.GetConfigRequest{Revision: 2})
	wantCode(t, err, connect.CodeNotFound)
	_, err = w.config().RollBack(ctx, &sondev1.RollBackRequest{ToRevision: 2, BaseRevision: 1})
	wantCode(t, err, connect.CodeNotFound)
	_, err = w.config().ListRevisions(ctx, &sondev1.ListRevisionsRequest{PageSize: 1001})
	wantCode(t, err, connect.CodeInvalidArgument)
	_, err = w.config().ListAgentConfigs(ctx, &sondev1.ListAgentConfigsRequest{AgentId: "x"})
	wantCode(t, err, connect.CodeInvalidArgument)
}

// Every state that is stored has one on the wire.
func TestConfigStatesTravel(t *testing.T) {
	if len(rolloutStates) != len(sondev1.RolloutState_name)-1 || len(configStates) != len(sondev1.ConfigState_name)-1 {
		t.Error("a state is missing")
	}
	if configStates[fleet.ConfigDrifted] == 0 || rolloutStates[fleet.RolloutFailed] == 0 {
		t.Error("a state is unspecified")
	}
}

package rpc

import (
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/ingest"
)

var rolloutStates = map[fleet.RolloutState]sondev1.RolloutState{
	fleet.RolloutRunning:    sondev1.RolloutState_ROLLOUT_STATE_RUNNING,
	fleet.RolloutDone:       sondev1.RolloutState_ROLLOUT_STATE_DONE,
	fleet.RolloutFailed:     sondev1.RolloutState_ROLLOUT_STATE_FAILED,
	fleet.RolloutSuperseded: sondev1.RolloutState_ROLLOUT_STATE_SUPERSEDED,
}

var configStates = map[fleet.ConfigState]sondev1.ConfigState{
	fleet.ConfigLocal:    sondev1.ConfigState_CONFIG_STATE_LOCAL,
	fleet.ConfigPending:  sondev1.ConfigState_CONFIG_STATE_PENDING,
	fleet.ConfigApplied:  sondev1.ConfigState_CONFIG_STATE_APPLIED,
	fleet.ConfigRejected: sondev1.ConfigState_CONFIG_STATE_REJECTED,
	fleet.ConfigDrifted:  sondev1.ConfigState_CONFIG_STATE_DRIFTED,
}

func revisionMessage(r fleet.Revision) *sondev1.Revision {
	m := &sondev1.Revision{
		Number:     r.Number,
		CreatedAt:  timestamp(r.CreatedAt),
		Author:     r.Author,
		Message:    r.Message,
		RollbackOf: r.RollbackOf,
		Rollout: &sondev1.RolloutStatus{
			State:    rolloutStates[r.Rollout.State],
			Step:     r.Rollout.Step,
			Reason:   r.Rollout.Reason,
			Pending:  r.Counts.Pending,
			Applied:  r.Counts.Applied,
			Rejected: r.Counts.Rejected,
		},
	}
	if len(r.Plan.StepsPercent) > 0 {
		m.Plan = &sondev1.RolloutPlan{
			StepsPercent: r.Plan.StepsPercent, WatchSeconds: r.Plan.WatchSeconds,
			MaxFailures: r.Plan.MaxFailures, IgnoreFailures: r.Plan.IgnoreFailures,
		}
	}
	return m
}

func planFrom(m *sondev1.RolloutPlan) fleet.RolloutPlan {
	return fleet.RolloutPlan{
		StepsPercent: m.GetStepsPercent(), WatchSeconds: m.GetWatchSeconds(),
		MaxFailures: m.GetMaxFailures(), IgnoreFailures: m.GetIgnoreFailures(),
	}
}

func agentConfigMessage(c fleet.AgentConfig) *sondev1.AgentConfig {
	return &sondev1.AgentConfig{
		AgentId:    c.AgentID,
		State:      configStates[c.State],
		Revision:   c.Revision,
		Settings:   ingest.SettingsMessage(c.Settings),
		Provenance: c.Provenance,
		Errors:     faultMessages(c.Errors),
		ChangedAt:  timestamp(c.ChangedAt),
	}
}

func faultMessages(faults []fleet.FieldError) []*sondev1.FieldError {
	var list []*sondev1.FieldError
	for _, f := range faults {
		list = append(list, &sondev1.FieldError{Field: f.Field, Message: f.Message})
	}
	return list
}

func configMessage(c fleet.FleetConfig) *sondev1.FleetConfig {
	m := &sondev1.FleetConfig{}
	for _, p := range c.Policies {
		m.Policies = append(m.Policies, &sondev1.Policy{
			Name: p.Name, Priority: p.Priority, Selector: p.Selector, Settings: ingest.SettingsMessage(p.Settings),
		})
	}
	return m
}

// configFrom returns a configuration as the domain knows it, which checks it.
func configFrom(m *sondev1.FleetConfig) fleet.FleetConfig {
	var c fleet.FleetConfig
	for _, p := range m.GetPolicies() {
		c.Policies = append(c.Policies, fleet.Policy{
			Name: p.Name, Priority: p.Priority, Selector: p.Selector, Settings: settingsFrom(p.Settings),
		})
	}
	return c
}

func settingsFrom(m *sondev1.Settings) fleet.Settings {
	if m == nil {
		return fleet.Settings{}
	}
	s := fleet.Settings{SubmissionIntervalMS: m.SubmissionIntervalMs}
	if len(m.Collectors) > 0 {
		s.Collectors = make(map[string]fleet.CollectorSettings, len(m.Collectors))
	}
	for name, c := range m.Collectors {
		s.Collectors[name] = fleet.CollectorSettings{Enabled: c.Enabled, IntervalMS: c.IntervalMs}
	}
	if len(m.Probes) > 0 {
		s.Probes = make(map[string]fleet.ProbeSettings, len(m.Probes))
	}
	for name, p := range m.Probes {
		s.Probes[name] = fleet.ProbeSettings{
			Disabled: p.Disabled, Kind: p.Kind, Target: p.Target, IntervalMS: p.IntervalMs, TimeoutMS: p.TimeoutMs,
			HTTP: fleet.HTTPProbeOptions{
				Method: p.GetHttp().GetMethod(), Status: p.GetHttp().GetStatus(),
				Redirects: p.GetHttp().GetRedirects(), SkipVerify: p.GetHttp().GetSkipVerify(),
			},
			DNS: fleet.DNSProbeOptions{Name: p.GetDns().GetName(), Type: p.GetDns().GetType(), Rcode: p.GetDns().GetRcode()},
		}
	}
	return s
}

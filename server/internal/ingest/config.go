package ingest

import (
	"fmt"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
)

// update is the message that tells an agent what is decided for it.
type update struct {
	desired *fleet.Desired
	message *sondev1.ConnectResponse
}

// Tell implements [fleet.ConfigSession].
func (s *session) Tell(d *fleet.Desired) {
	u := s.in.update.Load()
	if u == nil || u.desired != d {
		msg := &sondev1.ConfigUpdate{Hash: d.Hash}
		if d.Hash != 0 {
			msg.Settings = SettingsMessage(d.Settings)
		}
		u = &update{d, &sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_ConfigUpdate{ConfigUpdate: msg}}}
		s.in.update.Store(u)
	}
	s.in.metrics.updates.Inc()
	s.out.configure(u.message)
}

// configured takes what the agent made of its settings.
func (s *session) configured(m *sondev1.ConfigResult) {
	if len(m.Errors) == 0 {
		s.in.metrics.results.WithLabelValues("applied").Inc()
		s.submits(m.SubmissionIntervalMs)
		s.log.Info("settings are in force", "hash", fmt.Sprintf("%016x", m.Hash))
	} else {
		s.in.metrics.results.WithLabelValues("rejected").Inc()
		s.log.Warn("the agent rejected its settings", "hash", fmt.Sprintf("%016x", m.Hash), "errors", len(m.Errors),
			"field", m.Errors[0].Field, "why", m.Errors[0].Message)
	}
	errors := make([]fleet.FieldError, len(m.Errors))
	for i, e := range m.Errors {
		errors[i] = fleet.FieldError{Field: e.Field, Message: e.Message}
	}
	s.in.cfg.Steering.Answered(s.agentID, m.Hash, errors)
}

// SettingsMessage returns settings as they travel.
func SettingsMessage(s fleet.Settings) *sondev1.Settings {
	m := &sondev1.Settings{SubmissionIntervalMs: s.SubmissionIntervalMS}
	if len(s.Collectors) > 0 {
		m.Collectors = make(map[string]*sondev1.CollectorSettings, len(s.Collectors))
	}
	for name, c := range s.Collectors {
		m.Collectors[name] = &sondev1.CollectorSettings{Enabled: c.Enabled, IntervalMs: c.IntervalMS}
	}
	if len(s.Probes) > 0 {
		m.Probes = make(map[string]*sondev1.ProbeSettings, len(s.Probes))
	}
	for name, p := range s.Probes {
		m.Probes[name] = probeMessage(p)
	}
	return m
}

func probeMessage(p fleet.ProbeSettings) *sondev1.ProbeSettings {
	m := &sondev1.ProbeSettings{
		Disabled: p.Disabled, Kind: p.Kind, Target: p.Target, IntervalMs: p.IntervalMS, TimeoutMs: p.TimeoutMS,
	}
	if p.HTTP != (fleet.HTTPProbeOptions{}) {
		m.Http = &sondev1.HTTPProbeOptions{
			Method: p.HTTP.Method, Status: p.HTTP.Status, Redirects: p.HTTP.Redirects, SkipVerify: p.HTTP.SkipVerify,
		}
	}
	if p.DNS != (fleet.DNSProbeOptions{}) {
		m.Dns = &sondev1.DNSProbeOptions{Name: p.DNS.Name, Type: p.DNS.Type, Rcode: p.DNS.Rcode}
	}
	return m
}

// Package fleetconfig is the text form of the fleet's configuration: YAML (and
// so JSON) that people write, keep under version control and compare.
//
// What [Format] writes, [Parse] reads back as the same configuration, and the
// same configuration always has the same text. Durations are written as Go
// writes them, such as 200ms, instead of in milliseconds.
//
// Only the form is checked here: keys, types, durations. What values are
// allowed is known to the server, and what a host can do to its agent.
package fleetconfig

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// The structs below are the file's keys in the order in which they are written.

type document struct {
	Policies []policy `yaml:"policies" json:"policies"`
}

type policy struct {
	Name     string            `yaml:"name" json:"name"`
	Priority int32             `yaml:"priority,omitempty" json:"priority,omitempty"`
	Selector map[string]string `yaml:"selector,omitempty" json:"selector,omitempty"`
	Settings *settings         `yaml:"settings,omitempty" json:"settings,omitempty"`
}

type settings struct {
	SubmissionInterval string               `yaml:"submission_interval,omitempty" json:"submission_interval,omitempty"`
	Collectors         map[string]collector `yaml:"collectors,omitempty" json:"collectors,omitempty"`
	Probes             map[string]probe     `yaml:"probes,omitempty" json:"probes,omitempty"`
}

type collector struct {
	Enabled  *bool  `yaml:"enabled,omitempty" json:"enabled,omitempty"`
	Interval string `yaml:"interval,omitempty" json:"interval,omitempty"`
}

type probe struct {
	Disabled bool   `yaml:"disabled,omitempty" json:"disabled,omitempty"`
	Kind     string `yaml:"kind,omitempty" json:"kind,omitempty"`
	Target   string `yaml:"target,omitempty" json:"target,omitempty"`
	Interval string `yaml:"interval,omitempty" json:"interval,omitempty"`
	Timeout  string `yaml:"timeout,omitempty" json:"timeout,omitempty"`
	HTTP     *http  `yaml:"http,omitempty" json:"http,omitempty"`
	DNS      *dns   `yaml:"dns,omitempty" json:"dns,omitempty"`
}

type http struct {
	Method     string `yaml:"method,omitempty" json:"method,omitempty"`
	Status     string `yaml:"status,omitempty" json:"status,omitempty"`
	Redirects  uint32 `yaml:"redirects,omitempty" json:"redirects,omitempty"`
	SkipVerify bool   `yaml:"skip_verify,omitempty" json:"skip_verify,omitempty"`
}

type dns struct {
	Name  string `yaml:"name,omitempty" json:"name,omitempty"`
	Type  string `yaml:"type,omitempty" json:"type,omitempty"`
	Rcode string `yaml:"rcode,omitempty" json:"rcode,omitempty"`
}

// Format returns the configuration as YAML.
func Format(c *sondev1.FleetConfig) ([]byte, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(documentOf(c)); err != nil {
		return nil, err
	}
	if err := e.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// FormatJSON returns the configuration as JSON with the same keys and values as
// in YAML, so that [Parse] reads it too.
func FormatJSON(c *sondev1.FleetConfig) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(documentOf(c))
	return out.Bytes(), err
}

func documentOf(c *sondev1.FleetConfig) document {
	d := document{Policies: []policy{}}
	for _, p := range c.GetPolicies() {
		d.Policies = append(d.Policies, policy{
			Name: p.Name, Priority: p.Priority, Selector: p.Selector, Settings: settingsOf(p.Settings),
		})
	}
	return d
}

func settingsOf(m *sondev1.Settings) *settings {
	if m == nil {
		return nil
	}
	s := &settings{Collectors: make(map[string]collector), Probes: make(map[string]probe)}
	if m.SubmissionIntervalMs != nil {
		s.SubmissionInterval = FormatDuration(*m.SubmissionIntervalMs)
	}
	for name, c := range m.Collectors {
		out := collector{Enabled: c.Enabled}
		if c.IntervalMs != nil {
			out.Interval = FormatDuration(*c.IntervalMs)
		}
		s.Collectors[name] = out
	}
	for name, p := range m.Probes {
		s.Probes[name] = probeOf(p)
	}
	return s
}

func probeOf(m *sondev1.ProbeSettings) probe {
	p := probe{Disabled: m.Disabled, Kind: m.Kind, Target: m.Target}
	if m.IntervalMs != 0 {
		p.Interval = FormatDuration(m.IntervalMs)
	}
	if m.TimeoutMs != 0 {
		p.Timeout = FormatDuration(m.TimeoutMs)
	}
	if h := m.Http; h != nil {
		p.HTTP = &http{Method: h.Method, Status: h.Status, Redirects: h.Redirects, SkipVerify: h.SkipVerify}
	}
	if d := m.Dns; d != nil {
		p.DNS = &dns{Name: d.Name, Type: d.Type, Rcode: d.Rcode}
	}
	return p
}

// FormatDuration writes milliseconds as people do: 200ms, 1.5s, 10m, 1h30m.
func FormatDuration(ms uint32) string {
	text := (time.Duration(ms) * time.Millisecond).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

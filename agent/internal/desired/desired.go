// Package desired is what a server decides for an agent, in the agent's own
// terms.
//
// # What it promises
//
// Everything here is a value: checking it and laying it over the agent's own
// settings changes nothing. What is read back from the agent's folder is what
// was written, or an error.
//
// # What it does not
//
// It puts nothing in force, and does not know what this host's operator allows a
// server to ask.
package desired

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sonde.dev/sonde/agent/internal/collect"
	"sonde.dev/sonde/agent/internal/probe"
)

// Bounds of a submission interval.
const (
	MinSubmissionInterval = 100 * time.Millisecond
	MaxSubmissionInterval = 10 * time.Minute
)

// State is everything that a server decided for an agent.
type State struct {
	// Hash names the settings; the server makes it. 0: nothing is decided, and
	// the agent goes by its own settings.
	Hash     uint64
	Settings Settings
}

// Settings are what a server decided. Where nothing is set, the agent's own
// setting holds.
type Settings struct {
	SubmissionInterval *probe.Duration      `json:"submission_interval,omitempty"`
	Collectors         map[string]Collector `json:"collectors,omitempty"`
	Probes             map[string]Probe     `json:"probes,omitempty"`
}

// Collector says how a collector runs.
type Collector struct {
	Enabled  *bool           `json:"enabled,omitempty"`
	Interval *probe.Duration `json:"interval,omitempty"`
}

// Probe is a probe as a whole, or takes the one of its name away.
type Probe struct {
	Disabled bool `json:"disabled,omitempty"`
	// Spec means nothing when Disabled is set.
	Spec probe.Spec `json:"spec,omitzero"`
}

// FieldError is one thing that is wrong with settings.
type FieldError struct {
	// Field is the path as in the protocol, such as probes.web.interval_ms; empty
	// for what is no field's fault.
	Field string
	// Message is for people and names the value.
	Message string
}

func (e FieldError) Error() string {
	if e.Field == "" {
		return e.Message
	}
	return e.Field + ": " + e.Message
}

// Running is what an agent goes by.
type Running struct {
	SubmissionInterval time.Duration
	Collectors         collect.Config
	Probes             []probe.Spec
}

// Over returns what an agent goes by whose own settings are own. It shares no
// memory with own that could be written to.
func (s Settings) Over(own Running) Running {
	r := Running{SubmissionInterval: own.SubmissionInterval}
	if s.SubmissionInterval != nil {
		r.SubmissionInterval = time.Duration(*s.SubmissionInterval)
	}
	r.Collectors.Collectors = make(map[string]collect.Setting)
	maps.Copy(r.Collectors.Collectors, own.Collectors.Collectors)
	for name, c := range s.Collectors {
		setting, found := own.Collectors.Collectors[name]
		if !found {
			setting.Enabled = true
		}
		if c.Enabled != nil {
			setting.Enabled = *c.Enabled
		}
		if c.Interval != nil {
			setting.Interval = time.Duration(*c.Interval)
		}
		r.Collectors.Collectors[name] = setting
	}
	for _, spec := range own.Probes {
		if _, replaced := s.Probes[spec.Name]; !replaced {
			r.Probes = append(r.Probes, spec)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Probes)) {
		if p := s.Probes[name]; !p.Disabled {
			r.Probes = append(r.Probes, p.Spec)
		}
	}
	return r
}

// Validate returns all that is wrong with s for an agent that has the given
// collectors, ordered by field within each group; of a probe it returns the
// first thing.
func (s Settings) Validate(collectors []string) []FieldError {
	var errs []FieldError
	wrong := func(field, format string, args ...any) {
		errs = append(errs, FieldError{field, fmt.Sprintf(format, args...)})
	}
	interval := func(field string, d *probe.Duration, low, high time.Duration) {
		if v := (*time.Duration)(d); v != nil && (*v < low || *v > high) {
			wrong(field, "%d is not %d to %d", v.Milliseconds(), low.Milliseconds(), high.Milliseconds())
		}
	}
	interval("submission_interval_ms", s.SubmissionInterval, MinSubmissionInterval, MaxSubmissionInterval)
	for _, name := range slices.Sorted(maps.Keys(s.Collectors)) {
		field := "collectors." + name
		if !slices.Contains(collectors, name) {
			wrong(field, "this agent has no collector %q", name)
		}
		interval(field+".interval_ms", s.Collectors[name].Interval, collect.MinInterval, collect.MaxInterval)
	}
	if n := len(s.Probes); n > probe.MaxProbes {
		wrong("probes", "%d probes are more than %d", n, probe.MaxProbes)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Probes)) {
		p := s.Probes[name]
		if p.Disabled {
			continue
		}
		err := p.Spec.Validate()
		if err == nil {
			continue
		}
		field := "probes." + name
		fe, ok := errors.AsType[*probe.FieldError](err)
		if !ok {
			wrong(field, "%v", err)
			continue
		}
		switch fe.Field {
		case "name":
		case "interval", "timeout":
			field += "." + fe.Field + "_ms"
		default:
			field += "." + fe.Field
		}
		wrong(field, "%v: %s", quoted(fe.Value), fe.Reason)
	}
	return errs
}

// quoted puts quotation marks around what is text.
func quoted(v any) any {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return v
}

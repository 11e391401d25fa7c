package fleet

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Settings are what an agent can be told to do. What is nil or absent is not
// set. The names in JSON are those of the API; they are how a [Store] keeps a
// configuration.
type Settings struct {
	SubmissionIntervalMS *uint32 `json:"submission_interval_ms,omitempty"`
	// Collectors and Probes are by name; never written to after they were made.
	Collectors map[string]CollectorSettings `json:"collectors,omitempty"`
	Probes     map[string]ProbeSettings     `json:"probes,omitempty"`
}

// CollectorSettings say how a collector runs.
type CollectorSettings struct {
	Enabled    *bool   `json:"enabled,omitempty"`
	IntervalMS *uint32 `json:"interval_ms,omitempty"`
}

// ProbeSettings describe a probe as a whole.
type ProbeSettings struct {
	// Disabled takes the probe away; the other fields are then ignored.
	Disabled   bool             `json:"disabled,omitempty"`
	Kind       string           `json:"kind,omitempty"`
	Target     string           `json:"target,omitempty"`
	IntervalMS uint32           `json:"interval_ms,omitempty"`
	TimeoutMS  uint32           `json:"timeout_ms,omitempty"`
	HTTP       HTTPProbeOptions `json:"http,omitzero"`
	DNS        DNSProbeOptions  `json:"dns,omitzero"`
}

// HTTPProbeOptions are for probes of kind http.
type HTTPProbeOptions struct {
	Method     string `json:"method,omitempty"`
	Status     string `json:"status,omitempty"`
	Redirects  uint32 `json:"redirects,omitempty"`
	SkipVerify bool   `json:"skip_verify,omitempty"`
}

// DNSProbeOptions are for probes of kind dns.
type DNSProbeOptions struct {
	Name  string `json:"name,omitempty"`
	Type  string `json:"type,omitempty"`
	Rcode string `json:"rcode,omitempty"`
}

// Policy gives settings to the agents that it selects.
type Policy struct {
	Name     string `json:"name"`
	Priority int32  `json:"priority,omitempty"`
	// Selector holds labels that an agent must have, all of them; the keys
	// "name" and "id" stand for the agent's own.
	Selector map[string]string `json:"selector,omitempty"`
	Settings Settings          `json:"settings,omitzero"`
}

// FleetConfig is everything that was decided for the whole fleet.
type FleetConfig struct {
	Policies []Policy `json:"policies,omitempty"`
}

// FieldError is one thing that is wrong with a configuration.
type FieldError struct {
	// Field is the path to it.
	Field string `json:"field"`
	// Message is for people; it names the value.
	Message string `json:"message"`
}

// ConfigState is what has become of what was decided for an agent.
type ConfigState string

// The states of an agent's configuration, as they are stored.
const (
	// ConfigLocal: nothing is decided, and the agent goes by its own settings.
	ConfigLocal ConfigState = "local"
	// ConfigPending: told, or to be told, and not yet answered.
	ConfigPending ConfigState = "pending"
	// ConfigApplied: in force.
	ConfigApplied ConfigState = "applied"
	// ConfigRejected: refused; what was in force before still is.
	ConfigRejected ConfigState = "rejected"
	// ConfigDrifted: something else is in force than was last acknowledged.
	ConfigDrifted ConfigState = "drifted"
)

// ConfigStatus is what a [Store] keeps of an agent's configuration.
type ConfigStatus struct {
	AgentID string
	// Revision is where the effective settings come from.
	Revision uint64
	// Desired and InForce are hashes as [Settings.Hash] makes them.
	Desired, InForce uint64
	State            ConfigState
	Errors           []FieldError
	ChangedAt        time.Time
}

// AgentConfig is what is decided for one agent, and what has become of it.
type AgentConfig struct {
	ConfigStatus
	Settings Settings
	// Provenance is the name of the policy that each setting comes from, by its
	// path.
	Provenance map[string]string
}

// selects says whether an agent has all that the policy asks for.
func (p *Policy) selects(a *Agent) bool {
	for key, want := range p.Selector {
		var have string
		ok := true
		switch key {
		case "name":
			have = a.Name
		case "id":
			have = a.ID
		default:
			have, ok = a.Labels[key]
		}
		if !ok || have != want {
			return false
		}
	}
	return true
}

// ranked returns the policies in the order in which each wins over those before
// it.
func (c FleetConfig) ranked() []Policy {
	return slices.SortedFunc(slices.Values(c.Policies), func(a, b Policy) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), strings.Compare(a.Name, b.Name))
	})
}

// Effective merges the policies that select an agent: each setting is that of
// the policy of the highest priority, and among equals of the last name.
// Provenance says by a setting's path which policy that is. Only the agent's
// id, name and labels matter, and the order of the policies does not.
func Effective(c FleetConfig, a Agent) (s Settings, provenance map[string]string) {
	var selected []Policy
	for _, p := range c.ranked() {
		if p.selects(&a) {
			selected = append(selected, p)
		}
	}
	return merge(selected)
}

// merge lets each policy win over those before it.
func merge(policies []Policy) (Settings, map[string]string) {
	var s Settings
	provenance := make(map[string]string)
	for _, p := range policies {
		if p.Settings.SubmissionIntervalMS != nil {
			s.SubmissionIntervalMS = p.Settings.SubmissionIntervalMS
			provenance["submission_interval_ms"] = p.Name
		}
		for name, c := range p.Settings.Collectors {
			merged := s.Collectors[name]
			if c.Enabled != nil {
				merged.Enabled = c.Enabled
				provenance["collectors."+name+".enabled"] = p.Name
			}
			if c.IntervalMS != nil {
				merged.IntervalMS = c.IntervalMS
				provenance["collectors."+name+".interval_ms"] = p.Name
			}
			if merged == (CollectorSettings{}) {
				continue
			}
			if s.Collectors == nil {
				s.Collectors = make(map[string]CollectorSettings)
			}
			s.Collectors[name] = merged
		}
		for name, probe := range p.Settings.Probes {
			if s.Probes == nil {
				s.Probes = make(map[string]ProbeSettings)
			}
			if probe.Disabled {
				probe = ProbeSettings{Disabled: true}
			}
			s.Probes[name] = probe
			provenance["probes."+name] = p.Name
		}
	}
	return s, provenance
}

// empty says that nothing is set.
func (s Settings) empty() bool {
	return s.SubmissionIntervalMS == nil && len(s.Collectors) == 0 && len(s.Probes) == 0
}

// Hash names settings: the first eight bytes of the SHA-256 of their JSON,
// which has one form only. Never 0, but for settings that set nothing.
func (s Settings) Hash() uint64 {
	if s.empty() {
		return 0
	}
	sum := sha256.Sum256(canonical(s))
	return max(binary.BigEndian.Uint64(sum[:8]), 1)
}

// canonical returns JSON whose keys are sorted and that leaves out what is not
// set.
func canonical(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // settings and configurations are numbers, strings and booleans
	}
	return b
}

// Package policy bounds what any server may ask of this agent.
//
// # What it promises
//
// A setting from a server that the policy does not allow is refused, and the
// refusal names the setting and its value. What the policy cannot judge, such
// as a target that it cannot read, is refused too. No name is resolved to judge
// a target: a rule for addresses never allows a name, so that whoever answers
// for a name in the DNS cannot turn an allowed target into another.
//
// # What it does not
//
// It does not bound what this host's operator sets by flags and files of the
// agent. It does not judge whether settings are valid.
package policy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sonde.dev/sonde/agent/internal/collect"
	"sonde.dev/sonde/agent/internal/desired"
	"sonde.dev/sonde/agent/internal/probe"
)

// defaultProbeRate is in attempts a second.
const defaultProbeRate = 100

// kinds are those of probes, in the order of the documentation.
var kinds = []probe.Kind{probe.ICMP, probe.TCP, probe.HTTP, probe.DNSQuery, probe.Disk, probe.Sched, probe.RTT}

// Policy is immutable. Make it with [Default] or [Parse].
type Policy struct {
	anyTarget           bool
	targets             []rule // unless anyTarget
	kinds               []probe.Kind
	submissionInterval  time.Duration
	collectorInterval   time.Duration
	probeInterval       time.Duration
	probeRate           float64
	forbiddenCollectors []string
	diskDirectories     []string
}

// Default returns the policy of a host whose operator gave none: disk probes in
// stateDir only, at most 100 attempts of probes a second, no interval shorter
// than 100 ms, and everything else allowed.
func Default(stateDir string) *Policy {
	return &Policy{
		anyTarget:          true,
		kinds:              kinds,
		submissionInterval: desired.MinSubmissionInterval,
		collectorInterval:  collect.MinInterval,
		probeInterval:      probe.MinInterval,
		probeRate:          defaultProbeRate,
		diskDirectories:    []string{stateDir},
	}
}

// rule allows targets by address or by name.
type rule struct {
	prefix netip.Prefix // valid in a rule for addresses
	name   string       // in one for names: lower case; "*" and "*.suffix" are patterns
	ports  []portRange  // none: every port, and icmp, which has none
}

type portRange struct{ first, last uint16 }

func (r *rule) allows(host string, port uint16) bool {
	if len(r.ports) > 0 && !slices.ContainsFunc(r.ports, func(p portRange) bool { return p.first <= port && port <= p.last }) {
		return false
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return r.prefix.IsValid() && r.prefix.Contains(addr.Unmap().WithZone(""))
	}
	if r.prefix.IsValid() {
		return false
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if r.name == "*" {
		return true
	}
	if suffix, pattern := strings.CutPrefix(r.name, "*"); pattern {
		return len(host) > len(suffix) && strings.HasSuffix(host, suffix)
	}
	return host == r.name
}

// Check returns everything in s that is not allowed.
func (p *Policy) Check(s desired.Settings) []desired.FieldError {
	c := checker{policy: p}
	c.interval("submission_interval_ms", s.SubmissionInterval, p.submissionInterval)
	for _, name := range slices.Sorted(maps.Keys(s.Collectors)) {
		collector, field := s.Collectors[name], "collectors."+name
		if slices.Contains(p.forbiddenCollectors, name) && (collector.Enabled == nil || *collector.Enabled) {
			c.refuse(field+".enabled", "collector %q must stay off", name)
		}
		c.interval(field+".interval_ms", collector.Interval, p.collectorInterval)
	}
	var rate float64
	for _, name := range slices.Sorted(maps.Keys(s.Probes)) {
		if asked := s.Probes[name]; !asked.Disabled {
			c.probe("probes."+name, &asked.Spec)
			if asked.Spec.Interval > 0 {
				rate += float64(time.Second) / float64(asked.Spec.Interval)
			}
		}
	}
	// Sums of tenths are not exact.
	if rate > p.probeRate*(1+1e-9) {
		c.refuse("probes", "%.4g attempts a second are more than %.4g", rate, p.probeRate)
	}
	return c.errs
}

type checker struct {
	policy *Policy
	errs   []desired.FieldError
}

func (c *checker) refuse(field, format string, args ...any) {
	c.errs = append(c.errs, desired.FieldError{Field: field, Message: "refused by this host's policy: " + fmt.Sprintf(format, args...)})
}

func (c *checker) interval(field string, asked *probe.Duration, least time.Duration) {
	if asked != nil && time.Duration(*asked) < least {
		c.refuse(field, "%d is less than %d", time.Duration(*asked).Milliseconds(), least.Milliseconds())
	}
}

func (c *checker) probe(field string, s *probe.Spec) {
	p := c.policy
	if !slices.Contains(p.kinds, s.Kind) {
		c.refuse(field+".kind", "probes of kind %q are not allowed", s.Kind)
		return
	}
	c.interval(field+".interval_ms", &s.Interval, p.probeInterval)
	switch s.Kind {
	case probe.Disk:
		if !slices.Contains(p.diskDirectories, s.Target) {
			c.refuse(field+".target", "%q is not a directory that disk probes may write to", s.Target)
		}
	case probe.Sched, probe.RTT:
	default:
		c.target(field, s)
	}
}

// target judges where s goes.
func (c *checker) target(field string, s *probe.Spec) {
	if c.policy.anyTarget {
		return
	}
	host, port, ok := s.Endpoint()
	if !ok || !slices.ContainsFunc(c.policy.targets, func(r rule) bool { return r.allows(host, port) }) {
		c.refuse(field+".target", "%q is not an allowed target", s.Target)
	}
	if s.HTTP.Redirects > 0 {
		c.refuse(field+".http.redirects", "%d redirects could lead to targets that are not allowed", s.HTTP.Redirects)
	}
}

package fleet

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a configuration.
const (
	MaxPolicies      = 256
	MaxProbes        = 256
	MaxCollectors    = 256
	MaxPriority      = 1_000
	MaxMessageBytes  = 1_024
	MaxTargetBytes   = 1_024
	MaxRolloutSteps  = 100
	MaxWatchSeconds  = 86_400
	minIntervalMS    = 100
	maxIntervalMS    = 3_600_000
	maxSubmissionMS  = 600_000
	maxTimeoutMS     = 60_000
	maxHTTPRedirects = 10
	maxFieldErrors   = 100
)

// faults gathers what is wrong, up to maxFieldErrors.
type faults []FieldError

func (f *faults) add(field, format string, args ...any) {
	if len(*f) < maxFieldErrors {
		*f = append(*f, FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
	}
}

// Validate returns what is wrong with a configuration, in the order of the
// policies and then of the fields; the first hundred of it. It knows bounds and
// forms: whether an agent has a collector, and what its host lets it do, only
// the agent can say.
//
// A path begins with policies and the number of the policy in brackets, from 0.
func (c FleetConfig) Validate() []FieldError {
	var f faults
	if len(c.Policies) > MaxPolicies {
		f.add("policies", "%d of them, want at most %d", len(c.Policies), MaxPolicies)
		return f
	}
	first := make(map[string]int)
	for i, p := range c.Policies {
		at := fmt.Sprintf("policies[%d]", i)
		if !isName(p.Name, "") {
			f.add(at+".name", "%s: want 1 to 64 of a-z, 0-9 and -", quote(p.Name))
		} else if j, taken := first[p.Name]; taken {
			f.add(at+".name", "%s is the name of policies[%d] too", quote(p.Name), j)
		} else {
			first[p.Name] = i
		}
		if p.Priority < -MaxPriority || p.Priority > MaxPriority {
			f.add(at+".priority", "%d: want %d to %d", p.Priority, -MaxPriority, MaxPriority)
		}
		f.selector(at+".selector", p.Selector)
		f.settings(at+".settings", p.Settings)
	}
	return f
}

func (f *faults) selector(at string, selector map[string]string) {
	if len(selector) > MaxLabels {
		f.add(at, "%d labels, want at most %d", len(selector), MaxLabels)
		return
	}
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		if err := validateLabelName(key); err != nil {
			f.add(at, "%v", err)
			continue
		}
		value := selector[key]
		limit := MaxLabelValueBytes
		if key == "name" {
			limit = MaxNameChars * utf8.UTFMax
		}
		switch {
		case len(value) > limit:
			f.add(at+"."+key, "%s has %d bytes: want at most %d", quote(value), len(value), limit)
		case !utf8.ValidString(value):
			f.add(at+"."+key, "%s is not valid UTF-8", quote(value))
		case key == "id" && validateID(value) != nil:
			f.add(at+"."+key, "%s is not a UUID", quote(value))
		}
	}
}

func (f *faults) settings(at string, s Settings) {
	if s.SubmissionIntervalMS != nil {
		f.bounds(at+".submission_interval_ms", *s.SubmissionIntervalMS, minIntervalMS, maxSubmissionMS)
	}
	if len(s.Collectors) > MaxCollectors {
		f.add(at+".collectors", "%d of them, want at most %d", len(s.Collectors), MaxCollectors)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Collectors)) {
		c, at := s.Collectors[name], at+".collectors"
		if !isName(name, "_") {
			f.add(at, "%s: want a name of 1 to 64 of a-z, 0-9, - and _", quote(name))
			continue
		}
		if c.IntervalMS != nil {
			f.bounds(at+"."+name+".interval_ms", *c.IntervalMS, minIntervalMS, maxIntervalMS)
		}
	}
	if len(s.Probes) > MaxProbes {
		f.add(at+".probes", "%d of them, want at most %d", len(s.Probes), MaxProbes)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Probes)) {
		at := at + ".probes"
		if !isName(name, "") {
			f.add(at, "%s: want a name of 1 to 64 of a-z, 0-9 and -", quote(name))
			continue
		}
		if p := s.Probes[name]; !p.Disabled {
			f.probe(at+"."+name, p)
		}
	}
}

func (f *faults) bounds(field string, v, low, high uint32) {
	if v < low || v > high {
		f.add(field, "%d: want %d to %d", v, low, high)
	}
}

func (f *faults) probe(at string, p ProbeSettings) {
	f.bounds(at+".interval_ms", p.IntervalMS, minIntervalMS, maxIntervalMS)
	f.bounds(at+".timeout_ms", p.TimeoutMS, 0, maxTimeoutMS)
	if p.HTTP != (HTTPProbeOptions{}) && p.Kind != "http" {
		f.add(at+".http", "is for probes of kind http, and this is %s", quote(p.Kind))
	}
	if p.DNS != (DNSProbeOptions{}) && p.Kind != "dns" {
		f.add(at+".dns", "is for probes of kind dns, and this is %s", quote(p.Kind))
	}
	if len(p.Target) > MaxTargetBytes {
		f.add(at+".target", "%s has %d bytes: want at most %d", quote(p.Target), len(p.Target), MaxTargetBytes)
		return
	}
	target := func(ok bool, want string) {
		if !ok {
			f.add(at+".target", "%s: want %s", quote(p.Target), want)
		}
	}
	switch p.Kind {
	case "icmp":
		target(isHost(p.Target), "an IP address or a host name")
	case "tcp":
		target(isHostPort(p.Target), "host:port")
	case "http":
		f.httpProbe(at, p)
	case "dns":
		target(isHost(p.Target) || isHostPort(p.Target), "a resolver as an IP address or a host name, with or without :port")
		f.dnsProbe(at+".dns", p.DNS)
	case "disk":
		target(path.IsAbs(p.Target) && path.Clean(p.Target) == p.Target && !strings.ContainsRune(p.Target, 0) && utf8.ValidString(p.Target),
			"the absolute path of a directory, without . and ..")
	case "sched":
		target(p.Target == "", "none: the kind measures the machine that it runs on")
	case "rtt":
		target(p.Target != "" && utf8.ValidString(p.Target), "a text that is not empty")
	default:
		f.add(at+".kind", "%s: want icmp, tcp, http, dns, disk, sched or rtt", quote(p.Kind))
	}
}

func (f *faults) httpProbe(at string, p ProbeSettings) {
	u, err := url.Parse(p.Target)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || !isHost(u.Hostname()):
		f.add(at+".target", "%s: want a URL with http or https and a host", quote(p.Target))
	case u.User != nil:
		// Not quoted: it is a secret.
		f.add(at+".target", "has credentials, and is a label that many can read: want a URL without")
	}
	if !slices.Contains([]string{"", "GET", "HEAD"}, p.HTTP.Method) {
		f.add(at+".http.method", "%s: want GET or HEAD", quote(p.HTTP.Method))
	}
	if !slices.Contains([]string{"", "1xx", "2xx", "3xx", "4xx", "5xx"}, p.HTTP.Status) {
		f.add(at+".http.status", "%s: want 1xx, 2xx, 3xx, 4xx or 5xx", quote(p.HTTP.Status))
	}
	f.bounds(at+".http.redirects", p.HTTP.Redirects, 0, maxHTTPRedirects)
}

// dnsProbe leaves it to the agent to know the types and codes of DNS.
func (f *faults) dnsProbe(at string, o DNSProbeOptions) {
	if len(o.Name) > 1_024 || strings.ContainsAny(o.Name, " \t\r\n\x00") || strings.Contains(o.Name, "..") || !utf8.ValidString(o.Name) {
		f.add(at+".name", "%s: want a domain name", quote(o.Name))
	}
	for _, field := range []struct{ name, value, want string }{
		{"type", o.Type, "a type of records, such as AAAA"},
		{"rcode", o.Rcode, "a response code, such as NXDOMAIN"},
	} {
		if field.value != "" && !isName(strings.ToLower(field.value), "_") {
			f.add(at+"."+field.name, "%s: want %s", quote(field.value), field.want)
		}
	}
}

// isName wants 1 to 64 of a-z, 0-9, - and the bytes of also.
func isName(s, also string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && !strings.Contains(also, s[i:i+1]) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") || !isName(strings.ToLower(label), "_") || len(label) > 63 {
			return false
		}
	}
	return true
}

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, portErr := strconv.ParseUint(port, 10, 16)
	return err == nil && portErr == nil && n != 0 && isHost(host)
}

// validate returns an [Invalid] error for a plan that breaks the rules.
func (p RolloutPlan) validate() error {
	if len(p.StepsPercent) == 0 {
		if p.WatchSeconds != 0 {
			return Errorf(Invalid, "plan.watch_seconds is %d, and there are no steps to watch", p.WatchSeconds)
		}
		if p.MaxFailures != 0 || p.IgnoreFailures {
			return Errorf(Invalid, "plan has max_failures or ignore_failures, and no steps to watch")
		}
		return nil
	}
	if len(p.StepsPercent) > MaxRolloutSteps {
		return Errorf(Invalid, "plan.steps_percent has %d steps: want at most %d", len(p.StepsPercent), MaxRolloutSteps)
	}
	var before uint32
	for i, percent := range p.StepsPercent {
		if percent <= before || percent > 100 {
			return Errorf(Invalid, "plan.steps_percent[%d] is %d: want more than %d and at most 100", i, percent, before)
		}
		before = percent
	}
	if before != 100 {
		return Errorf(Invalid, "plan.steps_percent ends with %d: want 100", before)
	}
	if p.WatchSeconds < 1 || p.WatchSeconds > MaxWatchSeconds {
		return Errorf(Invalid, "plan.watch_seconds is %d: want 1 to %d", p.WatchSeconds, MaxWatchSeconds)
	}
	if p.MaxFailures != 0 && p.IgnoreFailures {
		return Errorf(Invalid, "plan.max_failures is %d, and plan.ignore_failures says not to look", p.MaxFailures)
	}
	return nil
}

func validateMessage(message string) error {
	if len(message) > MaxMessageBytes || !utf8.ValidString(message) {
		return Errorf(Invalid, "message has %d bytes: want at most %d, of valid UTF-8", len(message), MaxMessageBytes)
	}
	return nil
}

// refusal makes one error of what is wrong with a configuration.
func refusal(wrong []FieldError) error {
	const shown = 20
	var text strings.Builder
	for i, w := range wrong {
		if i == shown {
			fmt.Fprintf(&text, "\n… and %d more", len(wrong)-shown)
			break
		}
		fmt.Fprintf(&text, "\n%s: %s", w.Field, w.Message)
	}
	return Errorf(Invalid, "the configuration is wrong:%s", text.String())
}

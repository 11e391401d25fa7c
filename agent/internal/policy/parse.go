package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"sonde.dev/sonde/agent/internal/collect"
	"sonde.dev/sonde/agent/internal/desired"
	"sonde.dev/sonde/agent/internal/probe"
)

// file is the YAML form of a policy.
type file struct {
	Targets               []fileRule      `yaml:"targets"`
	ProbeKinds            []probe.Kind    `yaml:"probe_kinds"`
	MinSubmissionInterval *probe.Duration `yaml:"min_submission_interval"`
	MinCollectorInterval  *probe.Duration `yaml:"min_collector_interval"`
	MinProbeInterval      *probe.Duration `yaml:"min_probe_interval"`
	MaxProbeRate          *float64        `yaml:"max_probe_rate"`
	ForbiddenCollectors   []string        `yaml:"forbidden_collectors"`
	DiskDirectories       []string        `yaml:"disk_directories"`
}

type fileRule struct {
	CIDR  string   `yaml:"cidr"`
	Host  string   `yaml:"host"`
	Ports []string `yaml:"ports"`
}

// Parse returns the policy in a YAML file, for an agent with the given state
// folder and collectors, or all that is wrong with it. A key that is left out has
// the value of [Default]; one without a value is an error, because it can be read
// as everything and as nothing.
func Parse(data []byte, stateDir string, collectors []string) (*Policy, error) {
	if err := rejectNulls(data); err != nil {
		return nil, err
	}
	var f file
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one document")
	}
	p := Default(stateDir)
	r := reader{}
	if f.Targets != nil {
		p.anyTarget = false
		for i, from := range f.Targets {
			p.targets = append(p.targets, r.rule(fmt.Sprintf("targets[%d]", i), from))
		}
	}
	if f.ProbeKinds != nil {
		p.kinds = f.ProbeKinds
		for _, kind := range f.ProbeKinds {
			r.check(slices.Contains(kinds, kind), "probe_kinds: %q is not icmp, tcp, http, dns, disk, sched or rtt", kind)
		}
	}
	r.interval("min_submission_interval", f.MinSubmissionInterval, desired.MinSubmissionInterval, desired.MaxSubmissionInterval, &p.submissionInterval)
	r.interval("min_collector_interval", f.MinCollectorInterval, collect.MinInterval, collect.MaxInterval, &p.collectorInterval)
	r.interval("min_probe_interval", f.MinProbeInterval, probe.MinInterval, probe.MaxInterval, &p.probeInterval)
	if f.MaxProbeRate != nil {
		p.probeRate = *f.MaxProbeRate
		r.check(p.probeRate >= 0 && !math.IsInf(p.probeRate, 1), "max_probe_rate: %v is not a number of attempts a second", p.probeRate)
	}
	p.forbiddenCollectors = f.ForbiddenCollectors
	for _, name := range f.ForbiddenCollectors {
		r.check(slices.Contains(collectors, name), "forbidden_collectors: there is no collector %q", name)
	}
	if f.DiskDirectories != nil {
		p.diskDirectories = f.DiskDirectories
		for _, dir := range f.DiskDirectories {
			r.check(filepath.IsAbs(dir) && filepath.Clean(dir) == dir, "disk_directories: %q is not an absolute path without . and ..", dir)
		}
	}
	if err := errors.Join(r.errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// rejectNulls finds keys and items without a value.
func rejectNulls(data []byte) error {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return err
	}
	var errs []error
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		// An empty document is no policy, and may be one of comments only.
		if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
			errs = append(errs, fmt.Errorf("line %d: a value is missing; leave the key out for its default, or write [] to allow nothing", n.Line))
		}
		if n.Kind == yaml.AliasNode {
			errs = append(errs, fmt.Errorf("line %d: aliases are not allowed", n.Line))
			return
		}
		for _, child := range n.Content {
			walk(child)
		}
	}
	walk(&document)
	return errors.Join(errs...)
}

// reader gathers what is wrong.
type reader struct{ errs []error }

func (r *reader) check(ok bool, format string, args ...any) {
	if !ok {
		r.errs = append(r.errs, fmt.Errorf(format, args...))
	}
}

func (r *reader) interval(key string, from *probe.Duration, low, high time.Duration, to *time.Duration) {
	if from == nil {
		return
	}
	*to = time.Duration(*from)
	r.check(*to >= low && *to <= high, "%s: %v is not %v to %v", key, *to, low, high)
}

func (r *reader) rule(key string, from fileRule) rule {
	var to rule
	switch {
	case (from.CIDR == "") == (from.Host == ""):
		r.check(false, "%s: needs one of cidr and host", key)
	case from.CIDR != "":
		prefix, err := netip.ParsePrefix(from.CIDR)
		if addr, addrErr := netip.ParseAddr(from.CIDR); err != nil && addrErr == nil && addr.Zone() == "" {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		r.check(err == nil && !prefix.Addr().Is4In6(), "%s.cidr: %q is not an address or a network such as 10.0.0.0/8", key, from.CIDR)
		r.check(err != nil || prefix == prefix.Masked(), "%s.cidr: %s has bits beyond its length: is it %v?", key, from.CIDR, prefix.Masked())
		to.prefix = prefix
	default:
		to.name = strings.ToLower(strings.TrimSuffix(from.Host, "."))
		r.check(validPattern(to.name), "%s.host: %q is not a host name, *.name for all names below it, or *", key, from.Host)
	}
	if from.Ports != nil {
		r.check(len(from.Ports) > 0, "%s.ports: is empty; leave it out for every port", key)
	}
	for _, text := range from.Ports {
		ports, ok := parsePorts(text)
		r.check(ok, "%s.ports: %q is neither a port nor a range such as 8000-8999", key, text)
		to.ports = append(to.ports, ports)
	}
	return to
}

// validPattern reports whether name can stand in a rule for names. An address
// there would never match anything.
func validPattern(name string) bool {
	if name == "*" {
		return true
	}
	name = strings.TrimPrefix(name, "*.")
	if _, err := netip.ParseAddr(name); err == nil {
		return false
	}
	s := probe.Spec{Name: "x", Kind: probe.ICMP, Target: name, Interval: probe.Duration(time.Second)}
	return s.Validate() == nil
}

func parsePorts(text string) (portRange, bool) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	low, err1 := strconv.ParseUint(first, 10, 16)
	high, err2 := strconv.ParseUint(last, 10, 16)
	return portRange{uint16(low), uint16(high)}, err1 == nil && err2 == nil && 0 < low && low <= high
}

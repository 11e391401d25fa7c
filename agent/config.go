package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"sonde.dev/sonde/agent/internal/collect"
	"sonde.dev/sonde/agent/internal/desired"
	"sonde.dev/sonde/agent/internal/policy"
	"sonde.dev/sonde/agent/internal/probe"
	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/uplink"
)

// Bounds of [Config.SubmissionInterval].
const (
	MinSubmissionInterval = desired.MinSubmissionInterval
	MaxSubmissionInterval = desired.MaxSubmissionInterval
)

// Bounds of the spool. The least hold a few submissions of a large host.
const (
	MinSpoolBytes       = 16 << 20
	MaxSpoolBytes       = 1 << 40
	MinSpoolAge         = time.Minute
	MaxSpoolAge         = 366 * 24 * time.Hour
	MaxSpoolFlushAfter  = time.Hour
	MinSpoolMemoryBytes = 2 << 20
	MaxSpoolMemoryBytes = 1 << 30
)

// Config is what an agent is told at its start. The names in its errors are
// those of the flags of sonde-agent.
type Config struct {
	// Server is one URL or several, separated by commas; see --server.
	Server string
	// ServerCA names a PEM file of the authorities to trust for https, instead
	// of the system's; empty for those.
	ServerCA string
	// JoinToken, or the content of JoinTokenFile, lets an agent enrol that has
	// no identity in StateDir yet.
	JoinToken, JoinTokenFile string
	// StateDir is the one folder that the agent writes to.
	StateDir string
	// ProcRoot, SysRoot and RootFS are where the host's /proc, /sys and / are.
	ProcRoot, SysRoot, RootFS string
	// SubmissionInterval is how often a batch leaves.
	SubmissionInterval time.Duration
	// Collectors are settings as name=interval or name=off.
	Collectors []string
	// DefaultProbes are the names of those of the default probes that run; nil
	// means all, and the one name "none" means none.
	DefaultProbes []string
	// ProbesFile names a YAML file with a list of further probes.
	ProbesFile string
	// PolicyFile names a YAML file that bounds what a server may ask; empty means
	// the bounds of [policy.Default].
	PolicyFile string
	// SpoolMaxBytes and SpoolMaxAge bound what waits on disk for a server to
	// acknowledge it; beyond them the oldest goes.
	SpoolMaxBytes int64
	SpoolMaxAge   time.Duration
	// SpoolFlushAfter is how long a batch waits in memory for its
	// acknowledgement before it goes to disk; with 0 each does at once.
	SpoolFlushAfter time.Duration
	// SpoolMemoryBytes bounds what waits in memory.
	SpoolMemoryBytes int64
	Logger           *slog.Logger
	// InForce, if not nil, is called once what a server decided has come into
	// force, one call at a time; the server hears of it afterwards.
	InForce func()
}

// settings are a Config that was checked.
type settings struct {
	servers    []string
	stateDir   string
	collectors collect.Config
	probes     []probe.Spec
	policy     *policy.Policy
	host       procfs.FS
}

// check returns the settings in c, or all that is wrong with it.
func (c Config) check() (settings, error) {
	var s settings
	var errs []error
	wrong := func(flag string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", flag, err))
		}
	}
	var err error
	s.servers, err = uplink.ParseServers(c.Server)
	wrong("server", err)
	if c.JoinToken != "" && c.JoinTokenFile != "" {
		wrong("join-token", errors.New("is given, and join-token-file too: which one?"))
	}
	if c.StateDir == "" {
		wrong("state-dir", errors.New("is empty"))
	} else {
		s.stateDir, err = filepath.Abs(c.StateDir)
		wrong("state-dir", err)
	}
	s.host = procfs.FS{Proc: c.ProcRoot, Sys: c.SysRoot, Root: c.RootFS}
	for _, dir := range []struct{ flag, path string }{{"proc-root", c.ProcRoot}, {"sys-root", c.SysRoot}, {"root-fs", c.RootFS}} {
		info, err := os.Stat(dir.path)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a directory", dir.path)
		}
		wrong(dir.flag, err)
	}
	if i := c.SubmissionInterval; i < MinSubmissionInterval || i > MaxSubmissionInterval || i%time.Millisecond != 0 {
		wrong("submission-interval", fmt.Errorf("%v is not %v to %v in whole milliseconds", i, MinSubmissionInterval, MaxSubmissionInterval))
	}
	within(wrong, "spool-max-bytes", c.SpoolMaxBytes, MinSpoolBytes, MaxSpoolBytes)
	within(wrong, "spool-max-age", c.SpoolMaxAge, MinSpoolAge, MaxSpoolAge)
	within(wrong, "spool-flush-after", c.SpoolFlushAfter, 0, MaxSpoolFlushAfter)
	within(wrong, "spool-memory-bytes", c.SpoolMemoryBytes, MinSpoolMemoryBytes, MaxSpoolMemoryBytes)
	s.collectors, err = parseCollectors(c.Collectors)
	wrong("collectors", err)
	if err == nil {
		wrong("collectors", s.collectors.Validate())
	}
	s.policy, err = c.policy(s)
	wrong("policy-file", err)
	if len(s.servers) > 0 {
		s.probes, err = c.probes(s.servers[0], s.stateDir)
		errs = append(errs, err)
	}
	return s, errors.Join(errs...)
}

// within calls wrong when the value of a flag is out of its bounds.
func within[T int64 | time.Duration](wrong func(string, error), flag string, value, low, high T) {
	if value < low || value > high {
		wrong(flag, fmt.Errorf("%v is not %v to %v", value, low, high))
	}
}

// parseCollectors reads settings of the form name=interval or name=off.
func parseCollectors(list []string) (collect.Config, error) {
	config := collect.Config{Collectors: make(map[string]collect.Setting)}
	var errs []error
	for _, item := range list {
		name, value, ok := strings.Cut(item, "=")
		interval, err := time.ParseDuration(value)
		switch {
		case !ok || name == "":
			errs = append(errs, fmt.Errorf("%q is neither name=interval nor name=off", item))
		case value == "off":
			config.Collectors[name] = collect.Setting{}
		case err != nil:
			errs = append(errs, fmt.Errorf("%q: %q is neither an interval such as 1s nor off", item, value))
		default:
			config.Collectors[name] = collect.Setting{Enabled: true, Interval: interval}
		}
	}
	return config, errors.Join(errs...)
}

// probes returns the default probes that were asked for and those of the file.
func (c Config) probes(server, stateDir string) ([]probe.Spec, error) {
	var specs []probe.Spec
	if !slices.Equal(c.DefaultProbes, []string{"none"}) {
		env := probe.Environment{Server: server, StateDir: stateDir}
		// A host without a gateway or a resolver has no probe of it.
		env.Gateway, _ = probe.Gateway(c.ProcRoot)
		env.Resolver, _ = probe.Nameserver("/etc/resolv.conf")
		var err error
		if specs, err = probe.Defaults(env, c.DefaultProbes...); err != nil {
			return nil, fmt.Errorf("default-probes: %w", err)
		}
	}
	if c.ProbesFile == "" {
		return specs, nil
	}
	data, err := os.ReadFile(c.ProbesFile)
	if err != nil {
		return nil, fmt.Errorf("probes-file: %w", err)
	}
	var further []probe.Spec
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&further); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("probes-file: %s: %w", c.ProbesFile, err)
	}
	return append(specs, further...), nil
}

// policy returns the bounds of what a server may ask.
func (c Config) policy(s settings) (*policy.Policy, error) {
	if c.PolicyFile == "" {
		return policy.Default(s.stateDir), nil
	}
	data, err := os.ReadFile(c.PolicyFile)
	if err != nil {
		return nil, err
	}
	own := procfs.Default()
	var collectors []string
	for _, collector := range append(collect.Host(s.host, own), probe.NewSet(probe.Config{}), collect.NewSelf(own, nil, "")) {
		collectors = append(collectors, collector.Name())
	}
	p, err := policy.Parse(data, s.stateDir, collectors)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.PolicyFile, err)
	}
	return p, nil
}

// Check returns all that is wrong with c.
func (c Config) Check() error {
	s, err := c.check()
	if err != nil {
		return err
	}
	if err := probe.NewSet(probe.Config{}).Apply(s.probes); err != nil {
		return fmt.Errorf("probes-file: %w", err)
	}
	scheduler := collect.NewScheduler(slog.New(slog.DiscardHandler), nil, collect.Host(s.host, procfs.Default())...)
	return scheduler.Apply(s.collectors)
}

// joinToken returns the token to enrol with.
func (c Config) joinToken() (string, error) {
	if c.JoinToken != "" {
		return c.JoinToken, nil
	}
	if c.JoinTokenFile == "" {
		return "", fmt.Errorf("this agent has not enrolled yet (there is no identity in %s): it needs --join-token-file", c.StateDir)
	}
	data, err := os.ReadFile(c.JoinTokenFile)
	if err != nil {
		return "", fmt.Errorf("join-token-file: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return "", fmt.Errorf("join-token-file: %s is empty", c.JoinTokenFile)
	}
	return token, nil
}

package agent

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func valid(t *testing.T) Config {
	return Config{
		Server: "http://127.0.0.1:1", StateDir: t.TempDir(),
		ProcRoot: "/proc", SysRoot: "/sys", RootFS: "/",
		SubmissionInterval: time.Second,
		SpoolMaxBytes:      MinSpoolBytes, SpoolMaxAge: time.Hour, SpoolFlushAfter: time.Second, SpoolMemoryBytes: MinSpoolMemoryBytes,
		DefaultProbes: []string{"server", "sched"},
		Logger:        slog.New(slog.DiscardHandler),
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	if err := valid(t).Check(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		edit func(*Config)
		says []string
	}{
		{"no server", func(c *Config) { c.Server = "" }, []string{"server: "}},
		{"two tokens", func(c *Config) { c.JoinToken, c.JoinTokenFile = "a", "b" }, []string{"join-token: "}},
		{"no state folder", func(c *Config) { c.StateDir = "" }, []string{"state-dir: is empty"}},
		{"roots", func(c *Config) { c.ProcRoot, c.SysRoot = "/nowhere", "/etc/hostname" },
			[]string{"proc-root: ", "/nowhere", "sys-root: /etc/hostname is not a directory"}},
		{"submission", func(c *Config) { c.SubmissionInterval = 11 * time.Minute }, []string{"submission-interval: 11m0s"}},
		{"parts of milliseconds", func(c *Config) { c.SubmissionInterval = time.Second + 1 }, []string{"submission-interval: 1.000000001s"}},
		{"spool's size", func(c *Config) { c.SpoolMaxBytes = 1 }, []string{"spool-max-bytes: 1 is not 16777216 to 1099511627776"}},
		{"spool's age", func(c *Config) { c.SpoolMaxAge = time.Second }, []string{"spool-max-age: 1s is not 1m0s to 8784h0m0s"}},
		{"spool's flushes", func(c *Config) { c.SpoolFlushAfter = -1 }, []string{"spool-flush-after: -1ns is not 0s to 1h0m0s"}},
		{"spool's memory", func(c *Config) { c.SpoolMemoryBytes = 2 << 30 }, []string{"spool-memory-bytes: 2147483648 is not 2097152 to 1073741824"}},
		{"collector", func(c *Config) { c.Collectors = []string{"cpu=2h", "warp=1s"} }, []string{"collectors.cpu.interval: 2h0m0s"}},
		{"unknown collector", func(c *Config) { c.Collectors = []string{"warp=1s"} }, []string{"collectors.warp: no such collector"}},
		{"default probe", func(c *Config) { c.DefaultProbes = []string{"warp"} }, []string{`default-probes: unknown default probe "warp"`}},
		{"probes file", func(c *Config) { c.ProbesFile = "/nowhere" }, []string{"probes-file: "}},
		{"several", func(c *Config) { c.Server, c.SpoolMaxBytes = "", 0 }, []string{"server: ", "spool-max-bytes: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := valid(t)
			tt.edit(&c)
			err := c.Check()
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range tt.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q lacks %q", err, part)
				}
			}
		})
	}
}

func TestCollectorsCanBeTurnedOff(t *testing.T) {
	c := valid(t)
	c.Collectors = []string{"cpu=200ms", "processes=off"}
	s, err := c.check()
	if err != nil {
		t.Fatal(err)
	}
	if cpu := s.collectors.Collectors["cpu"]; !cpu.Enabled || cpu.Interval != 200*time.Millisecond {
		t.Errorf("cpu is %+v", cpu)
	}
	if s.collectors.Collectors["processes"].Enabled {
		t.Error("processes is on")
	}
	if len(s.probes) != 2 {
		t.Errorf("probes are %+v, want server and sched", s.probes)
	}
}

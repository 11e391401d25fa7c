// Package agent is the metrics agent: it measures the host it runs on, probes
// latency, and hands what it found to a server.
//
// # What it promises
//
// A collector or a probe that fails, hangs or panics costs its own samples and
// no others, and the failure is itself a metric. Samples wait in memory and on
// disk, up to bounds, while the server is away. The agent opens no port, and connects to its
// servers and to the targets of its probes only. What a server decides comes into
// force as a whole or not at all, within the bounds of this host's policy, and
// holds over a restart.
//
// # What it does not
//
// It executes no command and writes nowhere but into its state folder.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sonde.dev/sonde/agent/internal/collect"
	"sonde.dev/sonde/agent/internal/desired"
	"sonde.dev/sonde/agent/internal/probe"
	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/uplink"
	"sonde.dev/sonde/internal/buildinfo"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// Agent measures one host. Make it with [New].
type Agent struct {
	log       *slog.Logger
	scheduler *collect.Scheduler
	probes    *probe.Set
	uplink    *uplink.Uplink
	remote    *remote
}

// New returns an agent that does nothing yet, but that its state folder exists,
// can be written to, and is held against other agents: Run must be called.
func New(c Config) (*Agent, error) {
	s, err := c.check()
	if err != nil {
		return nil, err
	}
	if err := prepareStateDir(s.stateDir); err != nil {
		return nil, fmt.Errorf("state-dir: %w", err)
	}
	own := procfs.Default()
	a := &Agent{log: c.Logger}
	a.remote = &remote{
		own:    desired.Running{SubmissionInterval: c.SubmissionInterval, Collectors: s.collectors, Probes: s.probes},
		policy: s.policy,
		path:   filepath.Join(s.stateDir, "config.json"),
		log:    c.Logger,
		told:   c.InForce,
	}
	a.uplink, err = uplink.New(uplink.Config{
		Servers:            s.servers,
		CAFile:             c.ServerCA,
		JoinToken:          c.joinToken,
		StateDir:           s.stateDir,
		SubmissionInterval: c.SubmissionInterval,
		Configurator:       a.remote,
		Spool: uplink.SpoolOptions{
			MaxBytes:    c.SpoolMaxBytes,
			MaxAge:      c.SpoolMaxAge,
			FlushAfter:  c.SpoolFlushAfter,
			MemoryBytes: c.SpoolMemoryBytes,
		},
		Host:   hostFacts(collect.Facts(s.host, own)),
		Logger: c.Logger,
	})
	if err != nil {
		return nil, err
	}
	a.probes = probe.NewSet(probe.Config{Pinger: a.uplink, Log: c.Logger})
	a.scheduler = collect.NewScheduler(c.Logger, a.uplink.Push, collect.Host(s.host, own)...)
	a.scheduler.Add(a.probes, collect.NewSelf(own, a.scheduler, buildinfo.Version(), a.ownValues()...))
	a.remote.scheduler, a.remote.probes, a.remote.uplink = a.scheduler, a.probes, a.uplink
	for _, s := range a.scheduler.Stats(nil) {
		a.remote.collectors = append(a.remote.collectors, s.Collector)
	}
	if err := a.remote.begin(); err != nil {
		return nil, errors.Join(err, a.uplink.Close())
	}
	return a, nil
}

// Connected reports whether a server has taken the agent in.
func (a *Agent) Connected() bool { return a.uplink.Connected() }

// prepareStateDir makes the folder and finds out whether it can be written to,
// so that an agent does not enrol and then lose who it is.
func prepareStateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("%w: the agent keeps its identity there, so its user must be able to write to it", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// lastRuns is how long an agent that ends waits for collectors and probes that
// are at work.
const lastRuns = 3 * time.Second

// Run measures and submits until ctx ends; it then gives the server a moment to
// acknowledge the last samples, and writes what it did not to disk. It returns
// an error when that is not possible, or when the agent cannot go on: it cannot
// enrol, or its identity is damaged.
func (a *Agent) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	// What is measured last is to leave too, so the uplink ends after those that
	// measure; but one that hangs must not keep what there is from the disk.
	uplinkCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastRuns, stop) })()
	group.Go(func() error { return a.uplink.Run(uplinkCtx) })
	measuring, ctx := errgroup.WithContext(ctx)
	measuring.Go(func() error { return a.probes.Run(ctx) })
	measuring.Go(func() error {
		_ = a.scheduler.Run(ctx) // the cause of ctx's end, which is known here
		return nil
	})
	group.Go(func() error {
		defer stop()
		return measuring.Wait()
	})
	return group.Wait()
}

// ownValues are what the uplink and the remote configuration tell of themselves.
func (a *Agent) ownValues() []collect.Value {
	value := func(name string, read func(uplink.Stats) float64) collect.Value {
		return collect.Value{Name: name, Read: func() float64 { return read(a.uplink.Stats()) }}
	}
	return append(a.losses(),
		value("sonde_agent_batches_pending", func(s uplink.Stats) float64 { return float64(s.Pending) }),
		value("sonde_agent_bytes_sent_total", func(s uplink.Stats) float64 { return float64(s.BytesSent) }),
		value("sonde_agent_samples_refused_total", func(s uplink.Stats) float64 { return float64(s.Refused) }),
		value("sonde_agent_reconnects_total", func(s uplink.Stats) float64 { return float64(s.Reconnects) }),
		value("sonde_agent_spool_bytes", func(s uplink.Stats) float64 { return float64(s.SpoolBytes) }),
		value("sonde_agent_spool_oldest_seconds", func(s uplink.Stats) float64 { return age(s.Oldest) }),
		value("sonde_agent_spool_degraded", func(s uplink.Stats) float64 {
			if s.Degraded {
				return 1
			}
			return 0
		}),
		collect.Value{Name: "sonde_agent_config_changes_total", Read: func() float64 { return float64(a.remote.changes.Load()) }},
		collect.Value{Name: "sonde_agent_config_rejections_total", Read: func() float64 { return float64(a.remote.rejections.Load()) }},
	)
}

// losses tell of dropped samples: how many, and which times they were of, so
// that the gap that they leave has its reason.
func (a *Agent) losses() []collect.Value {
	var values []collect.Value
	for i, reason := range uplink.LossReasons() {
		values = append(values,
			collect.Value{Name: "sonde_agent_samples_dropped_total", Reason: reason,
				Read: func() float64 { return float64(a.uplink.Lost(i).Samples) }},
			collect.Value{Name: "sonde_agent_dropped_first_timestamp_seconds", Reason: reason,
				Read: func() float64 { return moment(a.uplink.Lost(i).First) }},
			collect.Value{Name: "sonde_agent_dropped_last_timestamp_seconds", Reason: reason,
				Read: func() float64 { return moment(a.uplink.Lost(i).Last) }},
		)
	}
	return values
}

// moment returns a time in milliseconds as one in seconds; NaN for none.
func moment(ms int64) float64 {
	if ms == 0 {
		return math.NaN()
	}
	return float64(ms) / 1000
}

// age returns how many seconds ago t was; 0 for no time, and for one to come.
func age(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(time.Since(t).Seconds(), 0)
}

func hostFacts(f collect.HostFacts) *sondev1.HostFacts {
	m := &sondev1.HostFacts{
		Hostname:     f.Hostname,
		Os:           f.OS,
		Arch:         f.Arch,
		Kernel:       f.Kernel,
		OsRelease:    f.OSRelease,
		CpuModel:     f.CPUModel,
		CpuCount:     uint32(f.CPUCount),
		MemoryBytes:  f.MemoryBytes,
		Container:    f.Container,
		AgentVersion: buildinfo.Version(),
	}
	if !f.BootedAt.IsZero() {
		m.BootedAt = timestamppb.New(f.BootedAt)
	}
	return m
}

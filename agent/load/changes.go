package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"sonde.dev/sonde/agent"
)

// Changes finds out how soon a change of the configuration is in force.
//
// The agents are whole ones, in one process: each checks what it is told, flushes
// it to its own state folder, and changes its scheduler, as any agent does. They
// see a host without anything to measure, and submit what they count of
// themselves once a second.
type Changes struct {
	// Server is as the flag --server of sonde-agent.
	Server    string
	JoinToken string
	Agents    int
	// Count is how many changes are made, one after the other.
	Count int
	// StateDir is where the agents' state folders are made, and removed; empty
	// for the system's folder of temporary files. On one disk all agents wait for
	// the flushes of each other, which those of a fleet do not.
	StateDir string
	Logger   *slog.Logger
}

// Validate returns all that is wrong with c; names are those of the flags of
// `sonde bench config`.
func (c Changes) Validate() error {
	var errs []error
	if c.Agents < 1 || c.Agents > 10_000 {
		errs = append(errs, fmt.Errorf("count: %d is not 1 to 10000", c.Agents))
	}
	if c.Count < 1 || c.Count > 10_000 {
		errs = append(errs, fmt.Errorf("changes: %d is not 1 to 10000", c.Count))
	}
	return errors.Join(errs...)
}

// ChangeReport is what came of changes. The delays are those of each agent at
// each change, from before the call that made it until it was in force.
type ChangeReport struct {
	Agents, Changes int
	P50, P99, Max   time.Duration
}

// inForceLimit is how long all agents together may take for a change.
const inForceLimit = time.Minute

// Run enrols the agents, waits until all are connected, and makes the changes:
// change is called with their numbers, from 0, and must decide something new for
// every agent. The change 0 is not measured.
func (c Changes) Run(ctx context.Context, change func(ctx context.Context, number int) error) (ChangeReport, error) {
	dir, err := os.MkdirTemp(c.StateDir, "sonde-load-*")
	if err != nil {
		return ChangeReport{}, err
	}
	defer os.RemoveAll(dir)
	host := filepath.Join(dir, "host") // has nothing in it
	if err := os.Mkdir(host, 0o700); err != nil {
		return ChangeReport{}, err
	}
	inForce := make(chan time.Time, 2*c.Agents)
	agents := make([]*agent.Agent, c.Agents)
	for i := range agents {
		if agents[i], err = c.agent(filepath.Join(dir, fmt.Sprint(i)), host, func() { inForce <- time.Now() }); err != nil {
			return ChangeReport{}, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running, runCtx := errgroup.WithContext(ctx)
	for _, a := range agents {
		running.Go(func() error { return a.Run(runCtx) })
	}
	delays, err := c.measure(runCtx, agents, inForce, change)
	cancel()
	return reportOf(c, delays), errors.Join(running.Wait(), err)
}

// agent returns an agent that finds nothing to measure on its host but itself.
func (c Changes) agent(state, host string, inForce func()) (*agent.Agent, error) {
	return agent.New(agent.Config{
		Server:             c.Server,
		JoinToken:          c.JoinToken,
		StateDir:           state,
		ProcRoot:           host,
		SysRoot:            host,
		RootFS:             host,
		SubmissionInterval: time.Second,
		DefaultProbes:      []string{"none"},
		SpoolMaxBytes:      inMemory.MaxBytes,
		SpoolMaxAge:        inMemory.MaxAge,
		SpoolFlushAfter:    agent.MaxSpoolFlushAfter,
		SpoolMemoryBytes:   agent.MinSpoolMemoryBytes,
		Logger:             c.Logger,
		InForce:            inForce,
	})
}

func (c Changes) measure(ctx context.Context, agents []*agent.Agent, inForce chan time.Time, change func(context.Context, int) error) ([]time.Duration, error) {
	all := func() bool {
		return !slices.ContainsFunc(agents, func(a *agent.Agent) bool { return !a.Connected() })
	}
	if err := await(ctx, all); err != nil {
		return nil, err
	}
	var delays []time.Duration
	for number := range c.Count + 1 {
		begun := time.Now()
		if err := change(ctx, number); err != nil {
			return delays, err
		}
		timeout := time.After(inForceLimit)
		for n := range agents {
			select {
			case at := <-inForce:
				if number > 0 {
					delays = append(delays, at.Sub(begun))
				}
			case <-timeout:
				return delays, fmt.Errorf("change %d is in force at %d of %d agents after %v", number, n, len(agents), inForceLimit)
			case <-ctx.Done():
				return delays, context.Cause(ctx)
			}
		}
	}
	return delays, nil
}

func reportOf(c Changes, delays []time.Duration) ChangeReport {
	r := ChangeReport{Agents: c.Agents, Changes: c.Count}
	if len(delays) == 0 {
		return r
	}
	slices.Sort(delays)
	quantile := func(q float64) time.Duration { return delays[int(math.Ceil(q*float64(len(delays))))-1] }
	r.P50, r.P99, r.Max = quantile(0.5), quantile(0.99), quantile(1)
	return r
}

// Package load runs many agents in one process, with the real uplink and
// made-up samples, to find out what a server bears.
//
// Each agent enrols, keeps a stream of its own and submits as a real one does.
// The values are those of a host: counters that grow by small steps, gauges that
// wander, and some that stand still. All agents of a load take their ticks at
// the same instants and share the memory of the values.
package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"sonde.dev/sonde/agent/internal/sample"
	"sonde.dev/sonde/agent/internal/uplink"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// Config says how much load.
type Config struct {
	// Server is as the flag --server of sonde-agent.
	Server    string
	JoinToken string
	// Agents is how many there are, Series how many series each has.
	Agents, Series int
	// Interval is the time between two samples of a series, Submission that
	// between two batches.
	Interval, Submission time.Duration
	// Duration is how long samples are taken, once every agent has connected.
	Duration time.Duration
	// WarmUp is how much of the duration passes before acknowledgements count for
	// the delays.
	WarmUp time.Duration
	Logger *slog.Logger
}

// Validate returns all that is wrong with c; names are those of the flags of
// `sonde bench agents`.
func (c Config) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	_, err := uplink.ParseServers(c.Server)
	wrong(err != nil, "server: %w", err)
	wrong(c.Agents < 1 || c.Agents > 100_000, "count: %d is not 1 to 100000", c.Agents)
	wrong(c.Series < 1 || c.Series > 10_000, "series: %d is not 1 to 10000", c.Series)
	wrong(c.Interval < 10*time.Millisecond, "interval: %v is shorter than 10ms", c.Interval)
	wrong(c.Submission < c.Interval, "submission-interval: %v is shorter than the interval of samples, %v", c.Submission, c.Interval)
	wrong(c.Duration < c.Submission, "duration: %v is shorter than the submission interval, %v", c.Duration, c.Submission)
	wrong(c.WarmUp < 0 || c.WarmUp >= c.Duration, "warm-up: %v is not 0s to less than the duration, %v", c.WarmUp, c.Duration)
	return errors.Join(errs...)
}

// Report is what came of a load.
type Report struct {
	Agents     int
	Connecting time.Duration // until every agent had connected
	// Taken, Stored, Dropped and Refused count samples: dropped are those that an
	// agent's queue had no room for, refused those that the server would not
	// store. What is left of Taken was not acknowledged by the end.
	Taken, Stored, Dropped, Refused uint64
	PayloadBytes                    uint64
	Reconnects                      uint64
	// AckP50, AckP99 and AckMax are from sealing a batch to its
	// acknowledgement, after the warm-up, within 4.4 % above the true value.
	AckP50, AckP99, AckMax time.Duration
}

// Lost is how many samples were taken and are not known to be stored.
func (r Report) Lost() uint64 { return r.Taken - r.Stored }

// Unacknowledged is how many samples the server had not answered for when the
// agents gave up waiting.
func (r Report) Unacknowledged() uint64 { return r.Taken - r.Stored - r.Dropped - r.Refused }

// inMemory keeps the spools in memory, since many agents that share a disk would
// measure that, and open no file each.
var inMemory = uplink.SpoolOptions{
	MaxBytes: 16 << 20, MaxAge: 24 * time.Hour, FlushAfter: 24 * time.Hour, MemoryBytes: 32 << 20, Unlocked: true,
}

// Run enrols the agents, waits until all are connected, takes samples for the
// duration, and waits for their acknowledgement. measure, if not nil, is called
// when the first sample is about to be taken.
func Run(ctx context.Context, c Config, measure func()) (Report, error) {
	servers, err := uplink.ParseServers(c.Server)
	if err != nil {
		return Report{}, err
	}
	dir, err := os.MkdirTemp("", "sonde-load-*")
	if err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(dir)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running, runCtx := errgroup.WithContext(ctx)
	uplinks := make([]*uplink.Uplink, c.Agents)
	for i := range uplinks {
		state := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(state, 0o700); err != nil {
			return Report{}, err
		}
		uplinks[i], err = uplink.New(uplink.Config{
			Servers:            servers,
			JoinToken:          func() (string, error) { return c.JoinToken, nil },
			StateDir:           state,
			SubmissionInterval: c.Submission,
			Spool:              inMemory,
			Host:               &sondev1.HostFacts{Hostname: fmt.Sprintf("load-%05d", i)},
			Logger:             c.Logger,
		})
		if err != nil {
			return Report{}, err
		}
		running.Go(func() error { return uplinks[i].Run(runCtx) })
	}
	report := Report{Agents: c.Agents}
	begun := time.Now()
	if err := await(runCtx, func() bool { return connected(uplinks) == c.Agents }); err != nil {
		cancel()
		return report, errors.Join(running.Wait(), err)
	}
	report.Connecting = time.Since(begun)
	if measure != nil {
		measure()
	}
	warmUp := drive(runCtx, c, uplinks)
	settle, stop := context.WithTimeout(runCtx, c.Submission+30*time.Second)
	await(settle, func() bool { return settled(uplinks) })
	stop()
	cancel()
	err = running.Wait()
	report.add(uplinks, warmUp)
	return report, err
}

// drive pushes ticks to all uplinks at every multiple of the interval that lies
// within the duration. It returns the delays of the acknowledgements that came
// within the warm-up.
func drive(ctx context.Context, c Config, uplinks []*uplink.Uplink) (warmUp distribution) {
	h := NewHost(c.Series)
	schema := h.schema()
	begun := time.Now()
	warm := c.WarmUp == 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for next := begun.Truncate(c.Interval).Add(c.Interval); next.Sub(begun) <= c.Duration; next = next.Add(c.Interval) {
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return warmUp
		}
		tick := sample.Tick{Schema: schema, Time: next.UnixMilli(), Floats: slices.Clone(h.Next())}
		for _, u := range uplinks {
			u.Push(tick)
		}
		if !warm && next.Sub(begun) >= c.WarmUp {
			warm = true
			for _, u := range uplinks {
				warmUp.merge(u.AckDelay())
			}
		}
	}
	return warmUp
}

func (r *Report) add(uplinks []*uplink.Uplink, warmUp distribution) {
	var delay distribution
	for _, u := range uplinks {
		s := u.Stats()
		r.Taken += s.Samples
		r.Stored += s.Acked - s.Refused // a refused sample is acknowledged with its batch
		r.Dropped += s.Dropped
		r.Refused += s.Refused
		r.PayloadBytes += s.BytesSent
		r.Reconnects += s.Reconnects
		delay.merge(u.AckDelay())
	}
	delay.remove(warmUp)
	r.AckP50, r.AckP99, r.AckMax = delay.quantile(0.5), delay.quantile(0.99), delay.quantile(1)
}

func connected(uplinks []*uplink.Uplink) (n int) {
	for _, u := range uplinks {
		if u.Connected() {
			n++
		}
	}
	return n
}

// settled reports whether nothing waits to be sent or acknowledged.
func settled(uplinks []*uplink.Uplink) bool {
	for _, u := range uplinks {
		if s := u.Stats(); s.Samples > s.Acked+s.Dropped {
			return false
		}
	}
	return true
}

func await(ctx context.Context, done func() bool) error {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !done() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

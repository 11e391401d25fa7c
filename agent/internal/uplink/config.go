package uplink

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sonde.dev/sonde/agent/internal/desired"
	"sonde.dev/sonde/agent/internal/probe"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// Configurator puts in force what a server decides. The uplink calls Configure
// one at a time, and ConfigHash also at other times.
type Configurator interface {
	// Configure puts state in force and keeps it for the next start, or returns
	// everything that is wrong with it; then nothing of it is in force or kept.
	Configure(state desired.State) []desired.FieldError
	// ConfigHash returns the hash of the state in force.
	ConfigHash() uint64
}

const (
	// maxUpdates bounds the updates of a stream that wait to be put in force.
	// Beyond it the oldest goes unanswered: a later one replaces it anyway.
	maxUpdates = 8
	// maxFieldErrors and maxFieldErrorBytes bound what a refusal says.
	maxFieldErrors     = 100
	maxFieldErrorBytes = 1024
)

// SetSubmissionInterval changes how often a batch leaves: what is gathered now
// does so at once, and the next batch at the next multiple of d. It is safe for
// concurrent use.
func (u *Uplink) SetSubmissionInterval(d time.Duration) {
	if time.Duration(u.interval.Swap(int64(d))) == d {
		return
	}
	select {
	case u.retime <- struct{}{}:
	default:
	}
}

func (u *Uplink) submissionInterval() time.Duration { return time.Duration(u.interval.Load()) }

func (u *Uplink) configHash() uint64 {
	if u.cfg.Configurator == nil {
		return 0
	}
	return u.cfg.Configurator.ConfigHash()
}

// updated takes an update from the receiver, which must not wait for the disk
// that keeps it.
func (s *stream) updated(m *sondev1.ConfigUpdate) {
	for {
		select {
		case s.updates <- m:
			return
		default:
		}
		select {
		case <-s.updates:
		default:
		}
	}
}

// configure puts updates in force until the stream or the agent ends. An agent
// that is about to end answers no more: what it says at its next start counts.
func (s *stream) configure(ctx, streamCtx context.Context) {
	for {
		var m *sondev1.ConfigUpdate
		select {
		case m = <-s.updates:
		case <-ctx.Done():
			return
		case <-streamCtx.Done():
			return
		}
		errs := s.u.cfg.Configurator.Configure(stateOf(m))
		result := &sondev1.ConfigResult{
			Hash:                 m.Hash,
			Errors:               fieldErrors(errs),
			SubmissionIntervalMs: uint32(s.u.submissionInterval().Milliseconds()),
		}
		if ctx.Err() != nil {
			return
		}
		select {
		case s.results <- result:
		case <-ctx.Done():
			return
		case <-streamCtx.Done():
			return
		}
	}
}

// stateOf returns what m says. Without a hash or settings nothing is decided.
func stateOf(m *sondev1.ConfigUpdate) desired.State {
	state := desired.State{Hash: m.GetHash()}
	from := m.GetSettings()
	if state.Hash == 0 || from == nil {
		return state
	}
	to := &state.Settings
	to.SubmissionInterval = optional(from.SubmissionIntervalMs)
	if len(from.Collectors) > 0 {
		to.Collectors = make(map[string]desired.Collector, len(from.Collectors))
	}
	for name, c := range from.Collectors {
		to.Collectors[name] = desired.Collector{Enabled: c.Enabled, Interval: optional(c.IntervalMs)}
	}
	if len(from.Probes) > 0 {
		to.Probes = make(map[string]desired.Probe, len(from.Probes))
	}
	for name, p := range from.Probes {
		to.Probes[name] = probeOf(name, p)
	}
	return state
}

func probeOf(name string, p *sondev1.ProbeSettings) desired.Probe {
	if p.GetDisabled() {
		return desired.Probe{Disabled: true}
	}
	return desired.Probe{Spec: probe.Spec{
		Name:     name,
		Kind:     probe.Kind(p.GetKind()),
		Target:   p.GetTarget(),
		Interval: milliseconds(p.GetIntervalMs()),
		Timeout:  milliseconds(p.GetTimeoutMs()),
		HTTP: probe.HTTPOptions{
			Method:     p.GetHttp().GetMethod(),
			Status:     p.GetHttp().GetStatus(),
			Redirects:  int(p.GetHttp().GetRedirects()),
			SkipVerify: p.GetHttp().GetSkipVerify(),
		},
		DNS: probe.DNSOptions{
			Name:  p.GetDns().GetName(),
			Type:  p.GetDns().GetType(),
			Rcode: p.GetDns().GetRcode(),
		},
	}}
}

func milliseconds(ms uint32) probe.Duration {
	return probe.Duration(time.Duration(ms) * time.Millisecond)
}

func optional(ms *uint32) *probe.Duration {
	if ms == nil {
		return nil
	}
	d := milliseconds(*ms)
	return &d
}

// fieldErrors returns errs within the bounds of what a refusal says.
func fieldErrors(errs []desired.FieldError) []*sondev1.FieldError {
	var list []*sondev1.FieldError
	for i, e := range errs {
		if i == maxFieldErrors {
			return append(list, &sondev1.FieldError{Message: fmt.Sprintf("%d more fields are wrong", len(errs)-i)})
		}
		list = append(list, &sondev1.FieldError{Field: shorten(e.Field), Message: shorten(e.Message)})
	}
	return list
}

func shorten(s string) string {
	if len(s) <= maxFieldErrorBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxFieldErrorBytes], "") + "…"
}

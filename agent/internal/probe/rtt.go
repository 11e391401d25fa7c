package probe

import (
	"context"
	"errors"
)

// errNoPinger is an agent without a stream.
var errNoPinger = errors.New("no stream to measure")

func checkRTT(s *Spec) error { return checkText(s.Target) }

// rttProber measures the agent's own stream.
type rttProber struct {
	pinger Pinger
}

func newRTTProber(_ Spec, cfg *Config) prober { return &rttProber{pinger: cfg.Pinger} }

func (p *rttProber) attempt(ctx context.Context, a *attempt) (Outcome, error) {
	if p.pinger == nil {
		return Unreachable, errNoPinger
	}
	took, err := p.pinger.Ping(ctx)
	switch {
	case err == nil:
		a.add(phaseTotal, took)
		return Success, nil
	case ctx.Err() != nil:
		return Timeout, err
	}
	return Unreachable, err
}

func (p *rttProber) close() error { return nil }

package ingest

import (
	"context"
	"slices"
	"time"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
)

// credentialFeature is the feature of agents that take a CredentialUpdate.
const credentialFeature = "credential-update"

// rotateRetry is how long after a credential that could not be given, or that an
// agent did not take, the next is.
const rotateRetry = time.Hour

// settleCredential makes the credential that the session came with the agent's
// only one, where it was given another: it says which of the two it has. It returns
// the agent as it is then.
func (s *session) settleCredential(ctx context.Context, known fleet.Agent) (fleet.Agent, error) {
	if !known.CredentialStaged {
		return known, nil
	}
	if err := s.in.cfg.Registrar.Settle(ctx, known.ID, *s.credential.Load()); err != nil {
		return fleet.Agent{}, err
	}
	return s.in.identify(ctx, s)
}

// keepFresh gives the agent a new credential whenever its own has reached its
// lifetime, and now if another server was asked to, until the session ends. It
// must be called before the agent is read from.
func (s *session) keepFresh(ctx context.Context, known fleet.Agent) {
	if known.RotationAsked {
		s.rotateAsAsked(ctx)
	}
	if lifetime := s.in.cfg.CredentialLifetime; lifetime != 0 && s.takesCredentials {
		s.rotateAfter(ctx, max(known.CredentialIssuedAt.Add(lifetime).Sub(s.in.cfg.Now()), 0))
	}
}

// rotateAfter rotates after some time, in place of when that was to happen before.
func (s *session) rotateAfter(ctx context.Context, d time.Duration) {
	before := s.aging.Swap(time.AfterFunc(d, func() {
		select {
		case <-s.ended:
			return
		default:
		}
		if err := s.rotate(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("giving the agent a new credential", "error", err)
		}
		s.rotateAfter(ctx, rotateRetry)
	}))
	if before != nil {
		before.Stop()
	}
}

// Rotate implements [fleet.Live].
func (in *Ingest) Rotate(ctx context.Context, agentID string) error {
	s := in.session(agentID)
	switch {
	case s == nil:
		return fleet.Errorf(fleet.State, "the agent is not connected")
	case !s.takesCredentials:
		return errTakesNone
	}
	return s.rotate(ctx)
}

var errTakesNone = fleet.Errorf(fleet.State, "the agent is of a version that takes no new credential: let it enrol anew with a join token made for it")

// rotateAsAsked rotates for another server, whose caller has long been answered:
// why it cannot be is on the agent's page.
func (s *session) rotateAsAsked(ctx context.Context) {
	select {
	case <-s.ended:
		return
	default:
	}
	if s.rotates() {
		return
	}
	err := errTakesNone
	if s.takesCredentials {
		err = s.rotate(ctx)
	}
	if err != nil {
		s.log.Warn("giving the agent the new credential that another server was asked for", "error", err)
		s.agent.failed(err, s.in.cfg.Now())
	}
}

// rotates reports whether the agent has not answered to a new credential yet.
func (s *session) rotates() bool {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	return s.staged != ""
}

// rotate sends a new credential, which works from then on beside the one before,
// until the agent's answer or its next session says which one it has.
//
// There is one at a time: a second would take the place of one that the agent may
// have stored already, and that would then be worth nothing.
func (s *session) rotate(ctx context.Context) error {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	if s.staged != "" {
		return fleet.Errorf(fleet.State, "the agent has not answered to its last new credential yet")
	}
	next, err := s.in.cfg.Registrar.Stage(ctx, s.agentID)
	if err != nil {
		return err
	}
	s.staged = next
	s.out.add(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_CredentialUpdate{
		CredentialUpdate: &sondev1.CredentialUpdate{Credential: string(next)},
	}})
	return nil
}

// renewed takes the agent's answer to a new credential.
func (s *session) renewed(ctx context.Context, m *sondev1.CredentialResult) error {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	next := s.staged
	s.staged = ""
	switch {
	case next == "":
		return fleet.Errorf(fleet.Invalid, "credential_result answers no credential_update")
	case m.Error != "":
		s.log.Warn("the agent did not take its new credential, and keeps the one before", "why", m.Error)
		s.agent.failed(fleet.Errorf(fleet.State, "the agent did not take a new credential: %.256s", m.Error), s.in.cfg.Now())
		return s.in.cfg.Registrar.Settle(ctx, s.agentID, *s.credential.Load())
	}
	// Both work until it is settled, so that nobody finds one that does not.
	s.credential.Store(&next)
	if err := s.in.cfg.Registrar.Settle(ctx, s.agentID, next); err != nil {
		return err
	}
	s.in.metrics.rotated.Inc()
	s.log.Info("the agent has a new credential")
	if lifetime := s.in.cfg.CredentialLifetime; lifetime != 0 {
		s.rotateAfter(ctx, lifetime)
	}
	return nil
}

// maxSuperseded bounds the boots of an agent that are remembered as replaced.
const maxSuperseded = 16

// copied says whether a session is of a process that was replaced by another one,
// which still has the stream: no process that ended comes back, so there are two
// at a time with one credential. It must be called under Ingest.mu.
func (a *agent) copied(s *session) bool {
	return a.session != nil && a.session.boot != s.boot && slices.Contains(a.superseded, s.boot)
}

// replaced remembers the boot of a session that another process takes the place
// of. It must be called under Ingest.mu.
func (a *agent) replaced(old, by *session) {
	if old.boot != by.boot {
		a.supersede(old.boot)
	}
}

// supersede remembers a boot. It must be called under Ingest.mu.
func (a *agent) supersede(boot string) {
	if slices.Contains(a.superseded, boot) {
		return
	}
	if len(a.superseded) == maxSuperseded {
		a.superseded = a.superseded[1:]
	}
	a.superseded = append(a.superseded, boot)
}

// turnAway refuses a session of a copy, and shows it.
func (in *Ingest) turnAway(s *session, hostname string) error {
	clone := fleet.Clone{SeenAt: in.cfg.Now(), Hostname: hostname, Address: s.peer.Address}
	s.agent.mu.Lock()
	s.agent.clone = clone
	s.agent.mu.Unlock()
	in.metrics.clones.Inc()
	in.cfg.Logger.Warn("two processes have the credential of one agent", "agent", s.agentID, "address", clone.Address, "hostname", clone.Hostname)
	return fleet.Errorf(fleet.Exists, "another process is connected as this agent: one of the two works with a copy of the other's state folder; "+
		"remove identity.json from the copy's, and let it join with a token")
}

package fleet

import (
	"context"
	"time"
)

// Registrar lets agents in. Safe for concurrent use.
type Registrar struct {
	store Store
	now   func() time.Time
	// enrolling has a place for each enrolment under way.
	enrolling chan struct{}
}

// Each enrolment is a transaction, and all of them wait for one writer. When a
// whole fleet enrols at once, a longer queue would keep each for longer than its
// agent waits, and hardly any would succeed.
const (
	maxEnrolling = 32
	// enrollWait is how long an enrolment waits for its place. Agents wait for
	// ten seconds.
	enrollWait = 2 * time.Second
)

// NewRegistrar returns a registrar over a store; now is the clock.
func NewRegistrar(store Store, now func() time.Time) *Registrar {
	return &Registrar{store: store, now: now, enrolling: make(chan struct{}, maxEnrolling)}
}

// Enroll takes a new agent in, or one for which the token was made again. The
// name of a new one is its hostname, with a number behind it where that is
// taken. The credential is returned once and never again, with the token that
// let the agent in.
//
// Unauthenticated: the token is unknown, used up or expired. Invalid: a fact is
// out of bounds. Limit: there are [MaxAgents]. Unavailable: too many enrol at
// this moment.
func (r *Registrar) Enroll(ctx context.Context, token Secret, host HostFacts) (Agent, JoinToken, Secret, error) {
	token = token.WithoutPin()
	if !token.hasForm(joinPrefix) {
		return Agent{}, JoinToken{}, "", Errorf(Unauthenticated,
			"this is no join token: one begins with %s, and is made on the page Access or stands in the file join-token of the server's data directory", joinPrefix)
	}
	if err := host.Validate(); err != nil {
		return Agent{}, JoinToken{}, "", err
	}
	timeout := time.NewTimer(enrollWait)
	defer timeout.Stop()
	select {
	case r.enrolling <- struct{}{}:
		defer func() { <-r.enrolling }()
	case <-timeout.C:
		return Agent{}, JoinToken{}, "", Errorf(Unavailable, "too many agents enrol at this moment: try again in some seconds")
	case <-ctx.Done():
		return Agent{}, JoinToken{}, "", ctx.Err()
	}
	credential := newSecret(agentPrefix)
	agent, used, err := r.store.EnrollAgent(ctx, token.hash(), Agent{
		ID:         newID(),
		Name:       nameOf(host.Hostname),
		Host:       host,
		EnrolledAt: r.now(),
	}, credential.hash())
	if err != nil {
		return Agent{}, JoinToken{}, "", err
	}
	return agent, used, credential, nil
}

// Authenticate returns the agent that a credential belongs to. Unauthenticated:
// it is unknown or revoked.
func (r *Registrar) Authenticate(ctx context.Context, credential Secret) (Agent, error) {
	unknown := func(cause error) error {
		return Wrapf(Unauthenticated, cause, "the agent's credential is unknown or was revoked: enrol again")
	}
	if !credential.hasForm(agentPrefix) {
		return Agent{}, unknown(nil)
	}
	agent, err := r.store.AgentByCredential(ctx, credential.hash())
	if ErrorCode(err) == NotFound {
		return Agent{}, unknown(err)
	}
	return agent, err
}

// Stage makes a further credential for an agent, which works beside the one
// before until [Registrar.Settle]. NotFound.
func (r *Registrar) Stage(ctx context.Context, agentID string) (Secret, error) {
	credential := newSecret(agentPrefix)
	if err := r.store.StageCredential(ctx, agentID, credential.hash(), r.now()); err != nil {
		return "", err
	}
	return credential, nil
}

// Settle makes the credential that an agent is known to have its only one.
// NotFound: it is none of its.
func (r *Registrar) Settle(ctx context.Context, agentID string, credential Secret) error {
	return r.store.SettleCredential(ctx, agentID, credential.hash())
}

// Seen stores when agents were last seen, and the facts that they stated then.
// One call is one durable write however many agents it names: sessions gather
// them. Agents that were removed meanwhile are passed over. Invalid: a fact is
// out of bounds; then nothing is stored.
func (r *Registrar) Seen(ctx context.Context, sightings ...Sighting) error {
	if len(sightings) == 0 {
		return nil
	}
	for _, s := range sightings {
		if s.Host == nil {
			continue
		}
		if err := s.Host.Validate(); err != nil {
			return err
		}
	}
	return r.store.SeeAgents(ctx, sightings)
}

package uplink

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"

	"connectrpc.com/connect"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// identify loads the agent's identity or enrols, for as long as it takes, and
// then trusts whom the identity says.
func (u *Uplink) identify(ctx context.Context) error {
	id, ok, err := loadIdentity(u.cfg.StateDir)
	if err != nil {
		return err
	}
	if ok {
		return u.adopt(id)
	}
	token, err := u.cfg.JoinToken()
	if err != nil {
		return err
	}
	return u.join(ctx, token)
}

// join enrols with a token at one of the servers. Its errors are those that
// trying again cannot mend, and ctx's.
func (u *Uplink) join(ctx context.Context, token string) error {
	pin, isPinned, err := pinOf(token)
	if err != nil {
		return err
	}
	retry := newRetry(u.log)
	for attempt := rand.IntN(len(u.cfg.Servers)); ; attempt++ {
		server := u.cfg.Servers[attempt%len(u.cfg.Servers)]
		u.warnInTheClear(server)
		var id identity
		if isPinned && u.cfg.CAFile == "" && strings.HasPrefix(server, "https://") {
			id, err = u.enrolPinned(ctx, server, token, pin)
		} else {
			id, err = u.enrol(ctx, newServiceClient(u.http, server), token)
		}
		if err == nil {
			u.log.Info("enrolled", "server", server, "agent", id.AgentID)
			if err := id.save(u.cfg.StateDir); err != nil {
				return err
			}
			return u.adopt(id)
		}
		if mismatch, ok := errors.AsType[*mismatchError](err); ok {
			return fmt.Errorf("enrolling at %s: %w", server, mismatch)
		}
		switch connect.CodeOf(err) {
		case connect.CodeUnauthenticated, connect.CodeInvalidArgument, connect.CodePermissionDenied:
			return fmt.Errorf("enrolling at %s: %s", server, message(err))
		}
		if err := retry.wait(ctx, server, err); err != nil {
			return err
		}
	}
}

// enrolPinned enrols at a server whose authority has a fingerprint, and keeps the
// authority.
func (u *Uplink) enrolPinned(ctx context.Context, server, token string, pin [32]byte) (identity, error) {
	var authority *x509.Certificate
	config, err := pinned(server, pin, func(c *x509.Certificate) { authority = c })
	if err != nil {
		return identity{}, err
	}
	client := newHTTPClient(config)
	defer client.CloseIdleConnections()
	id, err := u.enrol(ctx, newServiceClient(client, server), token)
	if err == nil {
		id.ServerCA = pemOf(authority)
	}
	return id, err
}

func (u *Uplink) enrol(ctx context.Context, client serviceClient, token string) (identity, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	ctx, call := connect.NewClientContext(ctx)
	call.RequestHeader().Set("User-Agent", userAgent())
	res, err := client.Enroll(ctx, &sondev1.EnrollRequest{JoinToken: token, Host: u.cfg.Host})
	if err != nil {
		return identity{}, err
	}
	return identity{AgentID: res.AgentId, Credential: res.Credential, JoinedWith: tokenHash(token)}, nil
}

// adopt makes id the agent's identity.
func (u *Uplink) adopt(id identity) error {
	if id.ServerCA != "" && u.cfg.CAFile == "" {
		config, ok := pemRoots(id.ServerCA)
		if !ok {
			return fmt.Errorf("%s is damaged: its server_ca is no certificate; remove the file, and this agent enrols anew with its join token", identityPath(u.cfg.StateDir))
		}
		u.http.CloseIdleConnections()
		u.http = newHTTPClient(config)
	}
	u.self.Store(&id)
	return nil
}

// rejoin enrols anew when the server does not know the agent any more and there
// is another join token than the one that it enrolled with: somebody has put it
// there for this. It tries each token once. What waits in the spool is kept, and
// goes to the server under the identity that comes out of it.
func (u *Uplink) rejoin(ctx context.Context) bool {
	token, err := u.cfg.JoinToken()
	if err != nil {
		return false
	}
	hash := tokenHash(token)
	if id := u.self.Load(); id.JoinedWith == "" || id.JoinedWith == hash || u.tried == hash {
		return false
	}
	u.tried = hash
	u.log.Info("the server does not know this agent any more, and there is a new join token: enrolling with it")
	if err := u.join(ctx, token); err != nil {
		u.log.Error("enrolling anew", "error", err)
		return false
	}
	return true
}

// renew stores a new credential, and says what came of it. It is in force from
// the next stream on.
func (u *Uplink) renew(update *sondev1.CredentialUpdate) *sondev1.CredentialResult {
	id := *u.self.Load()
	if id.Credential = update.Credential; id.Credential == "" {
		return &sondev1.CredentialResult{Error: "the credential is empty"}
	}
	if err := id.save(u.cfg.StateDir); err != nil {
		u.log.Error("a new credential cannot be stored, and the one before stays", "error", err)
		return &sondev1.CredentialResult{Error: err.Error()}
	}
	u.self.Store(&id)
	u.log.Info("the server gave a new credential")
	return &sondev1.CredentialResult{}
}

// warnInTheClear warns once of a server to which secrets travel unencrypted.
func (u *Uplink) warnInTheClear(server string) {
	address, err := url.Parse(server)
	if err != nil || address.Scheme != "http" || isLoopback(address.Hostname()) || u.warned {
		return
	}
	u.warned = true
	u.log.Warn("the server's address begins with http://: anybody on the way can read the agent's credential and its samples", "server", server)
}

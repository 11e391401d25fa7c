package rpc

import (
	"context"
	"fmt"
	"strings"
	"time"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
)

// ListApiTokens implements AccessService.
func (s *accessService) ListApiTokens(ctx context.Context, _ *sondev1.ListApiTokensRequest) (*sondev1.ListApiTokensResponse, error) {
	tokens, err := s.admission.APITokens(ctx)
	if err != nil {
		return nil, err
	}
	res := &sondev1.ListApiTokensResponse{Tokens: make([]*sondev1.ApiToken, len(tokens))}
	for i, t := range tokens {
		res.Tokens[i] = apiTokenMessage(t)
	}
	return res, nil
}

// CreateApiToken implements AccessService.
func (s *accessService) CreateApiToken(ctx context.Context, req *sondev1.CreateApiTokenRequest) (*sondev1.CreateApiTokenResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	lifetime := time.Duration(req.LifetimeSeconds) * time.Second
	describe(ctx, "token:"+req.Name, fmt.Sprintf("role %s, %s", roleFrom(req.Role), lifetimeText(lifetime)))
	token, secret, err := s.admission.CreateAPIToken(ctx, p, req.Name, roleFrom(req.Role), lifetime)
	if err != nil {
		return nil, err
	}
	return &sondev1.CreateApiTokenResponse{Token: apiTokenMessage(token), Secret: string(secret)}, nil
}

// RevokeApiToken implements AccessService.
func (s *accessService) RevokeApiToken(ctx context.Context, req *sondev1.RevokeApiTokenRequest) (*sondev1.RevokeApiTokenResponse, error) {
	describe(ctx, "token:"+req.Name, "")
	if err := s.admission.RevokeAPIToken(ctx, req.Name); err != nil {
		return nil, err
	}
	return &sondev1.RevokeApiTokenResponse{}, nil
}

// ListJoinTokens implements AccessService.
func (s *accessService) ListJoinTokens(ctx context.Context, _ *sondev1.ListJoinTokensRequest) (*sondev1.ListJoinTokensResponse, error) {
	tokens, err := s.admission.JoinTokens(ctx)
	if err != nil {
		return nil, err
	}
	res := &sondev1.ListJoinTokensResponse{Tokens: make([]*sondev1.JoinToken, len(tokens))}
	for i, t := range tokens {
		res.Tokens[i] = joinTokenMessage(t)
	}
	return res, nil
}

// CreateJoinToken implements AccessService.
func (s *accessService) CreateJoinToken(ctx context.Context, req *sondev1.CreateJoinTokenRequest) (*sondev1.CreateJoinTokenResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	describe(ctx, "join-token:"+req.Name, "")
	token, secret, err := s.admission.CreateJoinToken(ctx, p, fleet.JoinTokenSpec{
		Name: req.Name, Lifetime: time.Duration(req.LifetimeSeconds) * time.Second,
		Uses: int(req.Uses), Labels: req.Labels, AgentID: req.AgentId,
	})
	if err != nil {
		return nil, err
	}
	describe(ctx, "join-token:"+token.Name, joinTokenDetail(token))
	if s.reach.Pin != nil {
		secret = secret.WithPin(*s.reach.Pin)
	}
	return &sondev1.CreateJoinTokenResponse{Token: joinTokenMessage(token), Secret: string(secret)}, nil
}

func joinTokenDetail(t fleet.JoinToken) string {
	detail := []string{"any number of agents"}
	switch {
	case t.AgentID != "":
		detail[0] = "agent " + t.AgentID
	case t.UsesLeft == 1:
		detail[0] = "one agent"
	case t.UsesLeft > 1:
		detail[0] = fmt.Sprintf("%d agents", t.UsesLeft)
	}
	if t.ExpiresAt.IsZero() {
		detail = append(detail, lifetimeText(0))
	} else {
		detail = append(detail, lifetimeText(t.ExpiresAt.Sub(t.CreatedAt)))
	}
	if len(t.Labels) > 0 {
		detail = append(detail, "labels "+labelText(t.Labels))
	}
	return strings.Join(detail, ", ")
}

func lifetimeText(d time.Duration) string {
	if d == 0 {
		return "does not expire"
	}
	return "for " + d.String()
}

// RevokeJoinToken implements AccessService.
func (s *accessService) RevokeJoinToken(ctx context.Context, req *sondev1.RevokeJoinTokenRequest) (*sondev1.RevokeJoinTokenResponse, error) {
	describe(ctx, "join-token:"+req.Name, "")
	if err := s.admission.RevokeJoinToken(ctx, req.Name); err != nil {
		return nil, err
	}
	return &sondev1.RevokeJoinTokenResponse{}, nil
}

// ListAuditEntries implements AccessService.
func (s *accessService) ListAuditEntries(ctx context.Context, req *sondev1.ListAuditEntriesRequest) (*sondev1.ListAuditEntriesResponse, error) {
	entries, more, err := s.audit.List(ctx, req.Before, int(req.PageSize), req.Search)
	if err != nil {
		return nil, err
	}
	res := &sondev1.ListAuditEntriesResponse{Entries: make([]*sondev1.AuditEntry, len(entries)), More: more}
	for i, e := range entries {
		res.Entries[i] = &sondev1.AuditEntry{
			Id: e.ID, Time: timestamp(e.Time), Actor: e.Actor, Address: e.Address, Action: e.Action,
			Target: e.Target, Detail: e.Detail, ErrorCode: e.ErrorCode, RequestId: e.RequestID,
		}
	}
	return res, nil
}

func apiTokenMessage(t fleet.APIToken) *sondev1.ApiToken {
	return &sondev1.ApiToken{
		Name: t.Name, Role: roleMessages[t.Role], CreatedAt: timestamp(t.CreatedAt), CreatedBy: t.CreatedBy,
		ExpiresAt: timestamp(t.ExpiresAt), LastUsedAt: timestamp(t.LastUsedAt),
	}
}

func joinTokenMessage(t fleet.JoinToken) *sondev1.JoinToken {
	m := &sondev1.JoinToken{
		Name: t.Name, CreatedAt: timestamp(t.CreatedAt), CreatedBy: t.CreatedBy, ExpiresAt: timestamp(t.ExpiresAt),
		Uses: uint32(t.Uses), Labels: t.Labels, AgentId: t.AgentID,
	}
	if t.UsesLeft >= 0 {
		m.UsesLeft = new(uint32(t.UsesLeft))
	}
	return m
}

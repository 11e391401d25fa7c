package rpc

import (
	"context"
	"net/http"
	"net/url"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
	"sonde.dev/sonde/server/internal/fleet"
)

// accessService implements AccessService.
type accessService struct {
	sondev1connect.UnimplementedAccessServiceHandler
	access *fleet.Access
}

// NewAccessHandler serves the AccessService.
func NewAccessHandler(a *fleet.Access) (string, http.Handler) {
	return sondev1connect.NewAccessServiceHandler(&accessService{access: a}, Options(maxRequestBytes))
}

// CreateLoginLink implements AccessService. The link lets in as who asked.
func (s *accessService) CreateLoginLink(ctx context.Context, _ *sondev1.CreateLoginLinkRequest) (*sondev1.CreateLoginLinkResponse, error) {
	p, ok := fleet.PrincipalFrom(ctx)
	if !ok {
		return nil, fleet.Errorf(fleet.Unauthenticated, "sign in, or send an API token")
	}
	code, expires, err := s.access.CreateLoginCode(ctx, p.Role)
	if err != nil {
		return nil, err
	}
	return &sondev1.CreateLoginLinkResponse{
		Path:      LoginPath(code),
		ExpiresAt: timestamp(expires),
	}, nil
}

// LoginPath returns path and query of the link of a login code.
func LoginPath(code fleet.Secret) string {
	return "/login?" + url.Values{"code": {string(code)}}.Encode()
}

package rpc

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sonde.dev/sonde/internal/buildinfo"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
	"sonde.dev/sonde/server/internal/fleet"
)

// Reach says how agents and people get to the server.
type Reach struct {
	// PublicURL is what stands before the path of a page.
	PublicURL string
	// Pin is the fingerprint of the server's own authority; nil for none.
	Pin *[32]byte
}

// accessService implements AccessService; the part about tokens and the audit
// log is in token.go.
type accessService struct {
	access    *fleet.Access
	admission *fleet.Admission
	audit     *fleet.Audit
	reach     Reach
}

// NewAccessHandler serves the AccessService.
func NewAccessHandler(access *fleet.Access, admission *fleet.Admission, audit *fleet.Audit, reach Reach) (string, http.Handler) {
	return sondev1connect.NewAccessServiceHandler(&accessService{access, admission, audit, reach}, Options(maxRequestBytes))
}

// errStranger answers who has not said who they are.
var errStranger = fleet.Errorf(fleet.Unauthenticated, "sign in, or send an API token as Authorization: Bearer")

// caller returns whoever package access let in.
func caller(ctx context.Context) (fleet.Principal, error) {
	p, ok := fleet.PrincipalFrom(ctx)
	if !ok {
		return p, errStranger
	}
	return p, nil
}

// LoginPath returns path and query of the link of a login code.
func LoginPath(code fleet.Secret) string {
	return "/login?" + url.Values{"code": {string(code)}}.Encode()
}

// GetSelf implements AccessService.
func (s *accessService) GetSelf(ctx context.Context, _ *sondev1.GetSelfRequest) (*sondev1.GetSelfResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	res := &sondev1.GetSelfResponse{
		Name: p.ID, Role: roleMessages[p.Role], MayResetPassword: p.ResetsPassword,
		PublicUrl: s.reach.PublicURL, OwnAuthority: s.reach.Pin != nil, Version: buildinfo.Version(),
	}
	if p.UserID != "" {
		user, err := s.admission.User(ctx, p.UserID)
		if err != nil {
			return nil, err
		}
		res.User = userMessage(user)
	}
	return res, nil
}

// ChangePassword implements AccessService.
func (s *accessService) ChangePassword(ctx context.Context, req *sondev1.ChangePasswordRequest) (*sondev1.ChangePasswordResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	describe(ctx, p.ID, "")
	if err := s.access.ChangePassword(ctx, p, req.Current, req.New); err != nil {
		return nil, err
	}
	return &sondev1.ChangePasswordResponse{}, nil
}

// CreateLoginLink implements AccessService.
func (s *accessService) CreateLoginLink(ctx context.Context, req *sondev1.CreateLoginLinkRequest) (*sondev1.CreateLoginLinkResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	code, expires, err := s.loginCode(ctx, p, req.UserId)
	if err != nil {
		return nil, err
	}
	return &sondev1.CreateLoginLinkResponse{Path: LoginPath(code), ExpiresAt: timestamp(expires)}, nil
}

// loginCode makes a code for the caller, or for a user when an admin asks.
func (s *accessService) loginCode(ctx context.Context, p fleet.Principal, userID string) (code fleet.Secret, expires time.Time, err error) {
	if userID == "" || userID == p.UserID {
		describe(ctx, p.ID, "")
		return s.access.CreateLoginCode(ctx, p)
	}
	describe(ctx, "user:"+userID, "")
	if err := p.Require(fleet.Admin); err != nil {
		return "", time.Time{}, err
	}
	user, err := s.admission.User(ctx, userID)
	if err != nil {
		return "", time.Time{}, err
	}
	describe(ctx, "user:"+user.Name, "")
	return s.access.CreateUserCode(ctx, user, fleet.LoginCodeLifetime)
}

// ListUsers implements AccessService.
func (s *accessService) ListUsers(ctx context.Context, _ *sondev1.ListUsersRequest) (*sondev1.ListUsersResponse, error) {
	users, err := s.admission.Users(ctx)
	if err != nil {
		return nil, err
	}
	res := &sondev1.ListUsersResponse{Users: make([]*sondev1.User, len(users))}
	for i, u := range users {
		res.Users[i] = userMessage(u)
	}
	return res, nil
}

// CreateUser implements AccessService.
func (s *accessService) CreateUser(ctx context.Context, req *sondev1.CreateUserRequest) (*sondev1.CreateUserResponse, error) {
	describe(ctx, "user:"+req.Name, "role "+string(roleFrom(req.Role)))
	user, code, expires, err := s.admission.CreateUser(ctx, req.Name, roleFrom(req.Role))
	if err != nil {
		return nil, err
	}
	return &sondev1.CreateUserResponse{User: userMessage(user), LoginPath: LoginPath(code), LoginExpiresAt: timestamp(expires)}, nil
}

// UpdateUser implements AccessService.
func (s *accessService) UpdateUser(ctx context.Context, req *sondev1.UpdateUserRequest) (*sondev1.UpdateUserResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	var detail []string
	change := fleet.UserChange{Disabled: req.Disabled}
	if req.Role != sondev1.Role_ROLE_UNSPECIFIED {
		change.Role = new(roleFrom(req.Role))
		detail = append(detail, "role "+string(*change.Role))
	}
	if req.Disabled != nil {
		detail = append(detail, map[bool]string{true: "disabled", false: "enabled"}[*req.Disabled])
	}
	describe(ctx, "user:"+req.Id, strings.Join(detail, ", "))
	user, err := s.admission.UpdateUser(ctx, p, req.Id, change)
	if err != nil {
		return nil, err
	}
	describe(ctx, "user:"+user.Name, strings.Join(detail, ", "))
	return &sondev1.UpdateUserResponse{User: userMessage(user)}, nil
}

// RemoveUser implements AccessService.
func (s *accessService) RemoveUser(ctx context.Context, req *sondev1.RemoveUserRequest) (*sondev1.RemoveUserResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	describe(ctx, "user:"+req.Id, "")
	user, err := s.admission.RemoveUser(ctx, p, req.Id)
	if err != nil {
		return nil, err
	}
	describe(ctx, "user:"+user.Name, "")
	return &sondev1.RemoveUserResponse{}, nil
}

var roleMessages = map[fleet.Role]sondev1.Role{
	fleet.Viewer:   sondev1.Role_ROLE_VIEWER,
	fleet.Operator: sondev1.Role_ROLE_OPERATOR,
	fleet.Admin:    sondev1.Role_ROLE_ADMIN,
}

// roleFrom returns the role of a message; what is none is named as it is there,
// for the error.
func roleFrom(m sondev1.Role) fleet.Role {
	for role, message := range roleMessages {
		if message == m {
			return role
		}
	}
	return fleet.Role(m.String())
}

func userMessage(u fleet.User) *sondev1.User {
	return &sondev1.User{
		Id: u.ID, Name: u.Name, Role: roleMessages[u.Role], Disabled: u.Disabled, HasPassword: u.Password != "",
		Issuer: u.Issuer, CreatedAt: timestamp(u.CreatedAt), LastSignInAt: timestamp(u.LastSignInAt),
	}
}

package server

import (
	"fmt"
	"net/url"

	"sonde.dev/sonde/server/internal/access"
	"sonde.dev/sonde/server/internal/fleet"
)

// OIDC says how people sign in by an identity provider that speaks OpenID
// Connect. The names in its errors are those of the flags, oidc-….
type OIDC struct {
	// Issuer is the provider's URL; empty for none.
	Issuer string
	// Name is what people call it; empty: its host.
	Name     string
	ClientID string
	// ClientSecretFile holds the secret that the provider gave this server.
	ClientSecretFile string
	Scopes           []string
	// RoleClaim decides on the role: Admins, Operators and Viewers are the values
	// of it that give one. DefaultRole is that of all others; empty for none.
	RoleClaim                  string
	Admins, Operators, Viewers []string
	DefaultRole                string
}

func (o OIDC) check(wrong func(flag, format string, args ...any)) {
	if o.Issuer == "" {
		if o.ClientID != "" || o.ClientSecretFile != "" {
			wrong("oidc-issuer", "is empty, and other settings of the identity provider are given")
		}
		return
	}
	u, err := url.Parse(o.Issuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		wrong("oidc-issuer", "%q is not a URL such as https://id.example", o.Issuer)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		wrong("oidc-issuer", "%s is not encrypted: anybody on the way could say who signs in; use https", o.Issuer)
	}
	if o.ClientID == "" {
		wrong("oidc-client-id", "is empty: the provider gave one when this server was registered there")
	}
	if o.ClientSecretFile != "" {
		if _, err := o.secret(); err != nil {
			wrong("oidc-client-secret-file", "%w", err)
		}
	}
	if role := fleet.Role(o.DefaultRole); o.DefaultRole != "" && !fleet.Admin.Allows(role) {
		wrong("oidc-default-role", "%q is none of viewer, operator and admin", o.DefaultRole)
	}
	if o.DefaultRole == "" && len(o.Admins)+len(o.Operators)+len(o.Viewers) == 0 {
		wrong("oidc-default-role", "is empty, and no value of the claim gives a role: nobody could sign in; set one, or oidc-admins, oidc-operators, oidc-viewers")
	}
}

func (o OIDC) secret() (string, error) {
	if o.ClientSecretFile == "" {
		return "", nil
	}
	return readSecret(o.ClientSecretFile, "the secret of this client")
}

func (o OIDC) provider() (access.OIDC, error) {
	secret, err := o.secret()
	if err != nil {
		return access.OIDC{}, fmt.Errorf("oidc-client-secret-file: %w", err)
	}
	name := o.Name
	if name == "" {
		if u, err := url.Parse(o.Issuer); err == nil {
			name = u.Hostname()
		}
	}
	return access.OIDC{
		Issuer: o.Issuer, Name: name, ClientID: o.ClientID, ClientSecret: secret, Scopes: o.Scopes, RoleClaim: o.RoleClaim,
		Roles: map[fleet.Role][]string{
			fleet.Admin: o.Admins, fleet.Operator: o.Operators, fleet.Viewer: o.Viewers,
		},
		DefaultRole: fleet.Role(o.DefaultRole),
	}, nil
}

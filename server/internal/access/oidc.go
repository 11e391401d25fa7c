package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"sonde.dev/sonde/server/internal/fleet"
)

const (
	// oidcPath is where people begin to sign in by the provider, and callbackPath
	// where the provider sends them back to.
	oidcPath     = "/login/oidc"
	callbackPath = "/login/oidc/callback"
	// attemptCookie holds what one attempt to sign in has to remember, for as long
	// as a person may take at the provider.
	attemptCookie   = "sonde_oidc"
	attemptLifetime = 10 * time.Minute
	// providerTimeout bounds each request to the provider.
	providerTimeout = 10 * time.Second
)

// OIDC says how people sign in by an identity provider that speaks OpenID
// Connect.
type OIDC struct {
	// Issuer is the provider's URL, under which it describes itself; empty for
	// none.
	Issuer string
	// Name is what people call it.
	Name                   string
	ClientID, ClientSecret string
	// Scopes are asked for beside openid.
	Scopes []string
	// RoleClaim names the claim, a text or a list of texts, that decides on the
	// role: Roles has for each role the values that give it.
	RoleClaim string
	Roles     map[fleet.Role][]string
	// DefaultRole is that of people whose claim gives none; empty: they get in only
	// when they are users already.
	DefaultRole fleet.Role
}

// provider signs people in by the provider of an [OIDC]. Safe for concurrent use.
type provider struct {
	guard    *Guard
	config   OIDC
	redirect string
	client   *http.Client

	mu    sync.Mutex
	known *oidc.Provider // nil until the provider has described itself
}

// UseOIDC lets people sign in by an identity provider, which need not be there
// yet. publicURL is the server's. It must be called before the first request.
func (g *Guard) UseOIDC(config OIDC, publicURL string) {
	g.provider = &provider{
		guard:    g,
		config:   config,
		redirect: strings.TrimRight(publicURL, "/") + callbackPath,
		client:   &http.Client{Timeout: providerTimeout},
	}
}

// discover returns what the provider says of itself, which it is asked once.
func (p *provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil {
		return p.known, nil
	}
	// Its keys are fetched again later, by the client in this context.
	found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.config.Issuer)
	if err != nil {
		return nil, fleet.Wrapf(fleet.Unavailable, err, "the identity provider cannot be reached: try again later, or sign in otherwise")
	}
	p.known = found
	return found, nil
}

func (p *provider) oauth(found *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID:     p.config.ClientID,
		ClientSecret: p.config.ClientSecret,
		Endpoint:     found.Endpoint(),
		RedirectURL:  p.redirect,
		Scopes:       append([]string{oidc.ScopeOpenID}, p.config.Scopes...),
	}
}

// attempt is what the browser keeps of one attempt to sign in. It is no secret
// from the browser: state binds the answer to it, nonce the token, and verifier
// the code.
type attempt struct{ state, nonce, verifier, next string }

func (a attempt) cookie(r *http.Request) *http.Cookie {
	return &http.Cookie{
		Name:     attemptCookie,
		Value:    url.Values{"s": {a.state}, "n": {a.nonce}, "v": {a.verifier}, "t": {a.next}}.Encode(),
		Path:     oidcPath,
		MaxAge:   int(attemptLifetime / time.Second),
		HttpOnly: true,
		Secure:   overTLS(r),
		SameSite: http.SameSiteLaxMode, // the answer comes from another site
	}
}

func attemptOf(r *http.Request) (attempt, bool) {
	cookie, err := r.Cookie(attemptCookie)
	if err != nil {
		return attempt{}, false
	}
	v, err := url.ParseQuery(cookie.Value)
	a := attempt{v.Get("s"), v.Get("n"), v.Get("v"), localPath(v.Get("t"))}
	return a, err == nil && a.state != "" && a.nonce != "" && a.verifier != ""
}

// OIDC serves /login/oidc: it sends the browser to the provider. Without one it
// is not found.
func (g *Guard) OIDC() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.provider == nil {
			http.NotFound(w, r)
			return
		}
		found, err := g.provider.discover(r.Context())
		if err != nil {
			g.refuseOIDC(w, r, fleet.AuditEntry{}, err)
			return
		}
		a := attempt{
			state: oauth2.GenerateVerifier(), nonce: oauth2.GenerateVerifier(), verifier: oauth2.GenerateVerifier(),
			next: localPath(r.URL.Query().Get("next")),
		}
		http.SetCookie(w, a.cookie(r))
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, g.provider.oauth(found).AuthCodeURL(a.state, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier)), http.StatusSeeOther)
	})
}

// OIDCCallback serves /login/oidc/callback, where the provider sends the browser
// back to, with a code for who it is.
func (g *Guard) OIDCCallback() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.provider == nil {
			http.NotFound(w, r)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: attemptCookie, Path: oidcPath, MaxAge: -1, HttpOnly: true, Secure: overTLS(r)})
		entry := fleet.AuditEntry{Action: "sign-in-oidc"}
		a, ok := attemptOf(r)
		if !ok || r.URL.Query().Get("state") != a.state {
			g.refuseOIDC(w, r, entry, fleet.Errorf(fleet.Unauthenticated,
				"this answer of the identity provider belongs to no attempt of this browser, or to one of more than %v ago: try again", attemptLifetime))
			return
		}
		identity, err := g.provider.identify(r.Context(), r.URL.Query(), a)
		if err != nil {
			g.refuseOIDC(w, r, entry, err)
			return
		}
		entry.Target = "user:" + identity.Name
		session, p, err := g.access.SignInExternal(r.Context(), identity)
		if err != nil {
			g.refuseOIDC(w, r, entry, err)
			return
		}
		g.admit(w, r, session, p, entry)
		http.Redirect(w, r, a.next, http.StatusSeeOther)
	})
}

func (g *Guard) refuseOIDC(w http.ResponseWriter, r *http.Request, entry fleet.AuditEntry, err error) {
	o := outcomeOf(err)
	g.log.Warn("sign-in by the identity provider refused", "address", address(r), "target", entry.Target, "error", err)
	if entry.Action != "" {
		entry.ErrorCode = fleet.ErrorCode(err).String()
		g.recordFailure(r, entry)
	}
	g.writeLogin(w, r, o.status, login{Next: "/", Error: sentence(o.text)})
}

// identify turns the provider's answer into a person.
func (p *provider) identify(ctx context.Context, answer url.Values, a attempt) (fleet.ExternalIdentity, error) {
	refused := func(err error, what string) error {
		return fleet.Wrapf(fleet.Unauthenticated, err, "the identity provider's answer is not valid: %s", what)
	}
	if code := answer.Get("error"); code != "" {
		return fleet.ExternalIdentity{}, refused(fmt.Errorf("%s: %s", code, answer.Get("error_description")), "it let nobody in")
	}
	found, err := p.discover(ctx)
	if err != nil {
		return fleet.ExternalIdentity{}, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := p.oauth(found).Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(a.verifier))
	if err != nil {
		return fleet.ExternalIdentity{}, refused(err, "its code was not taken back")
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return fleet.ExternalIdentity{}, refused(nil, "it has no id_token")
	}
	id, err := found.Verifier(&oidc.Config{ClientID: p.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return fleet.ExternalIdentity{}, refused(err, "its id_token cannot be verified")
	}
	if id.Nonce != a.nonce {
		return fleet.ExternalIdentity{}, refused(nil, "its id_token was made for another attempt")
	}
	claims := make(map[string]any)
	if err := id.Claims(&claims); err != nil {
		return fleet.ExternalIdentity{}, refused(err, "its id_token cannot be read")
	}
	// Many providers tell names and groups only here.
	if info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(token)); err == nil && info.Subject == id.Subject {
		var more map[string]any
		if err := info.Claims(&more); err == nil {
			for name, value := range more {
				if _, there := claims[name]; !there {
					claims[name] = value
				}
			}
		}
	}
	name, err := nameIn(claims)
	if err != nil {
		return fleet.ExternalIdentity{}, err
	}
	return fleet.ExternalIdentity{Issuer: id.Issuer, Subject: id.Subject, Name: name, Role: p.roleIn(claims)}, nil
}

// nameIn returns what a new user is to be called. An address of mail counts only
// when the provider vouches for it.
func nameIn(claims map[string]any) (string, error) {
	if name, _ := claims["preferred_username"].(string); name != "" {
		return name, nil
	}
	if mail, _ := claims["email"].(string); mail != "" && claims["email_verified"] == true {
		return mail, nil
	}
	return "", fleet.Wrapf(fleet.PermissionDenied, errors.New("neither preferred_username nor a verified email in the claims"),
		"the identity provider says no name: it must give the claim preferred_username, or a verified email")
}

// roleIn returns the highest role that the claims give.
func (p *provider) roleIn(claims map[string]any) fleet.Role {
	var values []string
	switch claim := claims[p.config.RoleClaim].(type) {
	case string:
		values = []string{claim}
	case []any:
		for _, v := range claim {
			if text, ok := v.(string); ok {
				values = append(values, text)
			}
		}
	}
	for _, role := range []fleet.Role{fleet.Admin, fleet.Operator, fleet.Viewer} {
		if slices.ContainsFunc(values, func(v string) bool { return slices.Contains(p.config.Roles[role], v) }) {
			return role
		}
	}
	return p.config.DefaultRole
}

// Package access is the door of the server's HTTP port.
//
// It promises that nothing behind [Guard.Require] is reached without an API
// token or the session of a signed-in browser, that a browser's session cannot
// be used by another site, and that no secret is logged. How a refusal looks is
// up to who asks: see [RPC], [Prometheus] and [Page].
//
// It does not decide what a role may do, and knows nothing of the credentials
// of agents: those go through package fleet.
package access

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

const (
	// cookieName is the cookie of a session.
	cookieName = "sonde_session"
	// cleanInterval is how often expired rows are removed.
	cleanInterval = time.Hour
)

// Guard lets people and programs in. Safe for concurrent use.
type Guard struct {
	access   *fleet.Access
	log      *slog.Logger
	now      func() time.Time
	failures *limiter
	origin   *http.CrossOriginProtection
}

// New returns a guard; now is the clock.
func New(access *fleet.Access, log *slog.Logger, now func() time.Time) *Guard {
	return &Guard{
		access:   access,
		log:      log,
		now:      now,
		failures: newLimiter(),
		origin:   http.NewCrossOriginProtection(),
	}
}

// Run removes what has expired from the store, now and every hour, until ctx
// ends.
func (g *Guard) Run(ctx context.Context) {
	tick := time.NewTicker(cleanInterval)
	defer tick.Stop()
	for {
		n, err := g.access.DeleteExpired(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			g.log.Error("removing expired sessions and codes", "error", err)
		case n > 0:
			g.log.Debug("removed expired sessions and codes", "rows", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Require lets requests through to next that bring an API token ("Authorization:
// Bearer …") or the cookie of a session, with the principal in their context
// ([fleet.PrincipalFrom]). Others get a refusal.
//
// A token counts before a cookie, and a token that is wrong is refused even
// when the cookie is right: who sends a token means it. A cookie together with
// a method that is not safe works only from the server's own site.
func (g *Guard) Require(refuse Refusal, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := g.principal(w, r)
		if err != nil {
			if fleet.ErrorCode(err) == fleet.Unauthenticated {
				w.Header().Set("WWW-Authenticate", `Bearer realm="sonde"`)
			}
			refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(fleet.WithPrincipal(r.Context(), p)))
	})
}

func (g *Guard) principal(w http.ResponseWriter, r *http.Request) (fleet.Principal, error) {
	if authorization := r.Header.Get("Authorization"); authorization != "" {
		token, ok := fleet.ParseBearer(authorization)
		if !ok {
			return fleet.Principal{}, fleet.Errorf(fleet.Unauthenticated, "send the API token as Authorization: Bearer")
		}
		return g.access.APIToken(r.Context(), token)
	}
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return fleet.Principal{}, fleet.Errorf(fleet.Unauthenticated, "sign in, or send an API token as Authorization: Bearer")
	}
	if err := g.origin.Check(r); err != nil {
		return fleet.Principal{}, fleet.Wrapf(fleet.PermissionDenied, err, "the request comes from another site")
	}
	p, extended, err := g.access.Session(r.Context(), fleet.Secret(cookie.Value))
	if err != nil {
		return fleet.Principal{}, err
	}
	if extended {
		setCookie(w, r, fleet.Secret(cookie.Value))
	}
	return p, nil
}

// setCookie hands a session to the browser.
//
// SameSite is Lax and not Strict, since with Strict a link to a page of the
// server from anywhere else (a chat, a terminal in a browser) would arrive
// without the cookie, at the sign-in page. What Lax leaves open, requests from
// other sites with safe methods, changes nothing and cannot be read there.
func setCookie(w http.ResponseWriter, r *http.Request, session fleet.Secret) {
	http.SetCookie(w, &http.Cookie{
		Name:     cookieName,
		Value:    string(session),
		Path:     "/",
		MaxAge:   int(fleet.SessionLifetime / time.Second),
		HttpOnly: true,
		Secure:   overTLS(r),
		SameSite: http.SameSiteLaxMode,
	})
}

func clearCookie(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{
		Name:     cookieName,
		Path:     "/",
		MaxAge:   -1,
		HttpOnly: true,
		Secure:   overTLS(r),
		SameSite: http.SameSiteLaxMode,
	})
}

// overTLS says whether the browser speaks TLS, to the server or to a proxy
// before it. A header that lies about it harms only who sent it.
func overTLS(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

// address returns the address of a request's peer, without its port.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

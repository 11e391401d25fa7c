// Package access is the door of the server's HTTP port.
//
// It promises that nothing behind [Guard.Require] is reached without an API
// token or the session of a signed-in browser, that a request ends soon after
// its caller has lost the right to make it, that a browser's session cannot be
// used by another site, and that no secret is logged. How a refusal looks is
// up to who asks: see [RPC], [Prometheus] and [Guard.Page].
//
// It does not decide what an RPC needs, and knows nothing of the credentials of
// agents: those go through packages rpc and fleet.
package access

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"sonde.dev/sonde/server/internal/attempts"
	"sonde.dev/sonde/server/internal/fleet"
)

const (
	// cookieName is the cookie of a session.
	cookieName = "sonde_session"
	// cleanInterval is how often expired rows are removed, flushInterval how often
	// the times of uses are stored.
	cleanInterval = time.Hour
	flushInterval = time.Minute
	// recheckInterval is how long a request may go on after its caller has lost
	// the right to make it.
	recheckInterval = 10 * time.Second
)

// Guard lets people and programs in. Safe for concurrent use.
type Guard struct {
	access   *fleet.Access
	audit    *fleet.Audit
	log      *slog.Logger
	now      func() time.Time
	failures *attempts.Limiter[netip.Prefix] // by network
	// strangers bounds the failed sign-ins in the audit log, all together: they come
	// from people whom nobody knows, and must not push out of it what was done.
	strangers *attempts.Limiter[struct{}]
	provider  *provider // nil for none
	origin    *http.CrossOriginProtection
	// applications are the origins from which the web application may come, beside
	// the server's own.
	applications []string
}

// New returns a guard; now is the clock.
func New(access *fleet.Access, audit *fleet.Audit, log *slog.Logger, now func() time.Time) *Guard {
	return &Guard{
		access:    access,
		audit:     audit,
		log:       log,
		now:       now,
		failures:  newLimiter(),
		strangers: attempts.New[struct{}](maxFailures, failureWindow, 1),
		origin:    http.NewCrossOriginProtection(),
	}
}

// Run removes what has expired from the store, now and every hour, and stores
// when tokens were used, every minute, until ctx ends.
func (g *Guard) Run(ctx context.Context) {
	clean := time.NewTicker(cleanInterval)
	defer clean.Stop()
	flush := time.NewTicker(flushInterval)
	defer flush.Stop()
	g.clean(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-clean.C:
			g.clean(ctx)
		case <-flush.C:
			if err := g.access.Flush(ctx); err != nil && ctx.Err() == nil {
				g.log.Error("storing when API tokens were used", "error", err)
			}
		}
	}
}

func (g *Guard) clean(ctx context.Context) {
	n, err := g.access.DeleteExpired(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		g.log.Error("removing expired sessions, codes and tokens", "error", err)
	case n > 0:
		g.log.Debug("removed expired sessions, codes and tokens", "rows", n)
	}
}

// Require lets requests through to next that bring an API token or the session of
// an application ("Authorization: Bearer …"), or the cookie of a session, of at
// least the role need, with the principal in their context
// ([fleet.PrincipalFrom]). Others get a refusal.
//
// A token counts before a cookie, and a token that is wrong is refused even
// when the cookie is right: who sends a token means it. A cookie together with
// a method that is not safe works only from the server's own site.
//
// The context of a request that takes long is cancelled, with the reason as its
// cause, when its caller could not make it any more.
func (g *Guard) Require(need fleet.Role, refuse Refusal, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, extended, err := g.principal(r)
		if err == nil {
			err = p.Require(need)
		}
		if err != nil {
			if fleet.ErrorCode(err) == fleet.Unauthenticated {
				w.Header().Set("WWW-Authenticate", `Bearer realm="sonde"`)
			}
			refuse(w, r, err)
			return
		}
		if extended != "" {
			setCookie(w, r, extended)
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		defer g.watch(ctx, cancel, r, p).Stop()
		next.ServeHTTP(w, r.WithContext(fleet.WithPrincipal(ctx, p)))
	})
}

// watch calls cancel once the caller of r is somebody else than p, or nobody. It
// ends with ctx; most requests end before the timer that it returns.
func (g *Guard) watch(ctx context.Context, cancel context.CancelCauseFunc, r *http.Request, p fleet.Principal) *time.Timer {
	return time.AfterFunc(recheckInterval, func() {
		if g.recheck(ctx, cancel, r, p); ctx.Err() == nil {
			g.watch(ctx, cancel, r, p)
		}
	})
}

// recheck calls cancel if the caller of r is somebody else than p now, or nobody.
// That it cannot be looked up ends nothing.
func (g *Guard) recheck(ctx context.Context, cancel context.CancelCauseFunc, r *http.Request, p fleet.Principal) {
	now, _, err := g.principal(r)
	switch code := fleet.ErrorCode(err); {
	case ctx.Err() != nil:
	case err == nil && now.Role != p.Role:
		cancel(fleet.Errorf(fleet.Unauthenticated, "the role of %s has changed: try again", p.ID))
	case err != nil && (code == fleet.Unauthenticated || code == fleet.PermissionDenied):
		cancel(err)
	}
}

// principal returns who makes a request. extended is the session whose end has
// moved, so that its cookie must move too; mostly empty.
func (g *Guard) principal(r *http.Request) (p fleet.Principal, extended fleet.Secret, err error) {
	if authorization := r.Header.Get("Authorization"); authorization != "" {
		token, ok := fleet.ParseBearer(authorization)
		if !ok {
			return p, "", fleet.Errorf(fleet.Unauthenticated, "send the API token as Authorization: Bearer")
		}
		if token.IsSession() {
			p, _, err = g.access.Session(r.Context(), token)
			return p, "", err
		}
		p, err = g.access.APIToken(r.Context(), token)
		return p, "", err
	}
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return p, "", fleet.Errorf(fleet.Unauthenticated, "sign in, or send an API token as Authorization: Bearer")
	}
	if err := g.origin.Check(r); err != nil {
		return p, "", fleet.Wrapf(fleet.PermissionDenied, err, "the request comes from another site")
	}
	session := fleet.Secret(cookie.Value)
	p, moved, err := g.access.Session(r.Context(), session)
	if err != nil || !moved {
		return p, "", err
	}
	return p, session, nil
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

package access

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	connectcors "connectrpc.com/cors"
	"github.com/rs/cors"

	"sonde.dev/sonde/server/internal/fleet"
)

// The web application may come from a static host, of another origin than the
// server's. The cookies of sessions do not go there: browsers keep those of one
// site from another's pages, and nothing of Sonde asks them not to. It gets a
// session of its own, by the authorization code flow of OAuth 2.0 with PKCE (RFC
// 6749, RFC 7636), and sends that with each call. People type their passwords at
// the server's own sign-in page only.

// preflightAge is how long a browser may remember what an application may send.
const preflightAge = 2 * time.Hour

// challengeForm is that of a SHA-256 in base64url.
var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// AllowApplications lets the web application come from origins besides the
// server's own. It must be called before the first request.
func (g *Guard) AllowApplications(origins []string) { g.applications = origins }

// Share lets pages of the allowed origins read the answers of an RPC handler.
// Requests from there count without cookies.
func (g *Guard) Share(next http.Handler) http.Handler {
	return g.shareWith(next, connectcors.AllowedMethods(), append(connectcors.AllowedHeaders(), "Authorization"))
}

// share is Share for a form that is posted.
func (g *Guard) share(next http.Handler) http.Handler {
	return g.shareWith(next, []string{http.MethodPost}, []string{"Authorization", "Content-Type"})
}

func (g *Guard) shareWith(next http.Handler, methods, headers []string) http.Handler {
	if len(g.applications) == 0 {
		return next // the package would take it for all origins
	}
	return cors.New(cors.Options{
		AllowedOrigins: g.applications,
		AllowedMethods: methods,
		AllowedHeaders: headers,
		ExposedHeaders: connectcors.ExposedHeaders(),
		MaxAge:         int(preflightAge / time.Second),
	}).Handler(next)
}

// Authorize serves /authorize, where an application sends a browser to sign in:
// with redirect_uri, a page of the application, and code_challenge. Whoever is
// signed in is sent back there at once, with a code in the fragment, which no
// static host gets to see; others sign in first.
func (g *Guard) Authorize() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		query := r.URL.Query()
		back, challenge := query.Get("redirect_uri"), query.Get("code_challenge")
		origin := originOf(back)
		if !slices.Contains(g.applications, origin) {
			g.log.Warn("sign-in for an application refused", "address", address(r), "redirect_uri", back)
			http.Error(w, "redirect_uri: this server does not know the origin of "+back+": its --web-origins must name it", http.StatusBadRequest)
			return
		}
		if !challengeForm.MatchString(challenge) || query.Get("code_challenge_method") != "S256" {
			http.Error(w, "code_challenge: is not the SHA-256 of a code_verifier in base64url (S256)", http.StatusBadRequest)
			return
		}
		p, extended, err := g.principal(r)
		if err != nil {
			g.Page(w, r, err)
			return
		}
		code, err := g.access.CreateApplicationCode(r.Context(), p, challenge)
		if err != nil {
			g.Page(w, r, err)
			return
		}
		if extended != "" {
			setCookie(w, r, extended)
		}
		g.record(r, fleet.AuditEntry{Actor: p.ID, Action: "authorize", Target: "origin:" + origin})
		http.Redirect(w, r, back+"#code="+url.QueryEscape(string(code)), http.StatusSeeOther)
	})
}

// originOf returns the origin of a page that a browser can be sent back to with a
// fragment; empty for what is none.
func originOf(page string) string {
	u, err := url.Parse(page)
	if err != nil || u.User != nil || u.Fragment != "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// Token serves /token, where an application exchanges its code, as code and
// code_verifier of a form, for a session.
func (g *Guard) Token() http.Handler {
	return g.share(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		if r.Method != http.MethodPost {
			h.Set("Allow", "POST")
			http.Error(w, "exchange a code with POST", http.StatusMethodNotAllowed)
			return
		}
		h.Set("Content-Type", "application/json")
		r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
		if err := r.ParseForm(); err != nil {
			writeToken(w, http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": "the form could not be read"})
			return
		}
		session, p, err := g.access.ExchangeApplicationCode(r.Context(), fleet.Secret(r.PostForm.Get("code")), r.PostForm.Get("code_verifier"))
		if err != nil {
			g.log.Warn("code of an application refused", "address", address(r), "origin", r.Header.Get("Origin"), "error", err)
			o := outcomeOf(err)
			refusal := map[string]any{"error": "server_error", "error_description": o.text}
			if o.status == http.StatusUnauthorized {
				o.status, refusal["error"] = http.StatusBadRequest, "invalid_grant"
			}
			writeToken(w, o.status, refusal)
			return
		}
		g.log.Info("application signed in", "address", address(r), "origin", r.Header.Get("Origin"), "principal", p.ID, "role", p.Role)
		writeToken(w, http.StatusOK, map[string]any{
			"access_token": string(session), "token_type": "Bearer", "expires_in": int(fleet.SessionLifetime / time.Second),
		})
	}))
}

func writeToken(w http.ResponseWriter, status int, answer map[string]any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // fails when the reader has gone
}

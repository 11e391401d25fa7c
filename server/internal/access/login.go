package access

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// maxFormBytes bounds a sign-in form.
const maxFormBytes = 16 << 10

var (
	//go:embed login.html
	loginHTML string
	//go:embed login.css
	loginCSS string
	//go:embed login.js
	loginJS string

	loginPage = template.Must(template.New("login").Parse(loginHTML))
	loginCSP  = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; " +
		"style-src " + cspHash(loginCSS) + "; script-src " + cspHash(loginJS) + "; form-action 'self'"
)

// loginPolicy is the Content-Security-Policy of the sign-in page. It needs nothing
// from anywhere: its own style and script are let through by what they hash to.
// What a form leads to in the end may be an application of another origin.
func (g *Guard) loginPolicy() string {
	return strings.Join(append([]string{loginCSP}, g.applications...), " ")
}

func cspHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// login is what the sign-in page shows.
type login struct {
	// Code is that of the link that was opened; the page sends it by itself.
	Code string
	// Next is where to go once signed in.
	Next string
	// Name is what the last attempt gave.
	Name string
	// Error says why the last attempt failed.
	Error string
	// Provider is what the identity provider is called; empty for none.
	Provider string
}

// Login serves /login.
//
// GET shows the sign-in page. A link with a code is not redeemed by it: mail
// scanners, chat previews and prefetching browsers open links too, and would
// use up the code before the person does. The page's script sends the form when
// somebody looks at the page; without scripts there is a button. HEAD is GET
// without the page.
//
// POST signs in with the code, the name and password, or the API token of the
// form and goes on to the page that was asked for.
func (g *Guard) Login() http.Handler {
	return g.origin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			g.writeLogin(w, r, http.StatusOK, login{Code: r.URL.Query().Get("code"), Next: "/"})
		case http.MethodPost:
			g.signIn(w, r)
		default:
			w.Header().Set("Allow", "GET, HEAD, POST")
			http.Error(w, "sign in with GET or POST", http.StatusMethodNotAllowed)
		}
	}))
}

func (g *Guard) signIn(w http.ResponseWriter, r *http.Request) {
	from := address(r)
	if wait := g.failures.Wait(network(from), g.now()); wait > 0 {
		seconds := int((wait + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		g.writeLogin(w, r, http.StatusTooManyRequests, login{
			Next:  "/",
			Error: "Too many attempts have failed from this address. Try again in " + strconv.Itoa(seconds) + " seconds.",
		})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		g.writeLogin(w, r, http.StatusBadRequest, login{Next: "/", Error: "The form could not be read."})
		return
	}
	next := localPath(r.PostForm.Get("next"))
	session, p, entry, err := g.enter(r)
	if err != nil {
		o := outcomeOf(err)
		switch o.status {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
			g.failures.Failed(network(from), g.now())
			g.log.Warn("sign-in refused", "address", from, "target", entry.Target, "error", err)
		default:
			g.log.Error("sign-in failed", "address", from, "error", err)
		}
		entry.ErrorCode = fleet.ErrorCode(err).String()
		g.recordFailure(r, entry)
		g.writeLogin(w, r, o.status, login{Next: next, Name: r.PostForm.Get("name"), Error: sentence(o.text)})
		return
	}
	g.admit(w, r, session, p, entry)
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// enter signs in by what a form holds. The entry is for the audit log.
func (g *Guard) enter(r *http.Request) (session fleet.Secret, p fleet.Principal, entry fleet.AuditEntry, err error) {
	entry.Action = "sign-in"
	switch code, name := r.PostForm.Get("code"), strings.TrimSpace(r.PostForm.Get("name")); {
	case code != "":
		entry.Action = "sign-in-link"
		session, p, err = g.access.RedeemLoginCode(r.Context(), fleet.Secret(code))
	case name != "":
		entry.Target = "user:" + name
		session, p, err = g.access.SignInPassword(r.Context(), name, r.PostForm.Get("password"))
	default:
		session, p, err = g.access.SignIn(r.Context(), fleet.Secret(strings.TrimSpace(r.PostForm.Get("token"))))
	}
	return session, p, entry, err
}

// admit hands a session to the browser and puts it into both logs.
func (g *Guard) admit(w http.ResponseWriter, r *http.Request, session fleet.Secret, p fleet.Principal, entry fleet.AuditEntry) {
	entry.Actor = p.ID
	g.log.Info("signed in", "address", address(r), "principal", p.ID, "role", p.Role)
	g.record(r, entry)
	setCookie(w, r, session)
	w.Header().Set("Cache-Control", "no-store")
}

// record puts an entry into the audit log. That it cannot be written keeps nobody
// out who has come in already.
func (g *Guard) record(r *http.Request, entry fleet.AuditEntry) {
	entry.Address = address(r)
	if err := g.audit.Add(r.Context(), entry); err != nil {
		g.log.Error("writing the audit log", "action", entry.Action, "error", err)
	}
}

// recordFailure puts a failed sign-in into the audit log, but not too many of
// them; each is in the server's own log.
func (g *Guard) recordFailure(r *http.Request, entry fleet.AuditEntry) {
	if g.strangers.Wait(struct{}{}, g.now()) > 0 {
		return
	}
	g.strangers.Failed(struct{}{}, g.now())
	g.record(r, entry)
}

// Logout serves /logout: POST ends the session that the request brings as a
// cookie, and leads to the sign-in page. An application of another origin brings
// its own as Authorization: Bearer, and is led nowhere.
func (g *Guard) Logout() http.Handler {
	return g.share(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", "POST")
			http.Error(w, "sign out with POST", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		if session, ok := fleet.ParseBearer(r.Header.Get("Authorization")); ok && session.IsSession() {
			if g.signOut(w, r, session) {
				w.WriteHeader(http.StatusNoContent)
			}
			return
		}
		if err := g.origin.Check(r); err != nil {
			http.Error(w, "the request comes from another site", http.StatusForbidden)
			return
		}
		if cookie, err := r.Cookie(cookieName); err == nil && !g.signOut(w, r, fleet.Secret(cookie.Value)) {
			return
		}
		clearCookie(w, r)
		http.Redirect(w, r, "/login", http.StatusSeeOther)
	}))
}

// signOut ends a session, or answers why it does not.
func (g *Guard) signOut(w http.ResponseWriter, r *http.Request, session fleet.Secret) bool {
	if p, _, err := g.access.Session(r.Context(), session); err == nil {
		g.record(r, fleet.AuditEntry{Actor: p.ID, Action: "sign-out"})
	}
	if err := g.access.SignOut(r.Context(), session); err != nil {
		o := outcomeOf(err)
		g.log.Error("sign-out failed", "address", address(r), "error", err)
		http.Error(w, o.text, o.status)
		return false
	}
	return true
}

func (g *Guard) writeLogin(w http.ResponseWriter, r *http.Request, status int, page login) {
	if g.provider != nil {
		page.Provider = g.provider.config.Name
	}
	var b bytes.Buffer
	err := loginPage.Execute(&b, struct {
		login
		CSS template.CSS
		JS  template.JS
	}{page, template.CSS(loginCSS), template.JS(loginJS)})
	if err != nil {
		// The template is ours and its data are strings.
		panic(err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Content-Security-Policy", g.loginPolicy())
	h.Set("Cache-Control", "no-store")
	// Not no-referrer, with which browsers send "Origin: null", and where they send
	// no Sec-Fetch-Site (plain HTTP) the form would count as one of another site.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // fails when the reader has gone
	}
}

// localPath returns a path of this server to go to, "/" for what would lead to
// another one.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\t\r\n") ||
		u.Path == "/login" || u.Path == "/logout" || strings.HasPrefix(u.Path, "/login/") {
		return "/"
	}
	return next
}

// sentence makes an error's text one for a page.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

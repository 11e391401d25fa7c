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
	// The page needs nothing from anywhere: its own style and script are let
	// through by what they hash to.
	loginCSP = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; " +
		"style-src " + cspHash(loginCSS) + "; script-src " + cspHash(loginJS)
)

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
	// Error says why the last attempt failed.
	Error string
}

// Login serves /login.
//
// GET shows the sign-in page. A link with a code is not redeemed by it: mail
// scanners, chat previews and prefetching browsers open links too, and would
// use up the code before the person does. The page's script sends the form when
// somebody looks at the page; without scripts there is a button. HEAD is GET
// without the page.
//
// POST signs in with the code or the API token of the form and goes on to the
// page that was asked for.
func (g *Guard) Login() http.Handler {
	return g.origin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			writeLogin(w, r, http.StatusOK, login{Code: r.URL.Query().Get("code"), Next: "/"})
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
	if wait := g.failures.wait(from, g.now()); wait > 0 {
		seconds := int((wait + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		writeLogin(w, r, http.StatusTooManyRequests, login{
			Next:  "/",
			Error: "Too many attempts have failed from this address. Try again in " + strconv.Itoa(seconds) + " seconds.",
		})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		writeLogin(w, r, http.StatusBadRequest, login{Next: "/", Error: "The form could not be read."})
		return
	}
	next := localPath(r.PostForm.Get("next"))
	var (
		session fleet.Secret
		p       fleet.Principal
		err     error
	)
	if code := r.PostForm.Get("code"); code != "" {
		session, p, err = g.access.RedeemLoginCode(r.Context(), fleet.Secret(code))
	} else {
		session, p, err = g.access.SignIn(r.Context(), fleet.Secret(strings.TrimSpace(r.PostForm.Get("token"))))
	}
	if err != nil {
		o := outcomeOf(err)
		if o.status == http.StatusUnauthorized {
			g.failures.failed(from, g.now())
			g.log.Warn("sign-in refused", "address", from, "error", err)
		} else {
			g.log.Error("sign-in failed", "address", from, "error", err)
		}
		writeLogin(w, r, o.status, login{Next: next, Error: sentence(o.text)})
		return
	}
	g.log.Info("signed in", "address", from, "principal", p.ID, "role", p.Role)
	setCookie(w, r, session)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// Logout serves /logout: POST ends the session of the request's cookie.
func (g *Guard) Logout() http.Handler {
	return g.origin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", "POST")
			http.Error(w, "sign out with POST", http.StatusMethodNotAllowed)
			return
		}
		if cookie, err := r.Cookie(cookieName); err == nil {
			if err := g.access.SignOut(r.Context(), fleet.Secret(cookie.Value)); err != nil {
				o := outcomeOf(err)
				g.log.Error("sign-out failed", "address", address(r), "error", err)
				http.Error(w, o.text, o.status)
				return
			}
		}
		clearCookie(w, r)
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, "/login", http.StatusSeeOther)
	}))
}

func writeLogin(w http.ResponseWriter, r *http.Request, status int, page login) {
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
	h.Set("Content-Security-Policy", loginCSP)
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
		u.Path == "/login" || u.Path == "/logout" {
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

package access

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

const (
	staticHost = "https://static.example"
	verifier   = "a-text-that-only-the-application-knows-of-43-"
)

// newApplicationDoor is a door that knows staticHost.
func newApplicationDoor(t *testing.T) *door {
	t.Helper()
	d := newDoor(t)
	d.guard.AllowApplications([]string{staticHost})
	d.mux = http.NewServeMux()
	inside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("inside")) })
	d.mux.Handle("/sonde.v1.FleetService/", d.guard.Share(d.guard.Require(fleet.Viewer, RPC, inside)))
	d.mux.Handle("/", d.guard.Require(fleet.Viewer, d.guard.Page, inside))
	d.mux.Handle("/login", d.guard.Login())
	d.mux.Handle("/logout", d.guard.Logout())
	d.mux.Handle("GET /authorize", d.guard.Authorize())
	d.mux.Handle("/token", d.guard.Token())
	return d
}

// authorizePath is where the application sends a browser that shows page.
func authorizePath(page string) string {
	sum := sha256.Sum256([]byte(verifier))
	return "/authorize?" + url.Values{
		"redirect_uri":          {page},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(sum[:])},
		"code_challenge_method": {"S256"},
	}.Encode()
}

// code lets the application in and returns its code.
func (d *door) code(t *testing.T, cookie string) string {
	t.Helper()
	page := staticHost + "/sonde/host?id=1"
	res := d.do("GET", authorizePath(page), "", "Cookie", cookie, "Accept", "text/html", "Sec-Fetch-Site", "cross-site")
	wantStatus(t, res, 303)
	code, ok := strings.CutPrefix(res.Header.Get("Location"), page+"#code=")
	if !ok {
		t.Fatalf("sent to %s", res.Header.Get("Location"))
	}
	return code
}

// exchange returns the answer to a code, and the Authorization header that is in it.
func (d *door) exchange(t *testing.T, code, verifier string) (*http.Response, string) {
	t.Helper()
	body := url.Values{"code": {code}, "code_verifier": {verifier}}.Encode()
	res := d.do("POST", "/token", body, "Content-Type", form, "Origin", staticHost, "Sec-Fetch-Site", "cross-site")
	var answer struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
		Error string `json:"error"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 && answer.Error != "invalid_grant" {
		t.Errorf("refused with %+v", answer)
	}
	return res, answer.Type + " " + answer.Token
}

func TestApplicationSignsIn(t *testing.T) {
	d := newApplicationDoor(t)
	cookie := d.session(t)
	code := d.code(t, cookie)
	res, _ := d.exchange(t, code, verifier+"x")
	wantStatus(t, res, 400)
	res, bearer := d.exchange(t, code, verifier)
	wantStatus(t, res, 200)
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != staticHost {
		t.Errorf("the application cannot read its session: allowed is %q", got)
	}
	again, _ := d.exchange(t, code, verifier)
	wantStatus(t, again, 400)

	list := "/sonde.v1.FleetService/ListAgents"
	res = d.do("POST", list, "", "Authorization", bearer, "Origin", staticHost, "Sec-Fetch-Site", "cross-site")
	wantStatus(t, res, 200)
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != staticHost {
		t.Errorf("the application cannot read an answer: allowed is %q", got)
	}
	if len(res.Cookies()) != 0 {
		t.Errorf("the application's session became a cookie: %v", res.Cookies())
	}

	// Signed out there, the browser is signed out here, and the other way round.
	wantStatus(t, d.do("POST", "/logout", "", "Authorization", bearer, "Origin", staticHost, "Sec-Fetch-Site", "cross-site"), 204)
	wantStatus(t, d.do("POST", list, "", "Authorization", bearer), 401)
	wantStatus(t, d.do("GET", "/", "", "Cookie", cookie), 401)
	cookie = d.session(t)
	_, bearer = d.exchange(t, d.code(t, cookie), verifier)
	wantStatus(t, d.do("POST", list, "", "Authorization", bearer), 200)
	wantStatus(t, d.do("POST", "/logout", "", "Cookie", cookie), 303)
	wantStatus(t, d.do("POST", list, "", "Authorization", bearer), 401)
}

func TestApplicationCodeExpires(t *testing.T) {
	d := newApplicationDoor(t)
	code := d.code(t, d.session(t))
	d.now = d.now.Add(time.Minute)
	res, _ := d.exchange(t, code, verifier)
	wantStatus(t, res, 400)
}

// A code signs in nobody but the application that asked for it.
func TestApplicationCodeIsNoLink(t *testing.T) {
	d := newApplicationDoor(t)
	wantStatus(t, d.signIn(url.Values{"code": {d.code(t, d.session(t))}}), 401)
	link := d.link(t)
	res, _ := d.exchange(t, string(link), "")
	wantStatus(t, res, 400)
}

func TestAuthorizeAsksToSignIn(t *testing.T) {
	d := newApplicationDoor(t)
	path := authorizePath(staticHost + "/")
	res := d.do("GET", path, "", "Accept", "text/html")
	wantStatus(t, res, 401)
	if policy := res.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "form-action 'self' "+staticHost) {
		t.Errorf("the form may not lead to the application: %s", policy)
	}
	res = d.signIn(url.Values{"token": {string(d.secrets.AdminToken)}, "next": {path}})
	if got := res.Header.Get("Location"); got != path {
		t.Errorf("signed in, the browser goes to %s", got)
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	d := newApplicationDoor(t)
	cookie := d.session(t)
	for name, path := range map[string]string{
		"another origin":    authorizePath("https://evil.example/"),
		"longer origin":     authorizePath(staticHost + ".evil.example/"),
		"another scheme":    authorizePath("http://static.example/"),
		"another port":      authorizePath(staticHost + ":8443/"),
		"user before it":    authorizePath("https://static.example@evil.example/"),
		"user in it":        authorizePath("https://static.example:x@static.example/"),
		"a fragment":        authorizePath(staticHost + "/#x"),
		"a path":            authorizePath("/"),
		"no page":           authorizePath(""),
		"no challenge":      "/authorize?code_challenge_method=S256&redirect_uri=" + staticHost,
		"a plain challenge": strings.Replace(authorizePath(staticHost+"/"), "S256", "plain", 1),
		"a backslash":       authorizePath(`https://static.example\@evil.example/`),
		"a script":          authorizePath("javascript:alert(1)//static.example"),
	} {
		t.Run(name, func(t *testing.T) {
			res := d.do("GET", path, "", "Cookie", cookie)
			wantStatus(t, res, 400)
			if got := res.Header.Get("Location"); got != "" {
				t.Errorf("sent to %s", got)
			}
		})
	}
}

// Who is not named gets no answer that a browser would let it read, and nobody is
// told that cookies are welcome.
func TestShare(t *testing.T) {
	list := "/sonde.v1.FleetService/ListAgents"
	preflight := func(d *door, origin string) http.Header {
		return d.do("OPTIONS", list, "", "Origin", origin, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "authorization,connect-protocol-version,content-type").Header
	}
	d := newApplicationDoor(t)
	h := preflight(d, staticHost)
	if h.Get("Access-Control-Allow-Origin") != staticHost || h.Get("Access-Control-Allow-Headers") == "" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("the static host is answered %v", h)
	}
	cookie := d.session(t)
	for _, origin := range []string{"https://evil.example", "http://static.example", "https://static.example.evil.example", "null"} {
		if got := preflight(d, origin).Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s may send: %q", origin, got)
		}
		res := d.do("GET", list, "", "Origin", origin, "Cookie", cookie)
		if got := res.Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s may read: %q", origin, got)
		}
	}
	// Without any, the door is as if there were no such thing.
	d.guard.AllowApplications(nil)
	handler := d.guard.Share(http.NotFoundHandler())
	d.mux = http.NewServeMux()
	d.mux.Handle("/", handler)
	if got := preflight(d, staticHost).Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("without applications %q may send", got)
	}
}

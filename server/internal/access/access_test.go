package access

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// door is a guard over a real database, whose clock stands still.
type door struct {
	guard   *Guard
	access  *fleet.Access
	store   fleet.Store
	secrets fleet.Secrets
	now     time.Time
	log     bytes.Buffer
	mux     *http.ServeMux
}

func newDoor(t *testing.T) *door {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "fleet.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	d := &door{store: store, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), mux: http.NewServeMux()}
	clock := func() time.Time { return d.now }
	if d.secrets, err = fleet.Bootstrap(t.Context(), store, false, clock, fleet.Secrets{}); err != nil {
		t.Fatal(err)
	}
	d.access = fleet.NewAccess(store, clock)
	d.guard = New(d.access, fleet.NewAudit(store, clock), slog.New(slog.NewTextHandler(&d.log, nil)), clock)
	inside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := fleet.PrincipalFrom(r.Context())
		fmt.Fprintf(w, "inside %t %s", ok, p.Role)
	})
	d.mux.Handle("/sonde.v1.FleetService/", d.guard.Require(fleet.Viewer, RPC, inside))
	d.mux.Handle("/api/v1/", d.guard.Require(fleet.Viewer, Prometheus, inside))
	d.mux.Handle("/", d.guard.Require(fleet.Viewer, d.guard.Page, inside))
	d.mux.Handle("/login", d.guard.Login())
	d.mux.Handle("/logout", d.guard.Logout())
	return d
}

// do sends a request; headers are pairs of name and value.
func (d *door) do(method, target, body string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.mux.ServeHTTP(w, r)
	return w.Result()
}

const form = "application/x-www-form-urlencoded"

// signIn posts a form and returns the response.
func (d *door) signIn(values url.Values, headers ...string) *http.Response {
	return d.do("POST", "/login", values.Encode(), append([]string{"Content-Type", form}, headers...)...)
}

// session signs in and returns the Cookie header of the session.
func (d *door) session(t *testing.T) string {
	t.Helper()
	res := d.signIn(url.Values{"token": {string(d.secrets.AdminToken)}})
	if len(res.Cookies()) != 1 {
		t.Fatalf("sign-in answered %s: %s", res.Status, text(t, res))
	}
	return cookieName + "=" + res.Cookies()[0].Value
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func wantStatus(t *testing.T, res *http.Response, want int) {
	t.Helper()
	if res.StatusCode != want {
		t.Errorf("status %s, want %d: %s", res.Status, want, text(t, res))
	}
}

func TestRequire(t *testing.T) {
	d := newDoor(t)
	bearer := "Bearer " + string(d.secrets.AdminToken)
	cookie := d.session(t)
	for name, test := range map[string]struct {
		method  string
		headers []string
		want    int
	}{
		"nothing":                    {"GET", nil, 401},
		"token":                      {"GET", []string{"Authorization", bearer}, 200},
		"token, lower case":          {"GET", []string{"Authorization", "bearer " + string(d.secrets.AdminToken)}, 200},
		"join token":                 {"GET", []string{"Authorization", "Bearer " + string(d.secrets.JoinToken)}, 401},
		"another scheme":             {"GET", []string{"Authorization", "Basic YTpi"}, 401},
		"cookie":                     {"GET", []string{"Cookie", cookie}, 200},
		"wrong cookie":               {"GET", []string{"Cookie", cookieName + "=x"}, 401},
		"wrong token, right cookie":  {"GET", []string{"Authorization", "Bearer x", "Cookie", cookie}, 401},
		"cookie, other site reads":   {"GET", []string{"Cookie", cookie, "Sec-Fetch-Site", "cross-site"}, 200},
		"cookie, other site writes":  {"POST", []string{"Cookie", cookie, "Sec-Fetch-Site", "cross-site"}, 403},
		"cookie, other origin":       {"POST", []string{"Cookie", cookie, "Origin", "http://evil.example"}, 403},
		"cookie, own origin":         {"POST", []string{"Cookie", cookie, "Origin", "http://example.com"}, 200},
		"cookie, own site writes":    {"POST", []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}, 200},
		"token, other site writes":   {"POST", []string{"Authorization", bearer, "Sec-Fetch-Site", "cross-site"}, 200},
		"no cookie, other site post": {"POST", []string{"Sec-Fetch-Site", "cross-site"}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/", "/api/v1/query", "/sonde.v1.FleetService/ListAgents"} {
				res := d.do(test.method, path, "", test.headers...)
				wantStatus(t, res, test.want)
				body := text(t, res)
				if inside := strings.Contains(body, "inside"); inside != (test.want == 200) {
					t.Errorf("%s: body %q", path, body)
				}
				if test.want == 200 && body != "inside true admin" {
					t.Errorf("%s: body %q", path, body)
				}
				if test.want == 401 && res.Header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s: no WWW-Authenticate", path)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	d := newDoor(t)
	const rpc = "/sonde.v1.FleetService/ListAgents"
	t.Run("connect", func(t *testing.T) {
		res := d.do("POST", rpc, "{}", "Content-Type", "application/json")
		var got struct{ Code, Message string }
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil || got.Code != "unauthenticated" || got.Message == "" || res.StatusCode != 401 {
			t.Errorf("got %s %+v, %v", res.Status, got, err)
		}
	})
	t.Run("grpc", func(t *testing.T) {
		res := d.do("POST", rpc, "", "Content-Type", "application/grpc")
		text(t, res)
		status := res.Header.Get("Grpc-Status") + res.Trailer.Get("Grpc-Status")
		if res.StatusCode != 200 || status != "16" || res.Header.Get("Content-Type") != "application/grpc" {
			t.Errorf("got %s, status %q, headers %v", res.Status, status, res.Header)
		}
	})
	t.Run("prometheus", func(t *testing.T) {
		res := d.do("GET", "/api/v1/query?query=up", "", "Accept", "text/html")
		var got struct{ Status, ErrorType, Error string }
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil || got.Status != "error" || got.ErrorType != "unauthorized" || got.Error == "" || res.StatusCode != 401 {
			t.Errorf("got %s %+v, %v", res.Status, got, err)
		}
	})
	t.Run("page", func(t *testing.T) {
		res := d.do("GET", "/host?id=a&x=%22%3E", "", "Accept", "text/html,*/*")
		body := text(t, res)
		if res.StatusCode != 401 || !strings.Contains(body, "sonde login-link") || !strings.Contains(body, `value="/host?id=a&amp;x=%22%3E"`) {
			t.Errorf("got %s:\n%s", res.Status, body)
		}
	})
	t.Run("script of a page", func(t *testing.T) {
		res := d.do("GET", "/_next/static/a.js", "", "Accept", "*/*")
		if body := text(t, res); res.StatusCode != 401 || strings.Contains(body, "<html") {
			t.Errorf("got %s:\n%s", res.Status, body)
		}
	})
	t.Run("store that fails", func(t *testing.T) {
		d := newDoor(t)
		cookie := d.session(t)
		d.store.(*sqlite.Store).Close()
		for _, path := range []string{"/", "/api/v1/query", rpc} {
			res := d.do("GET", path, "", "Cookie", cookie, "Accept", "text/html")
			wantStatus(t, res, 500)
			if body := text(t, res); strings.Contains(body, "sql") || strings.Contains(body, "fleet.db") {
				t.Errorf("%s says too much: %s", path, body)
			}
		}
	})
}

func (d *door) link(t *testing.T) fleet.Secret {
	t.Helper()
	code, _, err := d.access.CreateStartCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// Opening a link uses nothing up; sending its form does.
func TestLoginLink(t *testing.T) {
	d := newDoor(t)
	code := d.link(t)
	for _, method := range []string{"HEAD", "GET", "GET"} {
		res := d.do(method, "/login?code="+string(code), "")
		body := text(t, res)
		if res.StatusCode != 200 || len(res.Cookies()) != 0 || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s, cookies %v", method, res.Status, res.Cookies())
		}
		if method == "HEAD" != (body == "") {
			t.Errorf("%s: body %q", method, body)
		}
		if method == "GET" && !strings.Contains(body, `name="code" value="`+string(code)+`"`) {
			t.Errorf("the form lacks the code:\n%s", body)
		}
	}
	res := d.signIn(url.Values{"code": {string(code)}, "next": {"/host?id=1"}}, "Sec-Fetch-Site", "same-origin")
	if res.StatusCode != 303 || res.Header.Get("Location") != "/host?id=1" || len(res.Cookies()) != 1 {
		t.Fatalf("got %s to %q, cookies %v", res.Status, res.Header.Get("Location"), res.Cookies())
	}
	cookie := res.Cookies()[0]
	if !cookie.HttpOnly || cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.MaxAge != 30*24*3600 {
		t.Errorf("cookie %v", cookie)
	}
	wantStatus(t, d.do("GET", "/", "", "Cookie", cookieName+"="+cookie.Value), 200)

	res = d.signIn(url.Values{"code": {string(code)}})
	if body := text(t, res); res.StatusCode != 401 || len(res.Cookies()) != 0 || !strings.Contains(body, "used already, or has expired") {
		t.Errorf("again: %s, cookies %v\n%s", res.Status, res.Cookies(), body)
	}
}

func TestLoginFromAnotherSite(t *testing.T) {
	d := newDoor(t)
	code := d.link(t)
	res := d.signIn(url.Values{"code": {string(code)}}, "Sec-Fetch-Site", "cross-site")
	wantStatus(t, res, 403)
	wantStatus(t, d.signIn(url.Values{"code": {string(code)}}), 303)
}

func TestCookieIsSecureOverTLS(t *testing.T) {
	d := newDoor(t)
	res := d.signIn(url.Values{"token": {" " + string(d.secrets.AdminToken) + "\n"}}, "X-Forwarded-Proto", "https")
	if len(res.Cookies()) != 1 || !res.Cookies()[0].Secure {
		t.Errorf("got %s, cookies %v", res.Status, res.Cookies())
	}
}

func TestNext(t *testing.T) {
	d := newDoor(t)
	for next, want := range map[string]string{
		"":                         "/",
		"/":                        "/",
		"/host?id=1&range=now-1h":  "/host?id=1&range=now-1h",
		"http://evil.example/":     "/",
		"//evil.example/":          "/",
		`/\evil.example/`:          "/",
		"/\t/evil.example":         "/",
		"javascript:alert(1)":      "/",
		"host":                     "/",
		"/login?code=x":            "/",
		"/logout":                  "/",
		"/login/oidc?next=%2f":     "/",
		"/a\r\nSet-Cookie: a=b":    "/",
		"/%0d%0aSet-Cookie:%20a=b": "/%0d%0aSet-Cookie:%20a=b",
	} {
		res := d.signIn(url.Values{"token": {string(d.secrets.AdminToken)}, "next": {next}})
		if got := res.Header.Get("Location"); res.StatusCode != 303 || got != want {
			t.Errorf("next %q: %s to %q, want %q", next, res.Status, got, want)
		}
	}
}

func TestLogout(t *testing.T) {
	d := newDoor(t)
	cookie := d.session(t)
	wantStatus(t, d.do("GET", "/logout", "", "Cookie", cookie), 405)
	wantStatus(t, d.do("POST", "/logout", "", "Cookie", cookie, "Sec-Fetch-Site", "cross-site"), 403)
	wantStatus(t, d.do("GET", "/", "", "Cookie", cookie), 200)
	res := d.do("POST", "/logout", "", "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
	if res.StatusCode != 303 || res.Cookies()[0].MaxAge >= 0 {
		t.Errorf("got %s, cookies %v", res.Status, res.Cookies())
	}
	wantStatus(t, d.do("GET", "/", "", "Cookie", cookie), 401)
}

func TestSessionCookieSlides(t *testing.T) {
	d := newDoor(t)
	cookie := d.session(t)
	if res := d.do("GET", "/", "", "Cookie", cookie); len(res.Cookies()) != 0 {
		t.Errorf("a fresh session sets cookies: %v", res.Cookies())
	}
	d.now = d.now.Add(2 * time.Hour)
	res := d.do("GET", "/", "", "Cookie", cookie)
	if len(res.Cookies()) != 1 || res.Cookies()[0].MaxAge != 30*24*3600 {
		t.Errorf("a used session does not move its cookie: %v", res.Cookies())
	}
}

func TestTooManyFailures(t *testing.T) {
	d := newDoor(t)
	wrong := url.Values{"token": {"sonde_api_" + strings.Repeat("A", 43)}}
	right := url.Values{"token": {string(d.secrets.AdminToken)}}
	for range maxFailures - 1 {
		wantStatus(t, d.signIn(wrong), 401)
	}
	wantStatus(t, d.signIn(right), 303) // one failure short of the limit
	wantStatus(t, d.signIn(wrong), 401)
	res := d.signIn(right)
	wantStatus(t, res, 429)
	if res.Header.Get("Retry-After") != "300" {
		t.Errorf("Retry-After %q", res.Header.Get("Retry-After"))
	}
	d.now = d.now.Add(failureWindow)
	wantStatus(t, d.signIn(right), 303)
}

func TestLimiterCountsByNetwork(t *testing.T) {
	now := time.UnixMilli(0)
	l := newLimiter()
	for range maxFailures {
		l.Failed(network("2001:db8::1"), now)
		l.Failed(network("192.0.2.1"), now)
	}
	for address, want := range map[string]bool{
		"2001:db8::2": true, "2001:db8:0:1::1": false,
		"192.0.2.1": true, "::ffff:192.0.2.1": true, "192.0.2.2": false, "@": false,
	} {
		if got := l.Wait(network(address), now) > 0; got != want {
			t.Errorf("%s must wait: %t, want %t", address, got, want)
		}
	}
}

func TestLimiterIsBounded(t *testing.T) {
	now := time.UnixMilli(0)
	l := newLimiter()
	for i := range maxAddresses + 10 {
		l.Failed(network(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)), now.Add(time.Duration(i)))
	}
	if l.Len() != maxAddresses {
		t.Errorf("%d addresses are kept, want %d", l.Len(), maxAddresses)
	}
	l.Failed(network("192.0.2.1"), now.Add(time.Hour))
	if l.Len() != 1 {
		t.Errorf("%d addresses are kept after their windows, want 1", l.Len())
	}
}

// The policy must let through what the page has, and the page nothing else.
func TestLoginPolicy(t *testing.T) {
	d := newDoor(t)
	res := d.do("GET", "/login?code=x", "")
	page, policy := text(t, res), res.Header.Get("Content-Security-Policy")
	for _, tag := range []string{"style", "script"} {
		m := regexp.MustCompile("(?s)<"+tag+">(.*?)</"+tag+">").FindAllStringSubmatch(page, -1)
		if len(m) != 1 || !strings.Contains(policy, tag+"-src "+cspHash(m[0][1])) {
			t.Errorf("%s: %d of them; policy %s", tag, len(m), policy)
		}
	}
	if regexp.MustCompile(`\s(on\w+|style|src|href)=`).MatchString(page) {
		t.Errorf("the page has what its policy forbids:\n%s", page)
	}
}

func TestSecretsAreNotLogged(t *testing.T) {
	d := newDoor(t)
	code := d.link(t)
	d.signIn(url.Values{"code": {string(code)}})
	d.signIn(url.Values{"code": {string(code)}})
	d.signIn(url.Values{"token": {"sonde_api_" + strings.Repeat("A", 43)}})
	cookie := d.session(t)
	d.do("POST", "/logout", "", "Cookie", cookie)
	log := d.log.String()
	if strings.Count(log, "signed in") != 2 || strings.Count(log, "sign-in refused") != 2 {
		t.Errorf("log:\n%s", log)
	}
	for _, secret := range []string{string(code), "AAAA", string(d.secrets.AdminToken), strings.TrimPrefix(cookie, cookieName+"=")} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %s:\n%s", secret, log)
		}
	}
}

// deletes is a store that counts clean-ups.
type deletes struct {
	fleet.Store
	times []time.Time
}

func (s *deletes) DeleteExpired(_ context.Context, now time.Time) (int64, error) {
	s.times = append(s.times, now)
	return 1, nil
}

func TestRunCleansUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &deletes{}
		guard := New(fleet.NewAccess(store, time.Now), fleet.NewAudit(store, time.Now), slog.New(slog.DiscardHandler), time.Now)
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Minute)
		defer cancel()
		start := time.Now()
		guard.Run(ctx)
		if len(store.times) != 3 || store.times[2].Sub(start) != 2*time.Hour {
			t.Errorf("cleaned up at %v, started at %v", store.times, start)
		}
	})
}

// A request that takes long ends soon after its caller has lost the right to it.
func TestLongRequestEnds(t *testing.T) {
	for name, lose := range map[string]func(d *door, user fleet.User) error{
		"signed out": func(d *door, user fleet.User) error {
			return d.store.DeleteUser(context.Background(), user.ID)
		},
		"another role": func(d *door, user fleet.User) error {
			_, err := d.store.UpdateUser(context.Background(), user.ID, fleet.UserChange{Role: new(fleet.Viewer)})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t)
			user := fleet.User{ID: "1", Name: "ada", Role: fleet.Admin, CreatedAt: d.now}
			if err := d.store.CreateUser(t.Context(), user); err != nil {
				t.Fatal(err)
			}
			code, _, err := d.access.CreateUserCode(t.Context(), user, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			session, p, err := d.access.RedeemLoginCode(t.Context(), code)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", cookieName+"="+string(session))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if d.guard.recheck(ctx, cancel, r, p); ctx.Err() != nil {
				t.Fatalf("ended with everything as it was: %v", context.Cause(ctx))
			}
			if err := lose(d, user); err != nil {
				t.Fatal(err)
			}
			if d.guard.recheck(ctx, cancel, r, p); fleet.ErrorCode(context.Cause(ctx)) != fleet.Unauthenticated {
				t.Errorf("goes on, or ended for another reason: %v", context.Cause(ctx))
			}
		})
	}
}

func TestPasswordSignIn(t *testing.T) {
	d := newDoor(t)
	user := fleet.User{ID: "1", Name: "ada", Role: fleet.Viewer, CreatedAt: d.now}
	if err := d.store.CreateUser(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	code, _, err := d.access.CreateUserCode(t.Context(), user, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	_, p, err := d.access.RedeemLoginCode(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	const password = "correct horse battery"
	if err := d.access.ChangePassword(t.Context(), p, "", password); err != nil {
		t.Fatal(err)
	}
	res := d.signIn(url.Values{"name": {" ada "}, "password": {"wrong " + password}})
	if page := text(t, res); res.StatusCode != http.StatusUnauthorized || !strings.Contains(page, `value="ada"`) && !strings.Contains(page, `value=" ada "`) || strings.Contains(page, password) {
		t.Errorf("got %d: %s", res.StatusCode, page)
	}
	res = d.signIn(url.Values{"name": {" ada "}, "password": {password}, "next": {"/config"}})
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/config" {
		t.Errorf("got %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	if strings.Contains(d.log.String(), password) {
		t.Errorf("the log has the password:\n%s", d.log.String())
	}
	entries, err := d.store.AuditEntries(t.Context(), 0, 10, "")
	if err != nil || len(entries) != 2 || entries[0].Actor != "user:ada" || entries[1].ErrorCode != "unauthenticated" || entries[1].Target != "user:ada" {
		t.Errorf("audit log %+v, %v", entries, err)
	}
}

// Failed sign-ins must not push out of the audit log what was done.
func TestStrangersDoNotFillTheAuditLog(t *testing.T) {
	d := newDoor(t)
	for i := range 50 {
		r := httptest.NewRequest("POST", "/login", strings.NewReader("name=ada&password=x"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i)
		d.mux.ServeHTTP(httptest.NewRecorder(), r)
	}
	entries, err := d.store.AuditEntries(t.Context(), 0, 100, "")
	if err != nil || len(entries) != maxFailures {
		t.Errorf("%d entries, want %d; %v", len(entries), maxFailures, err)
	}
}

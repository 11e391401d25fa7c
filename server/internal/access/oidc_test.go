package access

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"sonde.dev/sonde/server/internal/fleet"
)

// visit is a browser, a door behind which people sign in, and a provider that is
// a real one, in this process.
type visit struct {
	*door
	browser *http.Client
	url     string
}

func newVisit(t *testing.T, config OIDC) *visit {
	t.Helper()
	v := &visit{door: newDoor(t)}
	server := httptest.NewServer(v.mux)
	t.Cleanup(server.Close)
	v.url = server.URL

	var provider http.Handler
	op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { provider.ServeHTTP(w, r) }))
	t.Cleanup(op.Close)
	// The library knows loopback by its name only.
	issuer := strings.Replace(op.URL, "127.0.0.1", "localhost", 1)
	v.url = strings.Replace(v.url, "127.0.0.1", "localhost", 1)
	storage.RegisterClients(storage.WebClient("sonde", "secret", v.url+callbackPath))
	provider = exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer)), nil, false)

	config.Issuer, config.ClientID, config.ClientSecret = issuer, "sonde", "secret"
	config.Name, config.Scopes = "the provider", []string{"profile", "email"}
	v.guard.UseOIDC(config, v.url)
	v.mux.Handle("/login/oidc", v.guard.OIDC())
	v.mux.Handle("/login/oidc/callback", v.guard.OIDCCallback())

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	t.Cleanup(v.guard.provider.client.CloseIdleConnections)
	v.browser = &http.Client{Jar: jar, Transport: transport}
	return v
}

// begin goes to the provider and returns what its form for names and passwords
// sends along.
func (v *visit) begin(t *testing.T) (form url.Values, action string) {
	t.Helper()
	res, err := v.browser.Get(v.url + "/login/oidc?next=/config")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindSubmatch(page)
	if id == nil {
		t.Fatalf("%s is not the form of the provider:\n%s", res.Request.URL, page)
	}
	action = res.Request.URL.Scheme + "://" + res.Request.URL.Host + "/login/username"
	return url.Values{"id": {string(id[1])}}, action
}

// signIn signs in at the provider and returns the page on which that ends.
func (v *visit) enter(t *testing.T, name string) (res *http.Response, page string) {
	t.Helper()
	form, action := v.begin(t)
	form.Set("username", name)
	form.Set("password", "verysecure")
	res, err := v.browser.PostForm(action, form)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

var adminsByName = OIDC{
	RoleClaim: "preferred_username",
	Roles:     map[fleet.Role][]string{fleet.Admin: {"test-user@localhost"}},
}

func TestOIDC(t *testing.T) {
	v := newVisit(t, adminsByName)
	res, page := v.enter(t, "test-user@localhost")
	if res.StatusCode != 200 || res.Request.URL.Path != "/config" || page != "inside true admin" {
		t.Fatalf("got %s, %d: %s\n%s", res.Request.URL, res.StatusCode, page, v.log.String())
	}
	user, err := v.store.UserByName(t.Context(), "test-user@localhost")
	if err != nil || user.Issuer == "" || user.Subject != "id1" || user.Role != fleet.Admin {
		t.Errorf("user %+v, %v", user, err)
	}
	entries, err := v.store.AuditEntries(t.Context(), 0, 10, "")
	if err != nil || len(entries) != 1 || entries[0].Action != "sign-in-oidc" || entries[0].Actor != "user:test-user@localhost" {
		t.Errorf("audit log %+v, %v", entries, err)
	}
	// A second time it is the same user.
	v.enter(t, "test-user@localhost")
	if users, err := v.store.Users(t.Context()); err != nil || len(users) != 1 {
		t.Errorf("users %v, %v", users, err)
	}
}

func TestOIDCRefuses(t *testing.T) {
	t.Run("who has no role", func(t *testing.T) {
		v := newVisit(t, adminsByName)
		res, page := v.enter(t, "test-user2")
		if res.StatusCode != http.StatusForbidden || !strings.Contains(page, "may not come in") {
			t.Errorf("got %d: %s", res.StatusCode, page)
		}
	})
	t.Run("whose name is taken", func(t *testing.T) {
		v := newVisit(t, adminsByName)
		err := v.store.CreateUser(t.Context(), fleet.User{ID: "1", Name: "Test-User@localhost", Role: fleet.Viewer, CreatedAt: v.now})
		if err != nil {
			t.Fatal(err)
		}
		res, page := v.enter(t, "test-user@localhost")
		if res.StatusCode != http.StatusConflict || !strings.Contains(page, "nother user has the name") {
			t.Errorf("got %d: %s", res.StatusCode, page)
		}
	})
	t.Run("who is disabled", func(t *testing.T) {
		v := newVisit(t, OIDC{DefaultRole: fleet.Viewer})
		if _, page := v.enter(t, "test-user2"); page != "inside true viewer" {
			t.Fatal(page)
		}
		user, err := v.store.UserByName(t.Context(), "test-user2")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.store.UpdateUser(t.Context(), user.ID, fleet.UserChange{Disabled: new(true)}); err != nil {
			t.Fatal(err)
		}
		if res, page := v.enter(t, "test-user2"); res.StatusCode != http.StatusForbidden || !strings.Contains(page, "disabled") {
			t.Errorf("got %d: %s", res.StatusCode, page)
		}
	})
	t.Run("an answer to somebody else", func(t *testing.T) {
		v := newVisit(t, adminsByName)
		form, action := v.begin(t)
		form.Set("username", "test-user@localhost")
		form.Set("password", "verysecure")
		v.browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if r.URL.Path == callbackPath {
				return http.ErrUseLastResponse
			}
			return nil
		}
		res, err := v.browser.PostForm(action, form)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		answer := res.Header.Get("Location")
		for name, browser := range map[string]*http.Client{
			"another browser": {Transport: v.browser.Transport},
		} {
			res, err := browser.Get(answer)
			if err != nil {
				t.Fatal(err)
			}
			page, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != http.StatusUnauthorized || !strings.Contains(string(page), "belongs to no attempt") || res.Header.Get("Set-Cookie") == "" {
				t.Errorf("%s: got %d: %s", name, res.StatusCode, page)
			}
			for _, c := range res.Cookies() {
				if c.Name == cookieName {
					t.Errorf("%s got a session", name)
				}
			}
		}
		// The attempt's own browser, with a state that was changed on the way.
		res, err = v.browser.Get(strings.Replace(answer, "state=", "state=x", 1))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("a changed state: got %d", res.StatusCode)
		}
	})
	t.Run("a provider that is away", func(t *testing.T) {
		v := newVisit(t, adminsByName)
		v.guard.UseOIDC(OIDC{Issuer: "http://127.0.0.1:1", Name: "nobody"}, v.url)
		res, err := v.browser.Get(v.url + "/login/oidc")
		if err != nil {
			t.Fatal(err)
		}
		page, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(page), "cannot be reached") {
			t.Errorf("got %d: %s", res.StatusCode, page)
		}
	})
}

func TestLoginPageOffersTheProvider(t *testing.T) {
	d := newDoor(t)
	if page := text(t, d.do("GET", "/login", "")); strings.Contains(page, "/login/oidc") {
		t.Errorf("no provider, and the page offers one:\n%s", page)
	}
	d.guard.UseOIDC(OIDC{Issuer: "https://id.example", Name: `"><script>`}, "https://sonde.example")
	page := text(t, d.do("GET", "/login", ""))
	if !strings.Contains(page, `href="/login/oidc?next=%2f"`) || strings.Contains(page, `"><script>`) {
		t.Errorf("the page:\n%s", page)
	}
}

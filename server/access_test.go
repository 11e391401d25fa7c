package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/emptypb"

	"sonde.dev/sonde/server/internal/fleet"
)

// running is a server of this process, with a caller of each role.
type running struct {
	*Server
	tokens map[fleet.Role]fleet.Secret
	http   *http.Client // HTTP/1.1 and redirects not followed
	http2  *http.Client
}

func run(t *testing.T) *running {
	t.Helper()
	s, err := New(t.Context(), Config{
		DataDir: t.TempDir(), Listen: "127.0.0.1:0", TLS: TLSOwn, Retention: 24 * time.Hour, MaxSeries: 1000,
		QueryTimeout: 10 * time.Second, QuerySamples: 1e6, Logger: slog.New(slog.DiscardHandler), Out: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	r := &running{Server: s, tokens: make(map[fleet.Role]fleet.Secret)}
	trusted := &tls.Config{RootCAs: x509.NewCertPool()}
	trusted.RootCAs.AppendCertsFromPEM(s.authority.PEM())
	transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: trusted.Clone()}
	transport.Protocols.SetHTTP2(true)
	r.http2 = &http.Client{Transport: transport}
	r.http = &http.Client{
		Transport:     &http.Transport{TLSClientConfig: trusted.Clone()},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		r.http.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	admission := fleet.NewAdmission(s.control, s.access, time.Now)
	for _, role := range []fleet.Role{fleet.Viewer, fleet.Operator, fleet.Admin} {
		_, r.tokens[role], err = admission.CreateAPIToken(t.Context(), fleet.Principal{ID: "link", Role: fleet.Admin}, string(role), role, 0)
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// who makes a call: how, and as which role; "" for nobody.
type who struct {
	by   string
	role fleet.Role
}

var everybody = []who{
	{"nobody", ""},
	{"token", fleet.Viewer}, {"token", fleet.Operator}, {"token", fleet.Admin},
	{"cookie", fleet.Viewer}, {"cookie", fleet.Operator}, {"cookie", fleet.Admin},
	{"cookie from another site", fleet.Admin},
	{"wrong token", ""},
}

// headers are what w sends. Cookies are of a session of its own, so that signing
// out ends no other.
func (r *running) headers(t *testing.T, w who) http.Header {
	t.Helper()
	h := make(http.Header)
	switch {
	case w.by == "token":
		h.Set("Authorization", "Bearer "+string(r.tokens[w.role]))
	case w.by == "wrong token":
		h.Set("Authorization", "Bearer sonde_api_"+strings.Repeat("A", 43))
	case strings.HasPrefix(w.by, "cookie"):
		session, _, err := r.access.SignIn(t.Context(), r.tokens[w.role])
		if err != nil {
			t.Fatal(err)
		}
		h.Set("Cookie", "sonde_session="+string(session))
		h.Set("Sec-Fetch-Site", "same-origin")
		if w.by != "cookie" {
			h.Set("Sec-Fetch-Site", "cross-site")
		}
	}
	return h
}

// itself: whoever calls it as somebody who was let in is refused; the secret is
// in the message.
const itself fleet.Role = "itself"

// rpcs is who may call what. It is on purpose not made from the table that the
// server goes by.
var rpcs = map[string]fleet.Role{
	"sonde.v1.AgentService.Enroll":  itself,
	"sonde.v1.AgentService.Connect": itself,

	"sonde.v1.FleetService.ListAgents":       fleet.Viewer,
	"sonde.v1.FleetService.GetAgent":         fleet.Viewer,
	"sonde.v1.FleetService.UpdateAgent":      fleet.Operator,
	"sonde.v1.FleetService.RemoveAgent":      fleet.Operator,
	"sonde.v1.FleetService.RotateCredential": fleet.Operator,
	"sonde.v1.FleetService.RevokeCredential": fleet.Operator,

	"sonde.v1.ConfigService.GetConfig":        fleet.Viewer,
	"sonde.v1.ConfigService.PreviewConfig":    fleet.Viewer,
	"sonde.v1.ConfigService.ApplyConfig":      fleet.Operator,
	"sonde.v1.ConfigService.RollBack":         fleet.Operator,
	"sonde.v1.ConfigService.ListRevisions":    fleet.Viewer,
	"sonde.v1.ConfigService.ListAgentConfigs": fleet.Viewer,

	"sonde.v1.AccessService.GetSelf":          fleet.Viewer,
	"sonde.v1.AccessService.ChangePassword":   fleet.Viewer,
	"sonde.v1.AccessService.CreateLoginLink":  fleet.Viewer,
	"sonde.v1.AccessService.ListUsers":        fleet.Admin,
	"sonde.v1.AccessService.CreateUser":       fleet.Admin,
	"sonde.v1.AccessService.UpdateUser":       fleet.Admin,
	"sonde.v1.AccessService.RemoveUser":       fleet.Admin,
	"sonde.v1.AccessService.ListApiTokens":    fleet.Admin,
	"sonde.v1.AccessService.CreateApiToken":   fleet.Admin,
	"sonde.v1.AccessService.RevokeApiToken":   fleet.Admin,
	"sonde.v1.AccessService.ListJoinTokens":   fleet.Operator,
	"sonde.v1.AccessService.CreateJoinToken":  fleet.Operator,
	"sonde.v1.AccessService.RevokeJoinToken":  fleet.Operator,
	"sonde.v1.AccessService.ListAuditEntries": fleet.Operator,

	"sonde.v1.QueryService.Query":           fleet.Viewer,
	"sonde.v1.QueryService.QueryRange":      fleet.Viewer,
	"sonde.v1.QueryService.QueryHeatmap":    fleet.Viewer,
	"sonde.v1.QueryService.ListSeries":      fleet.Viewer,
	"sonde.v1.QueryService.ListLabelValues": fleet.Viewer,
	"sonde.v1.QueryService.Watch":           fleet.Viewer,

	"grpc.health.v1.Health.Check":                                   fleet.Viewer,
	"grpc.health.v1.Health.Watch":                                   fleet.Viewer,
	"grpc.reflection.v1.ServerReflection.ServerReflectionInfo":      fleet.Viewer,
	"grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo": fleet.Viewer,
}

// TestWhoMayCall calls every RPC of every service in every way.
func TestWhoMayCall(t *testing.T) {
	r := run(t)
	var services []string
	for _, route := range r.routed {
		if name, ok := strings.CutPrefix(route.pattern, "/"); ok && strings.Count(name, ".") >= 2 && strings.HasSuffix(name, "/") {
			services = append(services, strings.TrimSuffix(name, "/"))
		}
	}
	seen := make(map[string]bool)
	for _, service := range services {
		methods := []string{"ServerReflectionInfo"}
		streams := map[string]bool{"ServerReflectionInfo": true}
		if d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service)); err == nil {
			methods = nil
			list := d.(protoreflect.ServiceDescriptor).Methods()
			for i := range list.Len() {
				m := list.Get(i)
				methods = append(methods, string(m.Name()))
				streams[string(m.Name())] = m.IsStreamingServer() || m.IsStreamingClient()
			}
		} else if service == "grpc.health.v1.Health" {
			methods, streams = []string{"Check", "Watch"}, map[string]bool{"Watch": true}
		} else if !strings.HasPrefix(service, "grpc.reflection.") {
			t.Errorf("service %s is not known here", service)
		}
		for _, method := range methods {
			name := service + "." + method
			seen[name] = true
			need, listed := rpcs[name]
			if !listed {
				t.Errorf("%s is not in the table of this test: who may call it?", name)
				continue
			}
			for _, w := range everybody {
				got := r.call(t, "/"+service+"/"+method, streams[method], r.headers(t, w))
				if want := wantedCode(need, w); want != 0 && got != want {
					t.Errorf("%s by %s of %q: got %v, want %v", name, w.by, w.role, got, want)
				} else if want == 0 && (got == connect.CodeUnauthenticated || got == connect.CodePermissionDenied) {
					t.Errorf("%s by %s of %q: got %v, want it to be let in", name, w.by, w.role, got)
				}
			}
		}
	}
	for name := range rpcs {
		if !seen[name] {
			t.Errorf("%s is in the table and not served", name)
		}
	}
}

// wantedCode returns the code of a refusal, 0 for none.
func wantedCode(need fleet.Role, w who) connect.Code {
	switch {
	case need == itself, w.role == "":
		return connect.CodeUnauthenticated
	case w.by == "cookie from another site", !w.role.Allows(need):
		return connect.CodePermissionDenied
	}
	return 0
}

// call calls a procedure with a message that has no field set and returns its
// code, 0 for success.
func (r *running) call(t *testing.T, procedure string, stream bool, h http.Header) connect.Code {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := connect.NewClient[emptypb.Empty, emptypb.Empty](r.http2, r.URL()+procedure, connect.WithGRPC())
	if !stream {
		req := connect.NewRequest(&emptypb.Empty{})
		copyHeader(req.Header(), h)
		_, err := client.CallUnary(ctx, req)
		return codeOf(err)
	}
	s := client.CallBidiStream(ctx)
	copyHeader(s.RequestHeader(), h)
	// They fail when the answer came first, which Receive has.
	_ = s.Send(&emptypb.Empty{})
	_ = s.CloseRequest()
	_, err := s.Receive()
	return codeOf(err)
}

func codeOf(err error) connect.Code {
	if err == nil || err == io.EOF {
		return 0
	}
	return connect.CodeOf(err)
}

func copyHeader(to, from http.Header) {
	for name, values := range from {
		to[name] = values
	}
}

// pages is what every route that is no service answers to nobody, and to anybody
// who was let in; 0 where that is more than one status.
var pages = map[string]struct {
	method, path   string
	nobody, viewer int
}{
	"GET /healthz": {"GET", "/healthz", 200, 200},
	"GET /readyz":  {"GET", "/readyz", 200, 200},
	"GET /ca.pem":  {"GET", "/ca.pem", 200, 200},
	"/login":       {"GET", "/login", 200, 200},
	"/logout":      {"POST", "/logout", 303, 303},
	// Without an identity provider there is none to send anybody to.
	"GET /login/oidc":          {"GET", "/login/oidc", 404, 404},
	"GET /login/oidc/callback": {"GET", "/login/oidc/callback?code=x&state=y", 404, 404},
	// Neither asks who calls before it has seen what for.
	"GET /authorize": {"GET", "/authorize", 400, 400},
	"/token":         {"POST", "/token", 400, 400},
	"/api/v1/":       {"GET", "/api/v1/query?query=1", 401, 200},
	"GET /metrics":   {"GET", "/metrics", 401, 200},
	"/":              {"GET", "/", 401, 200},
}

// TestWhoMayOpen does the same with all other routes.
func TestWhoMayOpen(t *testing.T) {
	r := run(t)
	seen := make(map[string]bool)
	for _, route := range r.routed {
		if strings.Count(route.pattern, ".") >= 2 {
			continue // a service
		}
		seen[route.pattern] = true
		page, listed := pages[route.pattern]
		if !listed {
			t.Errorf("%s is not in the table of this test: who may open it?", route.pattern)
			continue
		}
		for _, w := range everybody {
			want := page.viewer
			if w.role == "" {
				want = page.nobody
			}
			// A code is exchanged from another origin, and cookies count for nothing there.
			if w.by == "cookie from another site" && page.method != "GET" && page.path != "/token" {
				want = http.StatusForbidden
			}
			if got := r.open(t, page.method, page.path, r.headers(t, w)); got != want {
				t.Errorf("%s %s by %s of %q: got %d, want %d", page.method, page.path, w.by, w.role, got, want)
			}
		}
	}
	for pattern := range pages {
		if !seen[pattern] {
			t.Errorf("%s is in the table and not served", pattern)
		}
	}
	for _, path := range []string{"/api/v1/query?query=1", "/metrics", "/"} {
		if got := r.open(t, "POST", path, r.headers(t, who{"cookie from another site", fleet.Admin})); got != http.StatusForbidden {
			t.Errorf("POST %s from another site: got %d, want 403", path, got)
		}
	}
}

func (r *running) open(t *testing.T, method, path string, h http.Header) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	copyHeader(req.Header, h)
	res, err := r.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// An agent's credential is no way in for a person, nor the other way round.
func TestCredentialsAreNotTokens(t *testing.T) {
	r := run(t)
	_, _, credential, err := fleet.NewRegistrar(r.control, time.Now).Enroll(t.Context(), r.joinToken(t), fleet.HostFacts{Hostname: "web"})
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{"Authorization": {"Bearer " + string(credential)}}
	if got := r.call(t, "/sonde.v1.FleetService/ListAgents", false, h); got != connect.CodeUnauthenticated {
		t.Errorf("an agent's credential lists the agents: %v", got)
	}
	if got := r.open(t, "GET", "/api/v1/query?query=1", h); got != http.StatusUnauthorized {
		t.Errorf("an agent's credential queries: %d", got)
	}
}

func (r *running) joinToken(t *testing.T) fleet.Secret {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.config.DataDir, joinTokenFile))
	if err != nil {
		t.Fatal(err)
	}
	return fleet.Secret(strings.TrimSpace(string(text)))
}

// TestAuditHasEveryChange: what is done and what is refused is there, with who did
// it, and what only reads is not.
func TestAuditHasEveryChange(t *testing.T) {
	r := run(t)
	call := func(role fleet.Role, method string) {
		r.call(t, "/sonde.v1."+method, false, r.headers(t, who{"token", role}))
	}
	call(fleet.Operator, "AccessService/CreateJoinToken")
	call(fleet.Viewer, "AccessService/CreateJoinToken")
	call(fleet.Viewer, "FleetService/ListAgents")
	call(fleet.Admin, "FleetService/RemoveAgent")
	form := url.Values{"name": {"ada"}, "password": {"wrong"}}
	res, err := r.http.PostForm(r.URL()+"/login", form)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	entries, _, err := r.audit.List(t.Context(), 0, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range slices.Backward(entries) {
		got = append(got, strings.Join([]string{e.Actor, e.Action, e.ErrorCode, e.Address}, " "))
	}
	want := []string{
		"token:operator AccessService.CreateJoinToken  127.0.0.1",
		"token:viewer AccessService.CreateJoinToken permission_denied 127.0.0.1",
		"token:admin FleetService.RemoveAgent invalid_argument 127.0.0.1",
		" sign-in unauthenticated 127.0.0.1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the audit log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if entries[0].Target != "user:ada" || !strings.HasPrefix(entries[3].Target, "join-token:join-") {
		t.Errorf("targets %q, %q", entries[0].Target, entries[3].Target)
	}
}

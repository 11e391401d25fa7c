package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/ingest"
	"sonde.dev/sonde/server/internal/series/query"
	"sonde.dev/sonde/server/internal/store/sqlite"
)

// records are the lines of a JSON log. Safe for concurrent use.
type records struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

// take returns the records with a message since the last take.
func (r *records) take(t *testing.T, msg string) []map[string]any {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []map[string]any
	for d := json.NewDecoder(&r.b); ; {
		var m map[string]any
		if err := d.Decode(&m); err == io.EOF {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		if m["msg"] == msg {
			found = append(found, m)
		}
	}
}

// world is a server of every handler but those of queries.
type world struct {
	url     string
	client  *http.Client
	secrets fleet.Secrets
	log     *records
	service *fleet.Service
}

// admin stands for package access: everybody is let in, as this principal.
var admin = fleet.Principal{ID: "token:test", Role: fleet.Admin}

func newWorld(t *testing.T) *world {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	store, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "fleet.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := &world{log: &records{}}
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if w.secrets, err = fleet.Bootstrap(t.Context(), store, false, time.Now, fleet.Secrets{}); err != nil {
		t.Fatal(err)
	}
	registrar := fleet.NewRegistrar(store, time.Now)
	steering, err := fleet.NewSteering(t.Context(), store, time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	in := ingest.New(ingest.Config{
		Registrar: registrar, Steering: steering, Limits: ingest.DefaultLimits, Logger: log, Metrics: prometheus.NewRegistry(), Now: time.Now,
	})
	w.service = fleet.NewService(store, in, steering, time.Now)

	audit := fleet.NewAudit(store, time.Now)
	mux := http.NewServeMux()
	mount := func(path string, h http.Handler) { mux.Handle(path, Observe(log, audit, h)) }
	inside := func(path string, h http.Handler) {
		mount(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(fleet.WithPrincipal(r.Context(), admin)))
		}))
	}
	mount(NewAgentHandler(registrar, in, 1<<20))
	inside(NewFleetHandler(w.service))
	inside(NewConfigHandler(steering))
	access := fleet.NewAccess(store, time.Now)
	inside(NewAccessHandler(access, fleet.NewAdmission(store, access, time.Now), audit, Reach{PublicURL: "http://sonde.example"}))
	inside(NewHealthHandler(NewHealthChecker()))
	for path, h := range NewReflectionHandlers() {
		inside(path, h)
	}
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	w.url = server.URL
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	w.client = &http.Client{Transport: transport}
	return w
}

func (w *world) fleet() sondev1connect.FleetServiceClient {
	return sondev1connect.NewFleetServiceClient(w.client, w.url)
}

func (w *world) agents() sondev1connect.AgentServiceClient {
	return sondev1connect.NewAgentServiceClient(w.client, w.url, connect.WithGRPC())
}

func (w *world) enroll(t *testing.T, host *sondev1.HostFacts) *sondev1.EnrollResponse {
	t.Helper()
	res, err := w.agents().Enroll(t.Context(), &sondev1.EnrollRequest{JoinToken: string(w.secrets.JoinToken), Host: host})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func wantCode(t *testing.T, err error, want connect.Code) {
	t.Helper()
	if connect.CodeOf(err) != want {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestFleet(t *testing.T) {
	w := newWorld(t)
	host := &sondev1.HostFacts{
		Hostname: "web", Os: "linux", Arch: "amd64", Kernel: "6.1", OsRelease: "Debian", CpuModel: "c", CpuCount: 2,
		MemoryBytes: 1 << 40, Container: "docker", BootedAt: timestamppb.New(time.UnixMilli(1500)), AgentVersion: "1",
	}
	id := w.enroll(t, host).AgentId
	want := &sondev1.Agent{
		Id: id, Name: "web", Host: host,
		Status: &sondev1.AgentStatus{State: sondev1.AgentState_AGENT_STATE_PENDING},
	}
	same := func(got *sondev1.Agent) {
		t.Helper()
		if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(&sondev1.Agent{}, "enrolled_at", "credential_issued_at")); diff != "" {
			t.Error(diff)
		}
	}
	list, err := w.fleet().ListAgents(t.Context(), &sondev1.ListAgentsRequest{})
	if err != nil || len(list.Agents) != 1 || list.NextPageToken != "" {
		t.Fatal(list, err)
	}
	same(list.Agents[0])

	want.Name, want.Labels = "front", map[string]string{"site": "x"}
	updated, err := w.fleet().UpdateAgent(t.Context(), &sondev1.UpdateAgentRequest{
		Id: id, Name: new("front"), Labels: &sondev1.AgentLabels{Labels: want.Labels},
	})
	if err != nil {
		t.Fatal(err)
	}
	same(updated.Agent)
	// Absent labels stay, empty ones remove all.
	if updated, err = w.fleet().UpdateAgent(t.Context(), &sondev1.UpdateAgentRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	same(updated.Agent)
	want.Labels = nil
	if updated, err = w.fleet().UpdateAgent(t.Context(), &sondev1.UpdateAgentRequest{Id: id, Labels: &sondev1.AgentLabels{}}); err != nil {
		t.Fatal(err)
	}
	same(updated.Agent)

	if _, err := w.fleet().RemoveAgent(t.Context(), &sondev1.RemoveAgentRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	_, err = w.fleet().GetAgent(t.Context(), &sondev1.GetAgentRequest{Id: id})
	wantCode(t, err, connect.CodeNotFound)
}

// connect opens a stream and waits for its Welcome.
func (w *world) connect(t *testing.T, enrolled *sondev1.EnrollResponse) *connect.BidiStreamForClientSimple[sondev1.ConnectRequest, sondev1.ConnectResponse] {
	t.Helper()
	ctx, info := connect.NewClientContext(t.Context())
	info.RequestHeader().Set("Authorization", "Bearer "+enrolled.Credential)
	stream, err := w.agents().Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Hello{Hello: &sondev1.Hello{
		AgentId: enrolled.AgentId, BootId: make([]byte, 16), SubmissionIntervalMs: 1000,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if res, err := stream.Receive(); err != nil || res.GetWelcome() == nil {
		t.Fatal(res, err)
	}
	return stream
}

// A session that is ended from outside ends although its agent says nothing,
// and the agent learns why.
func TestSessionIsEnded(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(w *world, id string) error
		code connect.Code
		text string
	}{
		"removed": {func(w *world, id string) error { return w.service.Remove(context.Background(), id) }, connect.CodeUnauthenticated, "removed"},
		"renamed": {func(w *world, id string) error {
			_, err := w.service.Update(context.Background(), id, fleet.Change{Name: new("other")})
			return err
		}, connect.CodeUnavailable, `renamed to "other"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			enrolled := w.enroll(t, nil)
			stream := w.connect(t, enrolled)
			if err := test.end(w, enrolled.AgentId); err != nil {
				t.Fatal(err)
			}
			var err error
			for err == nil {
				_, err = stream.Receive() // pings may come first
			}
			wantCode(t, err, test.code)
			if !strings.Contains(err.Error(), test.text) {
				t.Errorf("the agent learns %v", err)
			}
			if err := errors.Join(stream.CloseRequest(), stream.CloseResponse()); err != nil {
				t.Log(err)
			}
			if lines := w.log.take(t, "rpc"); len(lines) != 1 || lines[0]["method"] != sondev1connect.AgentServiceEnrollProcedure {
				t.Errorf("the session is logged twice: %v", lines)
			}
		})
	}
}

func TestConnectRefused(t *testing.T) {
	w := newWorld(t)
	for name, authorization := range map[string]string{"nothing": "", "another scheme": "Basic YTpi", "unknown": "Bearer sonde_agent_x"} {
		t.Run(name, func(t *testing.T) {
			ctx, info := connect.NewClientContext(t.Context())
			if authorization != "" {
				info.RequestHeader().Set("Authorization", authorization)
			}
			stream, err := w.agents().Connect(ctx)
			if err != nil {
				t.Fatal(err)
			}
			_, err = stream.Receive()
			wantCode(t, err, connect.CodeUnauthenticated)
			_ = stream.CloseRequest()
			_ = stream.CloseResponse()
		})
	}
}

func TestAccess(t *testing.T) {
	w := newWorld(t)
	res, err := sondev1connect.NewAccessServiceClient(w.client, w.url).CreateLoginLink(t.Context(), &sondev1.CreateLoginLinkRequest{})
	if err != nil || !strings.HasPrefix(res.Path, "/login?code=sonde_code_") || !res.ExpiresAt.AsTime().After(time.Now()) {
		t.Errorf("got %v, %v", res, err)
	}
	if line := w.log.take(t, "rpc"); strings.Contains(fmt.Sprint(line), "sonde_code_") {
		t.Errorf("the code is logged: %v", line)
	}
}

// A client that is not of this library's family works too.
func TestPlainGRPC(t *testing.T) {
	w := newWorld(t)
	conn, err := grpc.NewClient(strings.TrimPrefix(w.url, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, service := range append(Services, "") {
		res, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil || res.Status != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: %v, %v", service, res, err)
		}
	}
	var list sondev1.ListAgentsResponse
	if err := conn.Invoke(t.Context(), sondev1connect.FleetServiceListAgentsProcedure, &sondev1.ListAgentsRequest{}, &list); err != nil {
		t.Error(err)
	}
}

func TestReflection(t *testing.T) {
	w := newWorld(t)
	stream := grpcreflect.NewClient(w.client, w.url, connect.WithGRPC()).NewStream(t.Context())
	defer stream.Close()
	names, err := stream.ListServices()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != len(Services)+1 {
		t.Errorf("services %v", names)
	}
	for _, name := range names {
		if files, err := stream.FileContainingSymbol(name); err != nil || len(files) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestError(t *testing.T) {
	cause := errors.New("secret cause")
	for _, test := range []struct {
		err  error
		code connect.Code
		text string
	}{
		{fleet.Wrapf(fleet.Invalid, cause, "text"), connect.CodeInvalidArgument, "text"},
		{fleet.Wrapf(fleet.Unauthenticated, cause, "text"), connect.CodeUnauthenticated, "text"},
		{fleet.Wrapf(fleet.PermissionDenied, cause, "text"), connect.CodePermissionDenied, "text"},
		{fleet.Wrapf(fleet.NotFound, cause, "text"), connect.CodeNotFound, "text"},
		{fleet.Wrapf(fleet.Exists, cause, "text"), connect.CodeAlreadyExists, "text"},
		{fleet.Wrapf(fleet.State, cause, "text"), connect.CodeFailedPrecondition, "text"},
		{fleet.Wrapf(fleet.Conflict, cause, "text"), connect.CodeAborted, "text"},
		{fleet.Wrapf(fleet.Limit, cause, "text"), connect.CodeResourceExhausted, "text"},
		{fleet.Wrapf(fleet.Unavailable, cause, "text"), connect.CodeUnavailable, "text"},
		{fmt.Errorf("outer: %w", fleet.Errorf(fleet.NotFound, "text")), connect.CodeNotFound, "text"},
		{fleet.Wrapf(fleet.Internal, cause, "text"), connect.CodeInternal, "id-1"},
		{cause, connect.CodeInternal, "id-1"},
		{connect.NewError(connect.CodeInternal, cause), connect.CodeInternal, "id-1"},
		{connect.NewError(connect.CodeResourceExhausted, errors.New("text")), connect.CodeResourceExhausted, "text"},
		{&query.Error{Kind: query.BadExpr, Err: errors.New("text")}, connect.CodeInvalidArgument, "text"},
		{&query.Error{Kind: query.Internal, Err: cause}, connect.CodeInternal, "id-1"},
		{context.Canceled, connect.CodeCanceled, "cancelled"},
		{fmt.Errorf("reading: %w", context.DeadlineExceeded), connect.CodeDeadlineExceeded, "longer"},
	} {
		got := Error(test.err, "id-1")
		if got.Code() != test.code || !strings.Contains(got.Message(), test.text) || strings.Contains(got.Error(), "secret") {
			t.Errorf("%v: got %v, want %v with %q", test.err, got, test.code, test.text)
		}
	}
}

func TestEveryCallIsLoggedOnce(t *testing.T) {
	w := newWorld(t)
	post := func(path, contentType, body string) func(t *testing.T) {
		return func(t *testing.T) {
			res, err := w.client.Post(w.url+path, contentType, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	}
	const list = sondev1connect.FleetServiceListAgentsProcedure
	for name, test := range map[string]struct {
		call  func(t *testing.T)
		code  string
		level string
	}{
		"read":              {post(list, "application/json", "{}"), "ok", "DEBUG"},
		"write":             {post(sondev1connect.AccessServiceCreateLoginLinkProcedure, "application/json", "{}"), "ok", "INFO"},
		"caller's mistake":  {post(list, "application/json", `{"pageSize":-1}`), "invalid_argument", "INFO"},
		"refused":           {post(sondev1connect.AgentServiceEnrollProcedure, "application/json", "{}"), "unauthenticated", "WARN"},
		"no JSON":           {post(list, "application/json", "{"), "http_400", "WARN"},
		"no gRPC":           {post(list, "application/grpc", "x"), "internal", "WARN"},
		"too large":         {post(list, "application/json", `{"pageToken":"`+strings.Repeat("x", maxRequestBytes)+`"}`), "http_429", "WARN"},
		"not an RPC":        {post(list, "text/plain", ""), "http_415", "WARN"},
		"method of nothing": {post("/sonde.v1.FleetService/Nothing", "application/json", "{}"), "http_404", "WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			w.log.take(t, "rpc")
			test.call(t)
			lines := w.log.take(t, "rpc")
			if len(lines) != 1 || lines[0]["code"] != test.code || lines[0]["level"] != test.level || lines[0]["request_id"] == "" || lines[0]["peer"] == "" {
				t.Fatalf("got %v, want one line with %s at %s", lines, test.code, test.level)
			}
			if test.code == "ok" && lines[0]["caller"] != admin.ID {
				t.Errorf("caller %v", lines[0]["caller"])
			}
		})
	}
}

func TestRequestID(t *testing.T) {
	h := Observe(slog.New(slog.DiscardHandler), nil, http.NotFoundHandler())
	for given, kept := range map[string]bool{
		"abc-1.2_3": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a b": false, "a\"b": false, "ä": false,
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("X-Request-Id", given)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		got := w.Header().Get("X-Request-Id")
		if (got == given) != kept || got == "" {
			t.Errorf("given %q, got %q", given, got)
		}
	}
}

// panicker is an AccessService that has a bug.
type panicker struct {
	sondev1connect.UnimplementedAccessServiceHandler
}

func (panicker) CreateLoginLink(context.Context, *sondev1.CreateLoginLinkRequest) (*sondev1.CreateLoginLinkResponse, error) {
	panic("a bug")
}

func TestPanic(t *testing.T) {
	log := &records{}
	path, handler := sondev1connect.NewAccessServiceHandler(panicker{}, Options(1<<20))
	mux := http.NewServeMux()
	mux.Handle(path, Observe(slog.New(slog.NewJSONHandler(log, nil)), nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(fleet.WithPrincipal(r.Context(), admin)))
	})))
	r := httptest.NewRequest("POST", sondev1connect.AccessServiceCreateLoginLinkProcedure, strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-Id", "id-7")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if body := w.Body.String(); w.Code != 500 || strings.Contains(body, "bug") || !strings.Contains(body, "id-7") {
		t.Errorf("got %d %s", w.Code, body)
	}
	lines := log.take(t, "rpc")
	if len(lines) != 1 || lines[0]["level"] != "ERROR" || !strings.Contains(fmt.Sprint(lines[0]["error"]), "rpc_test.go") {
		t.Errorf("the log lacks the bug and its place: %v", lines)
	}
}

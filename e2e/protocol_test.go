package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

// dial returns a connection of plain grpc-go, and a context with the admin
// token.
func dial(t *testing.T, s *sonde) (*grpc.ClientConn, context.Context) {
	t.Helper()
	conn, err := grpc.NewClient(strings.TrimPrefix(s.url, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+s.secret(t, "admin-token"))
}

// TestPlainGRPC shows that a client of the reference implementation works.
func TestPlainGRPC(t *testing.T) {
	s := startServer(t, t.TempDir())
	startAgent(t, s, t.TempDir())
	await(t, "samples", func() bool { return len(s.promQuery(t, "node_load1")) > 0 })
	conn, ctx := dial(t, s)

	t.Run("reflection lists the services", func(t *testing.T) {
		stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
		if err != nil {
			t.Fatal(err)
		}
		err = stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
		if err != nil {
			t.Fatal(err)
		}
		res, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, service := range res.GetListServicesResponse().GetService() {
			names = append(names, service.Name)
		}
		for _, want := range []string{"sonde.v1.AgentService", "sonde.v1.FleetService", "sonde.v1.QueryService", "sonde.v1.AccessService", "grpc.health.v1.Health"} {
			if !strings.Contains(strings.Join(names, " ")+" ", want+" ") {
				t.Errorf("%s is not among %v", want, names)
			}
		}
	})
	t.Run("health", func(t *testing.T) {
		res, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: sondev1connect.QueryServiceName})
		if err != nil || res.Status != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("health is %v, %v", res, err)
		}
	})
	t.Run("unary", func(t *testing.T) {
		var list sondev1.ListAgentsResponse
		if err := conn.Invoke(ctx, sondev1connect.FleetServiceListAgentsProcedure, &sondev1.ListAgentsRequest{}, &list); err != nil {
			t.Fatal(err)
		}
		if len(list.Agents) != 1 {
			t.Errorf("%d agents, want 1", len(list.Agents))
		}
	})
	t.Run("errors have codes", func(t *testing.T) {
		var res sondev1.QueryResponse
		err := conn.Invoke(ctx, sondev1connect.QueryServiceQueryProcedure, &sondev1.QueryRequest{Expr: "sum("}, &res)
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "parse error") {
			t.Errorf("a broken expression gives %v", err)
		}
		err = conn.Invoke(t.Context(), sondev1connect.QueryServiceQueryProcedure, &sondev1.QueryRequest{Expr: "1"}, &res)
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("a call without a token gives %v", err)
		}
	})
	t.Run("server stream", func(t *testing.T) {
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, sondev1connect.QueryServiceWatchProcedure)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.SendMsg(&sondev1.WatchRequest{Exprs: []string{"node_load1"}, StepMs: 1000}); err != nil {
			t.Fatal(err)
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			var res sondev1.WatchResponse
			if err := stream.RecvMsg(&res); err != nil {
				t.Fatal(err)
			}
			if len(res.Results) != 1 || res.TimeMs%1000 != 0 {
				t.Errorf("a step is %v", &res)
			}
		}
	})
	t.Run("bidirectional stream", func(t *testing.T) {
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, sondev1connect.AgentServiceConnectProcedure)
		if err != nil {
			t.Fatal(err)
		}
		// The admin token is no agent's credential.
		var res sondev1.ConnectResponse
		if err := stream.RecvMsg(&res); status.Code(err) != codes.Unauthenticated {
			t.Errorf("the stream answers %v, %v", &res, err)
		}
	})
}

// TestNothingAnswersWithoutCredential asks for everything there is with no
// credential and with a wrong one. Only what says so may answer.
func TestNothingAnswersWithoutCredential(t *testing.T) {
	s := startServer(t, t.TempDir())
	const refused = http.StatusUnauthorized
	routes := []struct {
		method, path string
		status       int
	}{
		{"GET", "/healthz", http.StatusOK},
		{"GET", "/login", http.StatusOK},
		{"POST", "/login", refused},
		{"GET", "/", refused},
		{"GET", "/host?id=x", refused},
		{"GET", "/favicon.ico", refused},
		{"GET", "/_next/static/x.js", refused},
		{"GET", "/nowhere", refused},
		{"GET", "/metrics", refused},
		{"GET", "/api/v1/query?query=1", refused},
		{"POST", "/api/v1/query_range", refused},
		{"GET", "/api/v1/series?match[]=x", refused},
		{"GET", "/api/v1/labels", refused},
		{"GET", "/api/v1/label/job/values", refused},
		{"GET", "/api/v1/metadata", refused},
		{"GET", "/api/v1/status/buildinfo", refused},
		{"POST", "/sonde.v1.FleetService/ListAgents", refused},
		{"POST", "/sonde.v1.FleetService/GetAgent", refused},
		{"POST", "/sonde.v1.FleetService/UpdateAgent", refused},
		{"POST", "/sonde.v1.FleetService/RemoveAgent", refused},
		{"POST", "/sonde.v1.QueryService/Query", refused},
		{"POST", "/sonde.v1.QueryService/QueryRange", refused},
		{"POST", "/sonde.v1.QueryService/QueryHeatmap", refused},
		{"POST", "/sonde.v1.QueryService/ListSeries", refused},
		{"POST", "/sonde.v1.QueryService/ListLabelValues", refused},
		{"POST", "/sonde.v1.AccessService/CreateLoginLink", refused},
		{"POST", "/sonde.v1.AgentService/Enroll", refused},
		{"POST", "/grpc.health.v1.Health/Check", refused},
	}
	for _, r := range routes {
		for _, token := range []string{"", "sonde_api_wrong", s.secret(t, "join-token")} {
			req, err := http.NewRequestWithContext(t.Context(), r.method, s.url+r.path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			if token != "" {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			if r.path == "/login" {
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != r.status {
				t.Errorf("%s %s with token %q: status %d, want %d: %.200s", r.method, r.path, token, res.StatusCode, r.status, body)
			}
		}
	}
}

// TestRubbish throws all kinds of rubbish at the server while an agent submits,
// and shows that the agent does not notice.
func TestRubbish(t *testing.T) {
	s := startServer(t, t.TempDir())
	a := startAgent(t, s, t.TempDir())
	await(t, "samples", func() bool { return len(s.promQuery(t, "node_load1")) > 0 })
	conn, ctx := dial(t, s)

	random := make([]byte, 100_000)
	rand.Read(random)
	for _, path := range []string{"/", "/api/v1/query", "/sonde.v1.AgentService/Connect", "/sonde.v1.AgentService/Enroll", "/sonde.v1.QueryService/Query"} {
		for _, contentType := range []string{"application/grpc", "application/grpc-web", "application/proto", "application/json", "text/plain"} {
			if code, body := s.request(t, http.MethodPost, path, contentType, bytes.NewReader(random)); code == http.StatusInternalServerError {
				t.Errorf("random bytes as %s to %s: status %d: %.200s", contentType, path, code, body)
			}
		}
	}
	var res sondev1.QueryResponse
	huge := &sondev1.QueryRequest{Expr: strings.Repeat("x", 8<<20)}
	if err := conn.Invoke(ctx, sondev1connect.QueryServiceQueryProcedure, huge, &res); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message of 8 MiB gives %v", err)
	}
	code, body := s.request(t, http.MethodGet, "/api/v1/query_range?query=node_load1&start=0&end=2000000000&step=1", "", nil)
	if code != http.StatusBadRequest || !strings.Contains(string(body), "11,000") {
		t.Errorf("a range of 2 billion steps: status %d: %s", code, body)
	}
	before := len(s.promQuery(t, "node_load1[1h]")[0].Values)
	await(t, "more samples", func() bool { return len(s.promQuery(t, "node_load1[1h]")[0].Values) > before })
	if contains(a.log, "no connection") {
		t.Errorf("the agent lost its connection:\n%s", a.log)
	}
}

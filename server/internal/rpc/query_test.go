package rpc

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/testing/protocmp"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
	"sonde.dev/sonde/server/internal/fleet"
)

// serve mounts the handler on a server of unencrypted HTTP/2 and returns a gRPC
// client of it.
func serve(t *testing.T, q *Queries) sondev1connect.QueryServiceClient {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	mux := http.NewServeMux()
	path, handler := sondev1connect.NewQueryServiceHandler(q, Options(maxRequestBytes))
	mux.Handle(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(fleet.WithPrincipal(r.Context(), admin)))
	}))
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = &protocols
	server.Start()
	t.Cleanup(server.Close)

	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	return sondev1connect.NewQueryServiceClient(client, server.URL, connect.WithGRPC())
}

// filled is a store with ten seconds of a series per cpu, up to newest.
func filled(newest time.Time) *memory {
	m := &memory{}
	for i := range 10 {
		at := newest.Add(time.Duration(i-9) * time.Second)
		m.store("a", at, float64(i), "__name__", "m", "cpu", "0")
		m.store("a", at, float64(10*i), "__name__", "m", "cpu", "1")
	}
	return m
}

func cpu(n string) *sondev1.SeriesLabels {
	return &sondev1.SeriesLabels{Labels: map[string]string{"__name__": "m", "cpu": n}}
}

func TestQueries(t *testing.T) {
	newest := time.Now().Truncate(time.Second)
	client := serve(t, newTestQueries(t, filled(newest)))
	ctx := t.Context()

	vector, err := client.Query(ctx, &sondev1.QueryRequest{Expr: "m", TimeMs: newest.UnixMilli()})
	if diff := cmp.Diff(&sondev1.QueryResponse{
		TimeMs: newest.UnixMilli(),
		Series: []*sondev1.SeriesLabels{cpu("0"), cpu("1")},
		Values: []float64{9, 90},
	}, vector, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("Query: %v (-want +got)\n%s", err, diff)
	}
	if now, err := client.Query(ctx, &sondev1.QueryRequest{Expr: "m"}); err != nil || len(now.Values) != 2 {
		t.Errorf("Query for now: got %v, %v", now, err)
	}

	start := newest.Add(-11 * time.Second).UnixMilli()
	ranges, err := client.QueryRange(ctx, &sondev1.QueryRangeRequest{
		Exprs: []string{`m{cpu="1"}`, "none", "2"}, StartMs: start, EndMs: start + 7_000, StepMs: 2_000,
	})
	none := math.NaN()
	if diff := cmp.Diff(&sondev1.QueryRangeResponse{
		StartMs: start, StepMs: 2_000, Steps: 4,
		Results: []*sondev1.Matrix{
			{Series: []*sondev1.Column{{Labels: cpu("1"), Values: []float64{none, 0, 20, 40}}}},
			{},
			{Series: []*sondev1.Column{{Labels: &sondev1.SeriesLabels{}, Values: []float64{2, 2, 2, 2}}}},
		},
	}, ranges, protocmp.Transform(), cmpopts.EquateNaNs()); err != nil || diff != "" {
		t.Errorf("QueryRange: %v (-want +got)\n%s", err, diff)
	}

	series, err := client.ListSeries(ctx, &sondev1.ListSeriesRequest{Selectors: []string{"m"}, Limit: 1})
	if err != nil || len(series.Series) != 1 || !series.Truncated {
		t.Errorf("ListSeries: got %v, %v; want one, truncated", series, err)
	}
	if _, err := client.ListLabelValues(ctx, &sondev1.ListLabelValuesRequest{Label: "cpu"}); err != nil {
		t.Errorf("ListLabelValues: %v", err)
	}
	if got, err := client.QueryHeatmap(ctx, &sondev1.QueryHeatmapRequest{Expr: "none", StartMs: 1, EndMs: 3, StepMs: 1}); err != nil || len(got.Columns) != 3 {
		t.Errorf("QueryHeatmap: got %v, %v; want three empty columns", got, err)
	}
}

func TestQueryErrors(t *testing.T) {
	m := filled(time.Now())
	client := serve(t, newTestQueries(t, m))
	query := func(expr string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := client.Query(ctx, &sondev1.QueryRequest{Expr: expr})
			return err
		}
	}
	ranged := func(req *sondev1.QueryRangeRequest) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := client.QueryRange(ctx, req)
			return err
		}
	}
	tests := []struct {
		name string
		call func(context.Context) error
		code connect.Code
		text string
	}{
		{"position", query("m + nope(m)"), connect.CodeInvalidArgument, "1:5: parse error: unknown function"},
		{"which of several", ranged(&sondev1.QueryRangeRequest{Exprs: []string{"1", "("}, StepMs: 1}), connect.CodeInvalidArgument, "expression 2: 1:2: parse error"},
		{"no expression", ranged(&sondev1.QueryRangeRequest{StepMs: 1}), connect.CodeInvalidArgument, "0 expressions"},
		{"no step", ranged(&sondev1.QueryRangeRequest{Exprs: []string{"1"}}), connect.CodeInvalidArgument, "at least a millisecond"},
		{"negative step", ranged(&sondev1.QueryRangeRequest{Exprs: []string{"1"}, StepMs: math.MinInt64}), connect.CodeInvalidArgument, "at least a millisecond"},
		{"steps", ranged(&sondev1.QueryRangeRequest{Exprs: []string{"1"}, EndMs: 11_000, StepMs: 1}), connect.CodeInvalidArgument, "11001 steps"},
		{"the longest step", ranged(&sondev1.QueryRangeRequest{Exprs: []string{"1"}, EndMs: 11_000, StepMs: math.MaxInt64}), 0, ""},
		{"no time", ranged(&sondev1.QueryRangeRequest{Exprs: []string{"1"}, EndMs: math.MaxInt64, StepMs: 1}), connect.CodeInvalidArgument, "2262"},
		{"limit", func(ctx context.Context) error {
			_, err := client.ListSeries(ctx, &sondev1.ListSeriesRequest{Selectors: []string{"m"}, Limit: maxListed + 1})
			return err
		}, connect.CodeInvalidArgument, "must be 0 to 10000"},
		{"heatmap of numbers", func(ctx context.Context) error {
			_, err := client.QueryHeatmap(ctx, &sondev1.QueryHeatmapRequest{Expr: "1", StepMs: 1})
			return err
		}, connect.CodeInvalidArgument, "needs native histograms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.call(t.Context())
			if tt.code == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if connect.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %v with %q", err, tt.code, tt.text)
			}
		})
	}

	m.mu.Lock()
	m.broken = errors.New("disk on fire")
	m.mu.Unlock()
	if err := query("m")(t.Context()); connect.CodeOf(err) != connect.CodeInternal || strings.Contains(err.Error(), "fire") {
		t.Errorf("a storage that fails: got %v, want an opaque internal error", err)
	}
}

// TestWatchOverTheWire watches over unencrypted HTTP/2 until the server stops.
func TestWatchOverTheWire(t *testing.T) {
	// The agent's clock is ahead, so that no step is due by the server's.
	newest := time.Now().Add(time.Minute).Truncate(time.Second)
	m := filled(newest)
	queries := newTestQueries(t, m)
	client := serve(t, queries)

	stream, err := client.Watch(t.Context(), &sondev1.WatchRequest{Exprs: []string{"m"}, StepMs: 1000, FollowAgent: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if !stream.Receive() {
		t.Fatal(stream.Err())
	}
	first := stream.Msg()
	if first.TimeMs != newest.UnixMilli() || first.ServerTime == nil {
		t.Errorf("the first step is %v, want %v at once", first, newest.UnixMilli())
	}
	want := &sondev1.WatchResult{
		Series: []*sondev1.SeriesLabels{cpu("0"), cpu("1")}, SeriesChanged: true, Values: []float64{9, 90},
	}
	if diff := cmp.Diff(want, first.Results[0], protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	next := newest.Add(time.Second)
	m.store("a", next, 7, "__name__", "m", "cpu", "0")
	if !stream.Receive() {
		t.Fatal(stream.Err())
	}
	second := stream.Msg()
	want = &sondev1.WatchResult{Values: []float64{7, 90}}
	if diff := cmp.Diff(want, second.Results[0], protocmp.Transform()); diff != "" || second.TimeMs != next.UnixMilli() {
		t.Errorf("the step %d (-want +got)\n%s", second.TimeMs, diff)
	}

	queries.Close()
	for stream.Receive() {
	}
	if err := stream.Err(); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("the server stopped, the stream ended with %v", err)
	}
}

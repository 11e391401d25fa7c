package agent

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeServer takes agents in, acknowledges what they send, and tells them what a
// test says.
type fakeServer struct {
	url     string
	updates chan *sondev1.ConfigUpdate

	mu      sync.Mutex
	hellos  []*sondev1.Hello
	results []*sondev1.ConfigResult
	batches int
	times   map[string][]int64 // of ticks, by the name of their first series
}

func newFakeServer(t *testing.T) *fakeServer {
	t.Helper()
	s := &fakeServer{updates: make(chan *sondev1.ConfigUpdate), times: make(map[string][]int64)}
	mux := http.NewServeMux()
	mux.Handle(sondev1connect.NewAgentServiceHandler(s))
	h := httptest.NewUnstartedServer(mux)
	h.Config.Protocols = new(http.Protocols)
	h.Config.Protocols.SetUnencryptedHTTP2(true)
	h.Start()
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

func (s *fakeServer) Enroll(context.Context, *sondev1.EnrollRequest) (*sondev1.EnrollResponse, error) {
	return &sondev1.EnrollResponse{AgentId: "01890a5d-ac96-774b-bcce-b302099a8057", Credential: "x"}, nil
}

func (s *fakeServer) Connect(ctx context.Context, stream *connect.BidiStream[sondev1.ConnectRequest, sondev1.ConnectResponse]) error {
	first, err := stream.Receive()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.hellos = append(s.hellos, first.GetHello())
	s.mu.Unlock()
	var sending sync.Mutex
	send := func(m *sondev1.ConnectResponse) error {
		sending.Lock()
		defer sending.Unlock()
		return stream.Send(m)
	}
	err = send(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_Welcome{Welcome: &sondev1.Welcome{
		ServerTime: timestamppb.Now(), Limits: &sondev1.Limits{MaxMessageBytes: 4 << 20, MaxSeries: 100_000, MaxBatchesInFlight: 8},
	}}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var updating sync.WaitGroup
	updating.Go(func() {
		for {
			select {
			case u := <-s.updates:
				_ = send(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_ConfigUpdate{ConfigUpdate: u}})
			case <-ctx.Done():
				return
			}
		}
	})
	defer updating.Wait()
	defer cancel()
	decoder := wire.NewDecoder(wire.DefaultLimits)
	for {
		m, err := stream.Receive()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := s.take(m, decoder, send); err != nil {
			return err
		}
	}
}

func (s *fakeServer) take(m *sondev1.ConnectRequest, decoder *wire.Decoder, send func(*sondev1.ConnectResponse) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m := m.Message.(type) {
	case *sondev1.ConnectRequest_Schema:
		schema, err := wire.FromProto(m.Schema, wire.DefaultLimits)
		if err != nil {
			return err
		}
		return decoder.AddSchema(schema)
	case *sondev1.ConnectRequest_Batch:
		var batch wire.Batch
		if err := decoder.Decode(m.Batch.Payload, &batch); err != nil {
			return err
		}
		s.batches++
		for _, b := range batch.Blocks {
			name := b.Schema.Series()[0].Name
			s.times[name] = append(s.times[name], b.Times...)
		}
		return send(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_Ack{Ack: &sondev1.Ack{Seq: m.Batch.Seq}}})
	case *sondev1.ConnectRequest_ConfigResult:
		s.results = append(s.results, m.ConfigResult)
	}
	return nil
}

// await waits until done, which sees the server's fields, says so.
func (s *fakeServer) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; <-time.After(5 * time.Millisecond) {
		s.mu.Lock()
		ok := done()
		s.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// tell sends an update and returns the agent's answer.
func (s *fakeServer) tell(t *testing.T, u *sondev1.ConfigUpdate) *sondev1.ConfigResult {
	t.Helper()
	s.mu.Lock()
	before := len(s.results)
	s.mu.Unlock()
	select {
	case s.updates <- u:
	case <-time.After(20 * time.Second):
		t.Fatal("no agent to tell")
	}
	s.await(t, "an answer", func() bool { return len(s.results) > before })
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.results[before]
}

// awaitPace waits until a collector has ticked so many times in a row at step
// since it was called, and fails when a tick comes twice.
func (s *fakeServer) awaitPace(t *testing.T, first string, step time.Duration, ticks int) {
	t.Helper()
	s.mu.Lock()
	from := len(s.times[first])
	s.mu.Unlock()
	s.await(t, first+" every "+step.String(), func() bool {
		row := 0
		times := s.times[first][from:]
		for i := 1; i < len(times) && row < ticks; i++ {
			if times[i]-times[i-1] == step.Milliseconds() {
				row++
			} else {
				row = 0
			}
		}
		return row == ticks
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.IsSorted(s.times[first]) || len(slices.Compact(slices.Clone(s.times[first]))) < len(s.times[first]) {
		t.Errorf("ticks of %s are at %v", first, s.times[first])
	}
}

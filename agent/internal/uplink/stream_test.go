package uplink

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type serverStream = connect.BidiStream[sondev1.ConnectRequest, sondev1.ConnectResponse]

// fakeServer answers streams as each test wants.
type fakeServer struct {
	t       *testing.T
	connect func(n int, stream *serverStream) error
	enrol   func() error

	mu      sync.Mutex
	streams int
	hellos  []*sondev1.Hello
}

func (f *fakeServer) Enroll(_ context.Context, req *sondev1.EnrollRequest) (*sondev1.EnrollResponse, error) {
	if f.enrol != nil {
		if err := f.enrol(); err != nil {
			return nil, err
		}
	}
	if req.JoinToken != "token" {
		return nil, connect.NewError(connect.CodeUnauthenticated, errors.New("unknown join token"))
	}
	return &sondev1.EnrollResponse{AgentId: "id", Credential: "credential"}, nil
}

func (f *fakeServer) Connect(_ context.Context, stream *serverStream) error {
	if got := stream.RequestHeader().Get("Authorization"); got != "Bearer credential" {
		f.t.Errorf("credential is %q", got)
	}
	req, err := stream.Receive()
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.streams++
	n := f.streams
	f.hellos = append(f.hellos, req.GetHello())
	f.mu.Unlock()
	return f.connect(n, stream)
}

func welcome(stream *serverStream, durable uint64) error {
	return stream.Send(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_Welcome{Welcome: &sondev1.Welcome{
		DurableSeq: durable,
		Limits:     &sondev1.Limits{MaxBatchesInFlight: 2, MaxSeries: 100, MaxMessageBytes: 1 << 20},
	}}})
}

func ack(stream *serverStream, seq uint64) error {
	return stream.Send(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_Ack{Ack: &sondev1.Ack{Seq: seq}}})
}

// nextBatch returns the sequence number of the next batch.
func nextBatch(stream *serverStream) (uint64, error) {
	for {
		req, err := stream.Receive()
		if err != nil {
			return 0, err
		}
		if b := req.GetBatch(); b != nil {
			return b.Seq, nil
		}
	}
}

// memoryOnly are options under which nothing goes to disk before Close.
var memoryOnly = SpoolOptions{MaxBytes: 16 << 20, MaxAge: 100 * 365 * 24 * time.Hour, FlushAfter: time.Hour, MemoryBytes: 4 << 20}

// run starts an uplink to f, and a function that stops it.
func (f *fakeServer) run(t *testing.T, dir string) (*Uplink, func() error) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(sondev1connect.NewAgentServiceHandler(f))
	srv := httptest.NewUnstartedServer(mux)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	u, err := New(Config{
		Servers:            []string{srv.URL},
		JoinToken:          func() (string, error) { return "token", nil },
		StateDir:           dir,
		SubmissionInterval: time.Hour, // tests seal batches themselves
		Spool:              memoryOnly,
		Host:               &sondev1.HostFacts{},
		Logger:             slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.http.CloseIdleConnections)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	return u, func() error {
		cancel()
		return <-ended
	}
}

func (u *Uplink) submitOne(ms int64) {
	u.Push(tickAt(ms))
	u.seal()
}

func TestUnacknowledgedBatchesAreSentAgain(t *testing.T) {
	second := make(chan []uint64, 1)
	f := &fakeServer{t: t, connect: func(n int, stream *serverStream) error {
		if err := welcome(stream, 0); err != nil {
			return err
		}
		var got []uint64
		for len(got) < 2 {
			seq, err := nextBatch(stream)
			if err != nil {
				return err
			}
			got = append(got, seq)
		}
		if n == 1 {
			// Batch 2 was received, and its acknowledgement is lost.
			if err := ack(stream, 1); err != nil {
				return err
			}
			return connect.NewError(connect.CodeUnavailable, errors.New("the server stops"))
		}
		second <- got
		for _, seq := range got {
			if err := ack(stream, seq); err != nil {
				return err
			}
		}
		_, err := nextBatch(stream)
		return err
	}}
	u, stop := f.run(t, t.TempDir())
	for ms := range int64(3) {
		u.submitOne(ms)
	}
	if got := <-second; got[0] != 2 || got[1] != 3 {
		t.Errorf("the second stream gets %v, want 2 and 3", got)
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if s := u.Stats(); s.Pending != 0 || s.Acked != 3 || s.Dropped != 0 || s.Reconnects != 1 {
		t.Errorf("stats are %+v", s)
	}
	if string(f.hellos[0].BootId) != string(f.hellos[1].BootId) {
		t.Error("the boot id changed without a restart")
	}
}

// TestWelcomeAcknowledgesNothing has a server that knows higher numbers of this boot
// than the agent: its machine was set back to a snapshot, and its batches hold
// other samples than those that the server has under their numbers.
func TestWelcomeAcknowledgesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []uint64
		c := &cluster{t: t, durable: 9, serve: func(_ string, _ int, stream *serverStream) error {
			for {
				seq, err := nextBatch(stream)
				if err != nil {
					return err
				}
				got = append(got, seq)
				if err := ack(stream, seq); err != nil {
					return err
				}
			}
		}}
		c.run(time.Second, 3, "a")
		if diff := cmp.Diff([]uint64{1, 2, 3}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWindowIsKept(t *testing.T) {
	held := make(chan struct{})
	f := &fakeServer{t: t, connect: func(_ int, stream *serverStream) error {
		if err := welcome(stream, 0); err != nil {
			return err
		}
		for want := uint64(1); want <= 2; want++ {
			if seq, err := nextBatch(stream); err != nil || seq != want {
				t.Errorf("batch %d, %v; want %d", seq, err, want)
			}
		}
		// The window is 2: the agent must wait, but answers a ping meanwhile.
		err := stream.Send(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_Ping{Ping: &sondev1.Ping{Id: 7}}})
		if err != nil {
			return err
		}
		if req, err := stream.Receive(); err != nil || req.GetPong().GetId() != 7 {
			t.Errorf("beyond the window comes %v, %v; want the pong", req, err)
		}
		close(held)
		for seq := uint64(2); seq <= 4; seq++ {
			if err := ack(stream, seq); err != nil {
				return err
			}
			if seq < 4 {
				if _, err := nextBatch(stream); err != nil {
					return err
				}
			}
		}
		_, err = stream.Receive()
		return err
	}}
	u, stop := f.run(t, t.TempDir())
	for ms := range int64(4) {
		u.submitOne(ms)
	}
	<-held
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if s := u.Stats(); s.Acked != 4 {
		t.Errorf("stats are %+v, want 4 acknowledged: an agent that stops waits for the last", s)
	}
}

// TestStopDoesNotWaitForASilentServer ends an agent whose server takes a batch
// and says nothing any more, though its transport answers.
func TestStopDoesNotWaitForASilentServer(t *testing.T) {
	got, over := make(chan struct{}), make(chan struct{})
	f := &fakeServer{t: t, connect: func(_ int, stream *serverStream) error {
		if err := welcome(stream, 0); err != nil {
			return err
		}
		_, err := nextBatch(stream)
		close(got)
		<-over
		return err
	}}
	dir := t.TempDir()
	u, stop := f.run(t, dir)
	defer close(over)
	u.submitOne(1)
	<-got
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	next, err := New(u.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if next.found != 1 {
		t.Errorf("the next process finds %d samples, want the one that was not acknowledged", next.found)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}

func TestPingMeasuresTheRoundTrip(t *testing.T) {
	f := &fakeServer{t: t, connect: func(_ int, stream *serverStream) error {
		if err := welcome(stream, 0); err != nil {
			return err
		}
		for {
			req, err := stream.Receive()
			if err != nil {
				return err
			}
			if p := req.GetPing(); p != nil {
				err := stream.Send(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_Pong{Pong: &sondev1.Pong{Id: p.Id}}})
				if err != nil {
					return err
				}
			}
		}
	}}
	u, stop := f.run(t, t.TempDir())
	for {
		rtt, err := u.Ping(t.Context())
		if errors.Is(err, ErrNotConnected) {
			continue
		}
		if err != nil || rtt <= 0 {
			t.Errorf("Ping = %v, %v", rtt, err)
		}
		break
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := u.Ping(t.Context()); !errors.Is(err, ErrNotConnected) {
		t.Errorf("Ping without a stream: %v", err)
	}
}

func TestEnrolment(t *testing.T) {
	dir := t.TempDir()
	connected := make(chan struct{}, 2)
	tries := 0
	f := &fakeServer{
		t: t,
		enrol: func() error {
			if tries++; tries == 1 {
				return connect.NewError(connect.CodeUnavailable, errors.New("starting"))
			}
			return nil
		},
		connect: func(_ int, stream *serverStream) error {
			connected <- struct{}{}
			if err := welcome(stream, 0); err != nil {
				return err
			}
			_, err := stream.Receive()
			return err
		},
	}
	_, stop := f.run(t, dir)
	<-connected
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	info, err := os.Stat(identityPath(dir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the identity's file: %v, %v", info, err)
	}
	// The second start needs no token.
	_, stop = f.run(t, dir)
	<-connected
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if tries != 2 {
		t.Errorf("%d enrolments, want 2: one that failed and one that did not", tries)
	}
}

func TestDamagedIdentityIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(identityPath(dir), []byte(`{"agent_id":`), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := New(Config{Servers: []string{"http://127.0.0.1:1"}, StateDir: dir, Spool: memoryOnly, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Run: %v, want that the identity is damaged", err)
	}
}

package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/series"
	"sonde.dev/sonde/server/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// appender is a store of samples in memory. Writes wait for release where that
// is not nil.
type appender struct {
	release chan error    // one value a write: how it goes
	full    chan struct{} // until it is closed, Append waits

	mu     sync.Mutex
	stored map[string]map[int64]float64 // floats by labels and time
	writes int
	queue  chan *series.Write
	done   chan struct{}
}

func newAppender(t testing.TB) *appender {
	a := &appender{
		stored: make(map[string]map[int64]float64),
		queue:  make(chan *series.Write, 1000),
		done:   make(chan struct{}),
	}
	go a.run()
	t.Cleanup(func() { close(a.queue); <-a.done })
	return a
}

func (a *appender) Append(ctx context.Context, w *series.Write) error {
	if err := w.Check(); err != nil {
		return err
	}
	if a.full != nil {
		<-a.full
	}
	a.queue <- w
	return nil
}

func (a *appender) run() {
	defer close(a.done)
	for w := range a.queue {
		var err error
		if a.release != nil {
			err = <-a.release
		}
		if err == nil {
			a.store(w)
		}
		w.Done(series.Result{Stored: uint64(w.Samples())}, err)
	}
}

func (a *appender) store(w *series.Write) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writes++
	for _, r := range w.Rows {
		floats, _ := r.Target.Columns(a)
		for c, col := range floats {
			at := a.stored[col.Labels.String()]
			if at == nil {
				at = make(map[int64]float64)
				a.stored[col.Labels.String()] = at
			}
			for k, ts := range r.Times {
				at[ts] = r.Floats[c*len(r.Times)+k]
			}
		}
	}
}

// pipe is a Stream whose other end a test holds.
type pipe struct {
	requests  chan *sondev1.ConnectRequest
	responses chan *sondev1.ConnectResponse
	aborted   chan struct{}
	abort     sync.Once
}

func newPipe() *pipe {
	return &pipe{
		requests:  make(chan *sondev1.ConnectRequest),
		responses: make(chan *sondev1.ConnectResponse, 1000),
		aborted:   make(chan struct{}),
	}
}

func (p *pipe) Receive() (*sondev1.ConnectRequest, error) {
	select {
	case req, ok := <-p.requests:
		if !ok {
			return nil, io.EOF
		}
		return req, nil
	case <-p.aborted:
		return nil, errors.New("aborted")
	}
}

func (p *pipe) Send(res *sondev1.ConnectResponse) error {
	p.responses <- res
	return nil
}

// world is an Ingest with one enrolled agent.
type world struct {
	*Ingest
	service    *fleet.Service
	registrar  *fleet.Registrar
	joinToken  fleet.Secret
	appender   *appender
	agent      fleet.Agent
	credential fleet.Secret
}

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func newWorld(t testing.TB, limits Limits) *world {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	clock := func() time.Time { return now }
	secrets, err := fleet.Bootstrap(t.Context(), store, false, clock, fleet.Secrets{})
	if err != nil {
		t.Fatal(err)
	}
	registrar := fleet.NewRegistrar(store, clock)
	steering, err := fleet.NewSteering(t.Context(), store, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	agent, _, credential, err := registrar.Enroll(t.Context(), secrets.JoinToken, fleet.HostFacts{Hostname: "web-1"})
	if err != nil {
		t.Fatal(err)
	}
	a := newAppender(t)
	in := New(Config{
		Registrar: registrar,
		Steering:  steering,
		Appender:  a,
		Limits:    limits,
		Logger:    slog.New(slog.DiscardHandler),
		Metrics:   prometheus.NewRegistry(),
		Now:       clock,
	})
	return &world{
		Ingest:     in,
		service:    fleet.NewService(store, in, steering, clock),
		registrar:  registrar,
		joinToken:  secrets.JoinToken,
		appender:   a,
		agent:      agent,
		credential: credential,
	}
}

// client is the agent's end of a session.
type client struct {
	*pipe
	ended chan error
	enc   *wire.Encoder
}

func (w *world) open(t testing.TB) *client {
	t.Helper()
	c := &client{pipe: newPipe(), ended: make(chan error, 1), enc: wire.NewEncoder()}
	credential := w.credential
	go func() {
		c.ended <- w.Serve(context.Background(), c, Peer{
			Credential: credential,
			Address:    "192.0.2.7:1234",
			Abort:      func() { c.abort.Do(func() { close(c.aborted) }) },
		})
	}()
	return c
}

func (w *world) connect(t testing.TB) (*client, *sondev1.Welcome) {
	t.Helper()
	return w.hello(t, 0)
}

// hello connects an agent that has settings of a hash in force.
func (w *world) hello(t testing.TB, config uint64) (*client, *sondev1.Welcome) {
	t.Helper()
	c := w.open(t)
	c.requests <- &sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Hello{Hello: &sondev1.Hello{
		AgentId: w.agent.ID, BootId: []byte("0123456789abcdef"), SubmissionIntervalMs: 1000, ConfigHash: config,
	}}}
	welcome := c.next(t).GetWelcome()
	if welcome == nil {
		t.Fatal("the session does not begin with a welcome")
	}
	return c, welcome
}

// next returns the next response that is no ping.
func (c *client) next(t testing.TB) *sondev1.ConnectResponse {
	t.Helper()
	for {
		select {
		case res := <-c.responses:
			if res.GetPing() == nil {
				return res
			}
		case err := <-c.ended:
			t.Fatalf("the session ended: %v", err)
		}
	}
}

func (c *client) close(t *testing.T) {
	t.Helper()
	close(c.requests)
	if err := <-c.ended; err != nil {
		t.Errorf("a session that the agent closed ends with %v", err)
	}
}

func load(t *testing.T) *wire.Schema {
	t.Helper()
	s, err := wire.NewSchema([]wire.Series{{Name: "node_load1", Kind: wire.Float}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (c *client) schema(s *wire.Schema) {
	c.requests <- &sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Schema{Schema: s.Proto()}}
}

func (c *client) payload(t *testing.T, s *wire.Schema, times []int64, values ...float64) []byte {
	t.Helper()
	p, err := c.enc.Encode(nil, []wire.Block{{Schema: s, Times: times, Floats: values}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (c *client) batch(seq uint64, payload []byte) {
	c.requests <- &sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Batch{Batch: &sondev1.Batch{Seq: seq, Payload: payload}}}
}

func (w *world) series(name string) string {
	return `{__name__="` + name + `", agent="` + w.agent.ID + `", instance="web-1", job="node"}`
}

func TestBatchIsStoredThenAcknowledged(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	w.appender.release = make(chan error)
	c, welcome := w.connect(t)
	if got := welcome.Limits.MaxSeries; got != uint32(DefaultLimits.MaxSeries) {
		t.Errorf("welcome states %d series", got)
	}
	s := load(t)
	c.schema(s)
	at := now.UnixMilli()
	c.batch(1, c.payload(t, s, []int64{at}, 0.5))
	c.batch(2, c.payload(t, s, []int64{at + 1000}, 0.75))
	w.appender.release <- nil
	if ack := c.next(t).GetAck(); ack.GetSeq() != 1 {
		t.Errorf("first ack is %v, want 1: batch 2 is not stored yet", ack)
	}
	w.appender.release <- nil
	if ack := c.next(t).GetAck(); ack.GetSeq() != 2 {
		t.Errorf("second ack is %v, want 2", ack)
	}
	c.close(t)
	want := map[string]map[int64]float64{w.series("node_load1"): {at: 0.5, at + 1000: 0.75}}
	if diff := cmp.Diff(want, w.appender.stored); diff != "" {
		t.Error(diff)
	}
}

func TestDuplicatesAreAcknowledgedAndNotStoredAgain(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	at := now.UnixMilli()
	s := load(t)
	c, _ := w.connect(t)
	c.schema(s)
	c.batch(1, c.payload(t, s, []int64{at}, 1))
	c.next(t)
	c.close(t)

	// The ack got lost: the agent sends the batch once more, then goes on with
	// one that is relative to it.
	c, welcome := w.connect(t)
	if welcome.DurableSeq != 1 {
		t.Errorf("welcome says that %d is durable, want 1", welcome.DurableSeq)
	}
	c.schema(s)
	c.batch(1, c.payload(t, s, []int64{at}, 1))
	if ack := c.next(t).GetAck(); ack.GetSeq() != 1 {
		t.Errorf("ack of the duplicate is %v", ack)
	}
	c.batch(2, c.payload(t, s, []int64{at + 1000}, 2))
	if ack := c.next(t).GetAck(); ack.GetSeq() != 2 {
		t.Errorf("ack is %v, want 2", ack)
	}
	c.close(t)
	if w.appender.writes != 2 {
		t.Errorf("%d writes, want 2", w.appender.writes)
	}
	if got := w.appender.stored[w.series("node_load1")]; !cmp.Equal(got, map[int64]float64{at: 1, at + 1000: 2}) {
		t.Errorf("stored %v", got)
	}
}

func TestFutureIsRefusedAndTheRestStored(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	c, _ := w.connect(t)
	s, err := wire.NewSchema([]wire.Series{{Name: "a", Kind: wire.Float}, {Name: "b", Kind: wire.Float}})
	if err != nil {
		t.Fatal(err)
	}
	c.schema(s)
	at := now.UnixMilli()
	year2100 := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	c.batch(1, c.payload(t, s, []int64{at, at + 1000, year2100}, 1, 2, 3, 10, 20, 30))
	refusal := c.next(t).GetRefusal()
	if refusal.GetReason() != sondev1.RefusalReason_REFUSAL_REASON_FUTURE || refusal.GetSamples() != 2 ||
		!strings.Contains(refusal.GetDetail(), "2100-01-01") {
		t.Errorf("refusal is %v", refusal)
	}
	if ack := c.next(t).GetAck(); ack.GetSeq() != 1 {
		t.Errorf("ack is %v, want 1", ack)
	}
	if status, _ := w.Status(w.agent.ID); status.SamplesRefused != 2 || !strings.Contains(status.LastError, "future") {
		t.Errorf("status is %+v", status)
	}
	c.close(t)
	want := map[string]map[int64]float64{
		w.series("a"): {at: 1, at + 1000: 2},
		w.series("b"): {at: 10, at + 1000: 20},
	}
	if diff := cmp.Diff(want, w.appender.stored); diff != "" {
		t.Error(diff)
	}
}

func TestStoreErrorEndsTheSessionWithoutAck(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	w.appender.release = make(chan error, 2)
	c, _ := w.connect(t)
	s := load(t)
	c.schema(s)
	c.batch(1, c.payload(t, s, []int64{1}, 1))
	c.batch(2, c.payload(t, s, []int64{2}, 2))
	w.appender.release <- series.ErrNoSpace
	w.appender.release <- nil
	err := <-c.ended
	if fleet.ErrorCode(err) != fleet.Unavailable {
		t.Errorf("the session ends with %v, want Unavailable", err)
	}
	for len(c.responses) > 0 {
		if res := <-c.responses; res.GetAck() != nil {
			t.Errorf("batch %d was acknowledged although batch 1 is not stored", res.GetAck().Seq)
		}
	}
	c, welcome := w.connect(t)
	if welcome.DurableSeq != 0 {
		t.Errorf("welcome says that %d is durable, want 0", welcome.DurableSeq)
	}
	c.close(t)
}

// What the store still has of a session that it failed keeps nobody waiting, and
// is not acknowledged.
func TestStoreErrorIsToldAtOnce(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	w.appender.release = make(chan error)
	c, _ := w.connect(t)
	s := load(t)
	c.schema(s)
	at := now.UnixMilli()
	c.batch(1, c.payload(t, s, []int64{at}, 1))
	c.batch(2, c.payload(t, s, []int64{at + 1000}, 2))
	w.appender.release <- series.ErrUnavailable
	if err := <-c.ended; fleet.ErrorCode(err) != fleet.Unavailable {
		t.Errorf("the session ends with %v", err)
	}
	w.appender.release <- nil
	again, welcome := w.connect(t)
	if welcome.DurableSeq != 0 {
		t.Errorf("batch %d counts as durable", welcome.DurableSeq)
	}
	again.close(t)
}

func TestNewSessionReplacesTheOld(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	first, _ := w.connect(t)
	second, _ := w.connect(t)
	if err := <-first.ended; fleet.ErrorCode(err) != fleet.Conflict {
		t.Errorf("the first session ends with %v, want Conflict", err)
	}
	if status, _ := w.Status(w.agent.ID); status.ConnectedAt.IsZero() {
		t.Error("the agent counts as not connected although its second session is open")
	}
	second.close(t)
	if status, _ := w.Status(w.agent.ID); !status.ConnectedAt.IsZero() {
		t.Error("the agent counts as connected after its session ended")
	}
}

func TestDrainAcknowledgesWhatWasReceived(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	w.appender.release = make(chan error)
	c, _ := w.connect(t)
	s := load(t)
	c.schema(s)
	c.batch(1, c.payload(t, s, []int64{1}, 1))
	// A message behind the batch: once it is taken, the batch is with the store.
	c.requests <- &sondev1.ConnectRequest{}
	w.Drain()
	w.appender.release <- nil
	if err := <-c.ended; !errors.Is(err, errStopping) {
		t.Errorf("the session ends with %v, want %v", err, errStopping)
	}
	acked := uint64(0)
	for len(c.responses) > 0 {
		acked = max(acked, (<-c.responses).GetAck().GetSeq())
	}
	if acked != 1 {
		t.Errorf("acked %d before the end, want 1", acked)
	}
	late := w.open(t)
	late.requests <- &sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Hello{Hello: &sondev1.Hello{
		AgentId: w.agent.ID, BootId: make([]byte, 16),
	}}}
	if err := <-late.ended; !errors.Is(err, errStopping) {
		t.Errorf("a session during the drain ends with %v", err)
	}
}

func TestStoredThroughWaitsForTheAgent(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	c, _ := w.connect(t)
	s := load(t)
	c.schema(s)
	at := now.UnixMilli()
	through := make(chan int64)
	go func() {
		newest, err := w.StoredThrough(t.Context(), w.agent.ID, at+1000)
		if err != nil {
			newest = -1
		}
		through <- newest
	}()
	c.batch(1, c.payload(t, s, []int64{at}, 1))
	c.next(t)
	select {
	case newest := <-through:
		t.Fatalf("StoredThrough returned %d too early", newest)
	default:
	}
	c.batch(2, c.payload(t, s, []int64{at + 2000}, 2))
	if newest := <-through; newest != at+2000 {
		t.Errorf("StoredThrough = %d, want %d", newest, at+2000)
	}
	c.close(t)
}

func TestBadInputEndsOnlyItsSession(t *testing.T) {
	limits := DefaultLimits
	limits.MaxSeries = 3
	limits.MaxInFlight = 2
	valid := func(t *testing.T) *wire.Schema { return load(t) }
	hello := func(agent string, boot int) *sondev1.ConnectRequest {
		return &sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Hello{Hello: &sondev1.Hello{AgentId: agent, BootId: make([]byte, boot)}}}
	}
	schema := func(names ...string) *sondev1.ConnectRequest {
		var list []wire.Series
		for _, n := range names {
			list = append(list, wire.Series{Name: n, Kind: wire.Float})
		}
		s, err := wire.NewSchema(list)
		if err != nil {
			panic(err)
		}
		return &sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Schema{Schema: s.Proto()}}
	}
	tests := []struct {
		name string
		send func(t *testing.T, w *world, c *client)
		code fleet.Code
		says string
	}{
		{"no hello", func(t *testing.T, w *world, c *client) { c.requests <- schema("a") }, fleet.Invalid, "hello"},
		{"short boot id", func(t *testing.T, w *world, c *client) { c.requests <- hello(w.agent.ID, 3) }, fleet.Invalid, "boot_id has 3 bytes"},
		{"foreign agent", func(t *testing.T, w *world, c *client) { c.requests <- hello("someone", 16) }, fleet.Unauthenticated, `"someone"`},
		{"two hellos", func(t *testing.T, w *world, c *client) {
			c.requests <- hello(w.agent.ID, 16)
			c.requests <- hello(w.agent.ID, 16)
		}, fleet.Invalid, "second hello"},
		{"random payload", func(t *testing.T, w *world, c *client) {
			c.requests <- hello(w.agent.ID, 16)
			c.schema(valid(t))
			c.batch(1, []byte("\xffno payload at all"))
		}, fleet.Invalid, "batch 1"},
		{"truncated payload", func(t *testing.T, w *world, c *client) {
			c.requests <- hello(w.agent.ID, 16)
			c.schema(valid(t))
			p := c.payload(t, valid(t), []int64{1}, math.Pi)
			c.batch(1, p[:len(p)-1])
		}, fleet.Invalid, "batch 1"},
		{"sequence goes back", func(t *testing.T, w *world, c *client) {
			c.requests <- hello(w.agent.ID, 16)
			s := valid(t)
			c.schema(s)
			c.batch(7, c.payload(t, s, []int64{1}, 1))
			c.batch(7, c.payload(t, s, []int64{2}, 1))
		}, fleet.Invalid, "batch 7 comes after batch 7"},
		{"wrong hash", func(t *testing.T, w *world, c *client) {
			c.requests <- hello(w.agent.ID, 16)
			req := schema("a")
			req.GetSchema().Hash++
			c.requests <- req
		}, fleet.Invalid, "hash"},
		{"invalid UTF-8", func(t *testing.T, w *world, c *client) {
			c.requests <- hello(w.agent.ID, 16)
			req := schema("a")
			req.GetSchema().Series[0].Labels = []*sondev1.Label{{Name: "x", Value: "\xff"}}
			c.requests <- req
		}, fleet.Invalid, "UTF-8"},
		{"label of a megabyte", func(t *testing.T, w *world, c *client) {
			c.requests <- hello(w.agent.ID, 16)
			req := schema("a")
			req.GetSchema().Series[0].Labels = []*sondev1.Label{{Name: "x", Value: strings.Repeat("y", 1<<20)}}
			c.requests <- req
		}, fleet.Invalid, "1024"},
		{"too many series", func(t *testing.T, w *world, c *client) {
			c.requests <- hello(w.agent.ID, 16)
			c.requests <- schema("a", "b")
			c.requests <- schema("c", "d")
		}, fleet.Limit, "the limit is 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, limits)
			c := w.open(t)
			go tt.send(t, w, c)
			err := <-c.ended
			if fleet.ErrorCode(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the session ends with %v (code %v), want code %v and %q", err, fleet.ErrorCode(err), tt.code, tt.says)
			}
			next, _ := w.connect(t)
			next.close(t)
		})
	}
}

func TestTooManyBatchesInFlight(t *testing.T) {
	limits := DefaultLimits
	limits.MaxInFlight = 2
	w := newWorld(t, limits)
	w.appender.release = make(chan error, 3)
	c, _ := w.connect(t)
	s := load(t)
	c.schema(s)
	for seq := range uint64(3) {
		c.batch(seq+1, c.payload(t, s, []int64{int64(seq)}, 1))
	}
	<-c.aborted // before the store gives one back
	w.appender.release <- nil
	w.appender.release <- nil
	if err := <-c.ended; fleet.ErrorCode(err) != fleet.Limit {
		t.Errorf("the session ends with %v, want Limit", err)
	}
}

func TestUnknownCredential(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	w.credential = "sonde_agent_wrong"
	if err := <-w.open(t).ended; fleet.ErrorCode(err) != fleet.Unauthenticated {
		t.Errorf("the session ends with %v, want Unauthenticated", err)
	}
}

func TestRemovalEndsTheSession(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	c, _ := w.connect(t)
	reason := fleet.Errorf(fleet.Unauthenticated, "removed")
	w.Disconnect(w.agent.ID, reason)
	if err := <-c.ended; !errors.Is(err, reason) {
		t.Errorf("the session ends with %v, want %v", err, reason)
	}
}

func TestSilentAgentIsGone(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	w.cfg.Limits.MaxSilence = 10 * time.Millisecond
	c, _ := w.connect(t)
	if err := <-c.ended; fleet.ErrorCode(err) != fleet.Unavailable || !strings.Contains(err.Error(), "has sent nothing for 10ms") {
		t.Errorf("the session ends with %v", err)
	}
}

// TestStoreIsSlowNotTheAgent has the store keep a session waiting for longer than
// an agent may be silent.
func TestStoreIsSlowNotTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, DefaultLimits)
		w.appender.full = make(chan struct{})
		c, _ := w.connect(t)
		s := load(t)
		c.schema(s)
		c.batch(1, c.payload(t, s, []int64{0}, 1))
		time.Sleep(10 * DefaultLimits.MaxSilence)
		select {
		case <-c.aborted:
			t.Error("the session of an agent that waits is aborted")
		default:
		}
		close(w.appender.full)
		if err := <-c.ended; fleet.ErrorCode(err) != fleet.Unavailable {
			t.Errorf("a silent session ends with %v", err)
		}
	})
}

// mute is a stream that takes nothing.
type mute struct {
	*pipe
	onSend func()
}

func (m mute) Send(*sondev1.ConnectResponse) error {
	m.onSend()
	return io.ErrClosedPipe
}

// Who still knows a session that failed before it was served does not touch its
// stream, which is gone.
func TestNoAbortBehindTheHandler(t *testing.T) {
	w := newWorld(t, Limits{})
	var s *session
	stream := mute{newPipe(), func() { s = w.session(w.agent.ID) }}
	go func() {
		stream.requests <- &sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Hello{Hello: &sondev1.Hello{
			AgentId: w.agent.ID, BootId: []byte("0123456789abcdef"),
		}}}
	}()
	err := w.Serve(t.Context(), stream, Peer{Credential: w.credential, Abort: func() { t.Error("the stream was aborted") }})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Fatal(err)
	}
	s.end(errStopping)
}

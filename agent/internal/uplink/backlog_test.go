package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/agent/internal/sample"
	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// receiver decodes what comes on one stream, as a server does.
type receiver struct {
	t       *testing.T
	stream  *serverStream
	decoder *wire.Decoder
}

func newReceiver(t *testing.T, stream *serverStream) *receiver {
	return &receiver{t: t, stream: stream, decoder: wire.NewDecoder(wire.DefaultLimits)}
}

// next returns the next batch, and the times of its ticks.
func (r *receiver) next() (*sondev1.Batch, []int64, error) {
	for {
		req, err := r.stream.Receive()
		if err != nil {
			return nil, nil, err
		}
		if m := req.GetSchema(); m != nil {
			schema, err := wire.FromProto(m, wire.DefaultLimits)
			if err == nil {
				err = r.decoder.AddSchema(schema)
			}
			if err != nil {
				r.t.Errorf("a schema: %v", err)
			}
		}
		b := req.GetBatch()
		if b == nil {
			continue
		}
		var batch wire.Batch
		if err := r.decoder.Decode(b.Payload, &batch); err != nil {
			r.t.Errorf("batch %d of %x: %v", b.Seq, b.BootId, err)
		}
		var times []int64
		for _, block := range batch.Blocks {
			times = append(times, block.Times...)
		}
		return b, times, nil
	}
}

func (r *receiver) ack(b *sondev1.Batch) error {
	return r.stream.Send(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_Ack{Ack: &sondev1.Ack{Seq: b.Seq, BootId: b.BootId}}})
}

// leave is an agent that took ticks, each a batch, without a server.
func leave(t *testing.T, dir string, ticks ...sample.Tick) {
	t.Helper()
	if err := (identity{AgentID: "id", Credential: "credential"}).save(dir); err != nil {
		t.Fatal(err)
	}
	u, err := New(Config{Servers: []string{"http://127.0.0.1:1"}, StateDir: dir, Spool: memoryOnly, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tick := range ticks {
		u.Push(tick)
		u.seal()
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestBacklogOutlivesTheAgent leaves batches to the next process, which sends
// them beside its own, again when their acknowledgement is lost, and then never.
func TestBacklogOutlivesTheAgent(t *testing.T) {
	dir := t.TempDir()
	leave(t, dir, tickAt(1), tickAt(2), tickAt(3))
	leave(t, dir, tickAt(4))
	broken, done := make(chan struct{}), make(chan struct{})
	got := make(map[string][]int64)
	f := &fakeServer{t: t, connect: func(n int, stream *serverStream) error {
		if err := welcome(stream, 0); err != nil {
			return err
		}
		r := newReceiver(t, stream)
		if n == 1 {
			if _, _, err := r.next(); err != nil {
				return err
			}
			// It is stored, and nobody hears of it.
			close(broken)
			return connect.NewError(connect.CodeUnavailable, errors.New("the server stops"))
		}
		for {
			b, times, err := r.next()
			if err != nil {
				return err
			}
			name := "live"
			if len(b.BootId) > 0 {
				name = fmt.Sprint("backlog to ", times[len(times)-1])
			}
			got[name] = append(got[name], times...)
			all := len(got) == 3 && len(got["live"]) == 2
			if err := r.ack(b); err != nil {
				return err
			}
			if all {
				close(done)
				_, err := stream.Receive()
				return err
			}
		}
	}}
	u, stop := f.run(t, dir)
	<-broken
	u.submitOne(5)
	u.submitOne(6)
	<-done
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	want := map[string][]int64{"backlog to 3": {1, 2, 3}, "backlog to 4": {4}, "live": {5, 6}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s := u.Stats(); s.Pending != 0 || s.Acked != 6 || s.Dropped != 0 {
		t.Errorf("stats are %+v", s)
	}
	next, err := New(u.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if s := next.Stats(); s.Pending != 0 || s.SpoolBytes > 4096 {
		t.Errorf("the next process finds %+v", s)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}

func wide(name string, series int, at int64) sample.Tick {
	list := make([]sample.Series, series)
	for i := range list {
		list[i] = sample.Series{Name: fmt.Sprint(name, i), Kind: sample.Float}
	}
	return sample.Tick{Schema: sample.NewSchema(list), Time: at, Floats: make([]float64, series)}
}

// TestFullStreamBeginsAnew has a backlog with more series than the 100 that the
// server takes on one stream, and one record that no stream can carry.
func TestFullStreamBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	leave(t, dir, wide("a", 60, 1))
	leave(t, dir, wide("b", 60, 2))
	leave(t, dir, wide("c", 150, 3))
	leave(t, dir, wide("d", 60, 4))
	done := make(chan struct{})
	var got []int64
	f := &fakeServer{t: t, connect: func(_ int, stream *serverStream) error {
		if err := welcome(stream, 0); err != nil {
			return err
		}
		r := newReceiver(t, stream)
		series := 0
		for {
			b, times, err := r.next()
			if err != nil {
				return err
			}
			if series += 60; series > 100 {
				t.Errorf("%d series on one stream", series)
			}
			got = append(got, times...)
			if err := r.ack(b); err != nil {
				return err
			}
			if len(got) == 3 {
				close(done)
			}
		}
	}}
	u, stop := f.run(t, dir)
	<-done
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if diff := cmp.Diff([]int64{1, 2, 4}, got); diff != "" {
		t.Error(diff)
	}
	if s := u.Stats(); s.Refused != 150 || s.Reconnects != 0 {
		t.Errorf("stats are %+v, want 150 refused and no broken stream", s)
	}
}

func TestSchemasOfTheBacklogLeaveRoom(t *testing.T) {
	schema := func(hash uint64, series int) []*sondev1.Schema {
		return []*sondev1.Schema{{Hash: hash, Series: make([]*sondev1.SeriesDef, series)}}
	}
	s := newSchemaSet(100)
	steps := []struct {
		what string
		err  error
		want error
	}{
		{"live", second(s.addLive(1, 40)), nil},
		{"backlog within half", s.addBacklog(schema(2, 45)), nil},
		{"backlog beyond half", s.addBacklog(schema(3, 10)), errRenew},
		{"live beyond all", second(s.addLive(4, 20)), errRenew},
		{"live known from the backlog", second(s.addLive(2, 45)), nil},
	}
	for _, step := range steps {
		if !errors.Is(step.err, step.want) {
			t.Errorf("%s: %v, want %v", step.what, step.err, step.want)
		}
	}
	s = newSchemaSet(100)
	if err := s.addBacklog(schema(1, 101)); err == nil || errors.Is(err, errRenew) {
		t.Errorf("a record beyond the limit: %v; a new stream does not help", err)
	}
	if _, err := s.addLive(1, 101); err == nil || errors.Is(err, errRenew) {
		t.Errorf("a live batch beyond the limit: %v; a new stream does not help", err)
	}
}

func second(_ bool, err error) error { return err }

// TestStopKeepsWhatIsNotAcknowledged ends an agent that never reached a server.
func TestStopKeepsWhatIsNotAcknowledged(t *testing.T) {
	dir := t.TempDir()
	leave(t, dir) // an identity
	config := Config{Servers: []string{"http://127.0.0.1:1"}, StateDir: dir, SubmissionInterval: 1 << 40, Spool: memoryOnly, Logger: slog.New(slog.DiscardHandler)}
	u, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(config)
	if err == nil || !strings.Contains(err.Error(), "state-dir: another agent") {
		t.Errorf("a second agent on one state folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	u.Push(tickAt(1))
	u.Push(tickAt(2))
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	u, err = New(config)
	if err != nil {
		t.Fatal(err)
	}
	if s := u.Stats(); s.Pending == 0 || u.found != 2 || s.Oldest.UnixMilli() != 1 {
		t.Errorf("the next process finds %+v", s)
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}
}

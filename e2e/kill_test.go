package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

// h2c returns a client that speaks HTTP/2 in the clear.
func h2c() *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: protocols}}
}

// writer is an agent that knows what it has sent and what was acknowledged. It
// sends batch after batch, each with one sample a series, and after a break
// begins again behind the last acknowledged one, with the same values.
type writer struct {
	name, id, credential string
	schema               *wire.Schema
	origin               time.Time
	boot                 []byte

	mu    sync.Mutex
	acked uint64
}

const writerSeries = 20

func newWriter(t *testing.T, s *sonde, name string) *writer {
	t.Helper()
	client := sondev1connect.NewAgentServiceClient(h2c(), s.url, connect.WithGRPC())
	res, err := client.Enroll(t.Context(), &sondev1.EnrollRequest{
		JoinToken: s.secret(t, "join-token"), Host: &sondev1.HostFacts{Hostname: name},
	})
	if err != nil {
		t.Fatal(err)
	}
	list := make([]wire.Series, writerSeries)
	for i := range list {
		list[i] = wire.Series{Name: "counted_total", Labels: []wire.Label{{Name: "i", Value: fmt.Sprint(i)}}, Kind: wire.Float}
	}
	schema, err := wire.NewSchema(list)
	if err != nil {
		t.Fatal(err)
	}
	return &writer{
		name: name, id: res.AgentId, credential: res.Credential, schema: schema,
		origin: time.Now().Add(-time.Hour).Truncate(time.Second), boot: []byte("0123456789abcdef"),
	}
}

// at and value are those of a batch's samples.
func (w *writer) at(seq uint64) int64             { return w.origin.UnixMilli() + 10*int64(seq) }
func (w *writer) value(seq uint64, i int) float64 { return float64(seq*writerSeries + uint64(i)) }

// write keeps a stream until it breaks.
func (w *writer) write(ctx context.Context, url string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx, call := connect.NewClientContext(ctx)
	call.RequestHeader().Set("Authorization", "Bearer "+w.credential)
	stream, err := sondev1connect.NewAgentServiceClient(h2c(), url, connect.WithGRPC()).Connect(ctx)
	if err != nil {
		return err
	}
	defer stream.CloseResponse()
	err = stream.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Hello{Hello: &sondev1.Hello{
		AgentId: w.id, BootId: w.boot, SubmissionIntervalMs: 1000,
	}}})
	if err != nil {
		return err
	}
	if _, err := stream.Receive(); err != nil {
		return err
	}
	window := make(chan struct{}, 32)
	received := make(chan error, 1)
	go func() { received <- w.receive(stream, window) }()
	defer func() { cancel(); <-received }()

	err = stream.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Schema{Schema: w.schema.Proto()}})
	if err != nil {
		return err
	}
	encoder := wire.NewEncoder()
	floats := make([]float64, writerSeries)
	for seq := w.durable() + 1; ; seq++ {
		for i := range floats {
			floats[i] = w.value(seq, i)
		}
		payload, err := encoder.Encode(nil, []wire.Block{{Schema: w.schema, Times: []int64{w.at(seq)}, Floats: floats}})
		if err != nil {
			return err
		}
		select {
		case window <- struct{}{}:
		case err := <-received:
			received <- err
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
		err = stream.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Batch{Batch: &sondev1.Batch{Seq: seq, Payload: payload}}})
		if err != nil {
			return err
		}
	}
}

func (w *writer) receive(stream *connect.BidiStreamForClientSimple[sondev1.ConnectRequest, sondev1.ConnectResponse], window chan struct{}) error {
	for {
		res, err := stream.Receive()
		if err != nil {
			return err
		}
		ack := res.GetAck()
		if ack == nil {
			continue
		}
		w.mu.Lock()
		fresh := ack.Seq - w.acked
		w.acked = ack.Seq
		w.mu.Unlock()
		for range fresh {
			<-window
		}
	}
}

func (w *writer) durable() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked
}

// TestKill9 kills the server ten times while agents submit, and then looks for
// every sample that was ever acknowledged.
func TestKill9(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, dir)
	writers := make([]*writer, 4)
	for i := range writers {
		writers[i] = newWriter(t, s, fmt.Sprint("writer-", i))
	}
	const kills = 10
	for round := range kills {
		ctx, cancel := context.WithCancel(t.Context())
		var writing sync.WaitGroup
		for _, w := range writers {
			writing.Go(func() { _ = w.write(ctx, s.url) }) // it ends with the server
		}
		// Let the server come to a random point of its work, in batches.
		target := writers[0].durable() + 50 + rand.Uint64N(200)
		await(t, "acknowledgements", func() bool { return writers[0].durable() >= target })
		s.kill()
		cancel()
		writing.Wait()
		t.Logf("kill %d after %d batches were acknowledged to the first agent", round+1, writers[0].durable())
		s = startServer(t, dir)
	}
	acked, missing := 0, 0
	for _, w := range writers {
		stored := make(map[string]map[int64]string)
		for _, series := range s.promQuery(t, `counted_total{agent="`+w.id+`"}[2h]`) {
			values := make(map[int64]string, len(series.Values))
			for _, v := range series.Values {
				at := int64(v[0].(float64)*1000 + 0.5)
				if _, twice := values[at]; twice {
					t.Errorf("%s has two samples at %d", w.name, at)
				}
				values[at] = v[1].(string)
			}
			stored[series.Metric["i"]] = values
		}
		for seq := uint64(1); seq <= w.durable(); seq++ {
			for i := range writerSeries {
				acked++
				want := fmt.Sprintf("%.0f", w.value(seq, i))
				if got := stored[fmt.Sprint(i)][w.at(seq)]; got != want {
					if missing++; missing <= 5 {
						t.Errorf("%s: sample %d of batch %d is %q, want %q", w.name, i, seq, got, want)
					}
				}
			}
		}
	}
	t.Logf("%d samples were acknowledged over %d kills, %d are missing", acked, kills, missing)
	if missing > 0 {
		t.Errorf("%d of %d acknowledged samples are missing", missing, acked)
	}
}

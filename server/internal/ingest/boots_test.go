package ingest

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/series"
)

// standalone sends one tick a time of node_load1, each with the value of its
// time, as a batch of another boot.
func (c *client) standalone(t *testing.T, s *wire.Schema, boot string, seq uint64, times ...int64) {
	t.Helper()
	floats := make([]float64, len(times))
	for i, at := range times {
		floats[i] = float64(at)
	}
	payload, err := wire.EncodeStandalone(nil, []wire.Block{{Schema: s, Times: times, Floats: floats}})
	if err != nil {
		t.Fatal(err)
	}
	c.requests <- &sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Batch{Batch: &sondev1.Batch{
		Seq: seq, BootId: []byte(boot), Payload: payload,
	}}}
}

// TestBacklogBesideLiveBatches sends merged batches of an earlier boot, one of
// which repeats what was stored, between live ones.
func TestBacklogBesideLiveBatches(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	const earlier = "an earlier boot."
	at := now.UnixMilli()
	s := load(t)
	c, _ := w.connect(t)
	c.schema(s)
	c.standalone(t, s, earlier, 2, at-2000)
	if ack := c.next(t).GetAck(); ack.GetSeq() != 2 || string(ack.BootId) != earlier {
		t.Errorf("ack of the backlog is %v", ack)
	}
	c.batch(1, c.payload(t, s, []int64{at}, 1))
	if ack := c.next(t).GetAck(); ack.GetSeq() != 1 || len(ack.BootId) != 0 {
		t.Errorf("ack of the live batch is %v", ack)
	}
	c.standalone(t, s, earlier, 9, at-2000, at-1000)
	if ack := c.next(t).GetAck(); ack.GetSeq() != 9 || string(ack.BootId) != earlier {
		t.Errorf("ack of the merged batch is %v", ack)
	}
	c.batch(2, c.payload(t, s, []int64{at + 1000}, 2))
	c.next(t)
	c.close(t)
	want := map[int64]float64{at - 2000: float64(at - 2000), at - 1000: float64(at - 1000), at: 1, at + 1000: 2}
	if diff := cmp.Diff(want, w.appender.stored[w.series("node_load1")]); diff != "" {
		t.Error(diff)
	}

	// What is durable of each boot is known on the next stream.
	c, welcome := w.connect(t)
	if welcome.DurableSeq != 2 {
		t.Errorf("welcome says that %d is durable, want 2", welcome.DurableSeq)
	}
	c.schema(s)
	c.standalone(t, s, earlier, 9, at-2000, at-1000)
	if ack := c.next(t).GetAck(); ack.GetSeq() != 9 || string(ack.BootId) != earlier {
		t.Errorf("ack of the batch that came twice is %v", ack)
	}
	c.close(t)
	if w.appender.writes != 4 {
		t.Errorf("%d writes, want 4", w.appender.writes)
	}
}

// TestAgentSetBackToASnapshot has an agent whose virtual machine is set back go on
// with a boot and numbers that were used before.
func TestAgentSetBackToASnapshot(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	at := now.UnixMilli()
	s := load(t)
	send := func(c *client, seq uint64, ms int64, value float64) {
		t.Helper()
		c.batch(seq, c.payload(t, s, []int64{at + ms}, value))
		if ack := c.next(t).GetAck(); ack.GetSeq() != seq {
			t.Errorf("ack is %v, want %d", ack, seq)
		}
	}
	c, _ := w.connect(t)
	c.schema(s)
	for seq := range uint64(5) {
		send(c, seq+1, int64(seq)*1000, float64(seq))
	}
	c.close(t)

	c, _ = w.connect(t)
	c.schema(s)
	send(c, 2, 1000, 1) // was on its way when the snapshot was taken
	send(c, 3, 10_000, 10)
	send(c, 4, 11_000, 11)
	c.close(t)

	// It is remembered what is durable of the new ones, and of them alone.
	c, welcome := w.connect(t)
	if welcome.DurableSeq != 4 {
		t.Errorf("welcome says that %d is durable, want 4", welcome.DurableSeq)
	}
	c.schema(s)
	send(c, 4, 11_000, 11)
	send(c, 5, 12_000, 12)
	send(c, 6, 13_000, 13)
	c.close(t)
	want := map[int64]float64{
		at: 0, at + 1000: 1, at + 2000: 2, at + 3000: 3, at + 4000: 4,
		at + 10_000: 10, at + 11_000: 11, at + 12_000: 12, at + 13_000: 13,
	}
	if diff := cmp.Diff(want, w.appender.stored[w.series("node_load1")]); diff != "" {
		t.Error(diff)
	}
	if w.appender.writes != 9 {
		t.Errorf("%d writes, want 9: what came twice is not written again", w.appender.writes)
	}
}

// TestAckWaitsForAnAgentThatWasSetBack sends batches without newer samples, and
// without any, behind one that is not stored yet. An acknowledgement of those
// would cover it.
func TestAckWaitsForAnAgentThatWasSetBack(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	at := now.UnixMilli()
	s := load(t)
	nothing, err := wire.EncodeStandalone(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := w.connect(t)
	c.schema(s)
	c.batch(9, c.payload(t, s, []int64{at}, 1))
	c.next(t)
	c.batch(10, nothing)
	c.next(t)
	c.close(t)

	w.appender.release = make(chan error, 3)
	c, _ = w.connect(t)
	c.schema(s)
	c.batch(1, nothing) // nothing is before it
	if ack := c.next(t).GetAck(); ack.GetSeq() != 1 {
		t.Errorf("ack is %v, want 1", ack)
	}
	c.batch(2, c.payload(t, s, []int64{at + 1000}, 2))
	c.batch(3, c.payload(t, s, []int64{at - 1000}, 3))
	c.batch(4, nothing)
	// A message behind the batches: once it is taken, they are with the store.
	c.requests <- &sondev1.ConnectRequest{}
	for _, err := range []error{series.ErrUnavailable, nil, nil} {
		w.appender.release <- err
	}
	for {
		select {
		case res := <-c.responses:
			if res.GetAck() != nil {
				t.Fatalf("batch %d is acknowledged although batch 2 is not stored", res.GetAck().Seq)
			}
		case err := <-c.ended:
			if fleet.ErrorCode(err) != fleet.Unavailable {
				t.Errorf("the session ends with %v, want Unavailable", err)
			}
			return
		}
	}
}

func TestTooManyBootsOnOneStream(t *testing.T) {
	w := newWorld(t, DefaultLimits)
	c, _ := w.connect(t)
	s := load(t)
	c.schema(s)
	boot := make([]byte, 16)
	for i := range uint64(maxBoots + 1) {
		binary.BigEndian.PutUint64(boot, i)
		c.standalone(t, s, string(boot), 1, now.UnixMilli()+int64(i))
		if i < maxBoots {
			c.next(t)
		}
	}
	if err := <-c.ended; fleet.ErrorCode(err) != fleet.Limit || !strings.Contains(err.Error(), "more than 64 boots") {
		t.Errorf("the session ends with %v, want Limit and the number of boots", err)
	}
}

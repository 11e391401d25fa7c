package ingest

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
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

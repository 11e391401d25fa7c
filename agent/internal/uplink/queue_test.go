package uplink

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/agent/internal/sample"
)

var loadSchema = sample.NewSchema([]sample.Series{{Name: "node_load1", Kind: sample.Float}})

func tickAt(ms int64) sample.Tick {
	return sample.Tick{Schema: loadSchema, Time: ms, Floats: []float64{float64(ms)}}
}

func seqs(q *queue) (list []uint64) {
	for b, ok := q.after(0); ok; b, ok = q.after(b.seq) {
		list = append(list, b.seq)
	}
	return list
}

func TestQueueKeepsBatchesUntilTheyAreAcknowledged(t *testing.T) {
	q := newQueue(1 << 20)
	q.seal() // nothing was gathered: no batch
	for ms := range int64(3) {
		q.add(tickAt(ms))
		q.seal()
	}
	if diff := cmp.Diff([]uint64{1, 2, 3}, seqs(q)); diff != "" {
		t.Error(diff)
	}
	q.ack(2)
	if diff := cmp.Diff([]uint64{3}, seqs(q)); diff != "" {
		t.Error(diff)
	}
	q.ack(1) // an old acknowledgement changes nothing
	if n := q.counts(); n.pending != 1 || n.taken != 3 || n.acked != 2 || n.dropped != 0 {
		t.Errorf("counts are %+v", n)
	}
	q.ack(9)
	if n := q.counts(); n.pending != 0 || n.acked != 3 || q.size != 0 {
		t.Errorf("counts are %+v and the size is %d after everything was acknowledged", n, q.size)
	}
}

func TestFullQueueDropsTheOldestAndCounts(t *testing.T) {
	q := newQueue(3 * tickBytes(tickAt(0)))
	for ms := range int64(10) {
		q.add(tickAt(ms))
		q.seal()
	}
	if diff := cmp.Diff([]uint64{8, 9, 10}, seqs(q)); diff != "" {
		t.Error(diff)
	}
	if n := q.counts(); n.dropped != 7 || n.taken != n.dropped+uint64(n.pending) {
		t.Errorf("counts are %+v, want 7 dropped", n)
	}
}

func TestLargeBatchIsSealedBeforeItsTime(t *testing.T) {
	q := newQueue(1 << 30)
	floats := make([]float64, 10_000)
	tick := sample.Tick{Schema: loadSchema, Floats: floats}
	for range maxBatchBytes/tickBytes(tick) + 1 {
		q.add(tick)
	}
	if n := q.counts(); n.pending != 1 {
		t.Errorf("%d batches are sealed, want 1", n.pending)
	}
	select {
	case <-q.wake:
	default:
		t.Error("nobody is told of the sealed batch")
	}
}

package ingest

import (
	"context"
	"fmt"
	"time"

	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/series"
)

// inFlight is one batch between its arrival and its being durable. A session
// has at most [Limits.MaxInFlight] and uses them again and again.
type inFlight struct {
	s      *session
	seq    uint64
	boot   string
	sent   int64 // time of the newest sample, in ms
	newest int64 // the same of those that are not of the future
	batch  wire.Batch
	write  series.Write
	future series.Refused
}

// batch decodes a batch and hands it to the store.
func (s *session) batch(ctx context.Context, msg *sondev1.Batch, now time.Time) error {
	boot := s.boot
	switch len(msg.BootId) {
	case 0:
	case 16:
		boot = string(msg.BootId)
	default:
		return fleet.Errorf(fleet.Invalid, "batch %d: boot_id has %d bytes, want 0 or 16", msg.Seq, len(msg.BootId))
	}
	last, known := s.lastSeq[boot]
	if !known && len(s.lastSeq) == maxBoots {
		return fleet.Errorf(fleet.Limit, "batch %d: more than %d boots on one stream", msg.Seq, maxBoots)
	}
	if msg.Seq <= last {
		return fleet.Errorf(fleet.Invalid, "batch %d comes after batch %d of the same boot", msg.Seq, last)
	}
	s.lastSeq[boot] = msg.Seq
	w, err := s.obtain()
	if err != nil {
		return err
	}
	// Decoded even when it is a duplicate: what follows is relative to it.
	if err := s.decoder.Decode(msg.Payload, &w.batch); err != nil {
		s.idle <- w
		return malformed(err, "batch %d", msg.Seq)
	}
	s.lastBatch.Store(now.UnixMilli())
	s.batches.Add(1)
	s.in.metrics.batches.Inc()
	s.in.metrics.bytes.Add(float64(len(msg.Payload)))
	w.seq, w.boot = msg.Seq, boot
	w.fill(now.Add(s.in.cfg.Limits.MaxFuture).UnixMilli())
	if s.agent.holds(boot, msg.Seq, w.sent) {
		s.in.metrics.duplicates.Inc()
		s.out.ack(boot, boot == s.boot, msg.Seq)
		s.idle <- w
		return nil
	}
	if err := s.in.cfg.Appender.Append(ctx, &w.write); err != nil {
		s.idle <- w
		return storeError(err)
	}
	return nil
}

// obtain returns an inFlight that the store does not hold.
func (s *session) obtain() (*inFlight, error) {
	select {
	case w := <-s.idle:
		return w, nil
	default:
	}
	if s.made == s.in.cfg.Limits.MaxInFlight {
		return nil, fleet.Errorf(fleet.Limit, "more than %d batches are in flight", s.made)
	}
	s.made++
	w := &inFlight{s: s}
	w.write.Done = w.done
	return w, nil
}

// settle waits until the store has given everything back; or a batch that it did
// not take: what is behind that is not acknowledged, and the agent is to know now.
func (s *session) settle() {
	for ; s.made > 0; s.made-- {
		select {
		case <-s.idle:
		case <-s.failure:
			return
		}
	}
}

// fill makes rows of the batch, without the ticks that lie beyond latest.
func (w *inFlight) fill(latest int64) {
	w.sent, w.newest = 0, 0
	w.future = series.Refused{}
	w.write.Rows = w.write.Rows[:0]
	for i := range w.batch.Blocks {
		b := &w.batch.Blocks[i]
		// Times rise within a block, so the future is at its end.
		keep := len(b.Times)
		if keep > 0 {
			w.sent = max(w.sent, b.Times[keep-1])
		}
		for keep > 0 && b.Times[keep-1] > latest {
			keep--
		}
		if keep < len(b.Times) {
			if w.future.Samples == 0 {
				w.future.First = fmt.Sprintf("%s at %s", b.Schema.Series()[0].Name, time.UnixMilli(b.Times[keep]).UTC().Format(time.RFC3339Nano))
			}
			w.future.Samples += uint64((len(b.Times) - keep) * len(b.Schema.Series()))
			truncate(b, keep)
		}
		if keep == 0 {
			continue
		}
		w.newest = max(w.newest, b.Times[keep-1])
		w.write.Rows = append(w.write.Rows, series.Rows{
			Target:     w.s.targets[b.Schema],
			Times:      b.Times,
			Floats:     b.Floats,
			Histograms: b.Distributions,
		})
	}
}

// truncate keeps the first k ticks of a block.
func truncate(b *wire.Block, k int) {
	n := len(b.Times)
	for c := range b.Schema.Floats() {
		copy(b.Floats[c*k:(c+1)*k], b.Floats[c*n:])
	}
	for c := range b.Schema.Distributions() {
		for i := range k {
			b.Distributions[c*k+i] = b.Distributions[c*n+i]
		}
	}
	b.Times = b.Times[:k]
	b.Floats = b.Floats[:k*b.Schema.Floats()]
	b.Distributions = b.Distributions[:k*b.Schema.Distributions()]
}

// done is called by the store, which it does not keep waiting.
func (w *inFlight) done(res series.Result, err error) {
	s := w.s
	if err != nil {
		s.end(storeError(err))
		if !s.failed.Swap(true) {
			close(s.failure)
		}
	}
	if s.failed.Load() {
		// A batch behind one that failed may be durable, yet must not be
		// acknowledged, since an acknowledgement covers all that is before it.
		s.idle <- w
		return
	}
	s.agent.stored(w, res.Stored)
	s.in.metrics.samples.Add(float64(res.Stored))
	if w.future.Samples > 0 {
		s.refused(w, sondev1.RefusalReason_REFUSAL_REASON_FUTURE, "future", w.future)
	}
	for _, r := range res.Refused {
		s.refused(w, refusalReasons[r.Reason], r.Reason.String(), r)
	}
	s.out.ack(w.boot, w.boot == s.boot, w.seq)
	s.idle <- w
}

var refusalReasons = map[series.Reason]sondev1.RefusalReason{
	series.TooOld:   sondev1.RefusalReason_REFUSAL_REASON_TOO_OLD,
	series.Conflict: sondev1.RefusalReason_REFUSAL_REASON_CONFLICT,
	series.Invalid:  sondev1.RefusalReason_REFUSAL_REASON_INVALID,
}

// refused tells the agent, the metrics and the agent's page of lost samples.
func (s *session) refused(w *inFlight, reason sondev1.RefusalReason, name string, r series.Refused) {
	s.in.metrics.refused.WithLabelValues(name).Add(float64(r.Samples))
	s.agent.samplesRefused.Add(r.Samples)
	s.agent.failed(fleet.Errorf(fleet.Invalid, "%d samples of batch %d refused (%s), the first is %s", r.Samples, w.seq, name, r.First), s.in.cfg.Now())
	refusal := &sondev1.Refusal{Seq: w.seq, Reason: reason, Samples: r.Samples, Detail: r.First}
	if w.boot != s.boot {
		refusal.BootId = []byte(w.boot)
	}
	s.out.add(&sondev1.ConnectResponse{Message: &sondev1.ConnectResponse_Refusal{Refusal: refusal}})
}

// storeError turns an error of the store into one for the agent, which keeps
// the batch and comes back.
func storeError(err error) error {
	return fleet.Wrapf(fleet.Unavailable, err, "the server cannot store samples now")
}

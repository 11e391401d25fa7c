package rollup

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"
)

// tier is the samples of one window. Only one goroutine rolls.
type tier struct {
	name   string
	window int64 // ms
	// unit is the time range of the smallest blocks.
	unit   int64
	blocks *blocks
	source source
	space  func() error
	log    *slog.Logger
}

// span is a time range, the end not in it.
type span struct{ from, to int64 }

// roll rolls up what is to be rolled up, the oldest first, so that what the tier
// has is without gaps.
func (t *tier) roll(ctx context.Context, done func(took time.Duration, samples int)) error {
	for ctx.Err() == nil {
		next, ok := t.next()
		if !ok {
			return t.blocks.compact()
		}
		if err := t.space(); err != nil {
			return err
		}
		began := time.Now()
		samples, err := t.rollUp(ctx, next)
		if err != nil {
			return err
		}
		took := time.Since(began)
		done(took, samples)
		t.log.Debug("rolled up", "window", t.name, "from", time.UnixMilli(next.from).UTC(), "to", time.UnixMilli(next.to).UTC(), "samples", samples, "duration", took)
	}
	return ctx.Err()
}

// pending is whether a block of the source has a source that no block of this
// tier and of its time has.
func (t *tier) pending(block *tsdb.BlockMeta) bool {
	return missing(*block, t.blocks.metas())
}

func missing(block tsdb.BlockMeta, rolled []tsdb.BlockMeta) bool {
	return slices.ContainsFunc(block.Compaction.Sources, func(s ulid.ULID) bool {
		return !slices.ContainsFunc(rolled, func(m tsdb.BlockMeta) bool {
			return m.MinTime < block.MaxTime && block.MinTime < m.MaxTime && slices.Contains(m.Compaction.Sources, s)
		})
	})
}

// next returns what to roll up next.
func (t *tier) next() (span, bool) {
	rolled, sources := t.blocks.metas(), t.source.metas()
	_, newest := t.blocks.bounds()
	for _, block := range sources {
		newest = max(newest, block.MaxTime)
	}
	for _, block := range sources {
		if block.MaxTime <= newest-t.blocks.retention || !missing(block, rolled) {
			continue
		}
		// A sample of the first millisecond belongs to the window before, which is
		// to be rolled up first where there is nothing of it.
		if before := block.MinTime - 1; t.source.splits() && block.MinTime%t.unit == 0 && !covered(rolled, before) {
			return t.aligned(span{before, block.MinTime}, rolled), true
		}
		return t.aligned(span{block.MinTime, block.MaxTime}, rolled), true
	}
	return span{}, false
}

func covered(rolled []tsdb.BlockMeta, t int64) bool {
	return slices.ContainsFunc(rolled, func(m tsdb.BlockMeta) bool { return m.MinTime <= t && t < m.MaxTime })
}

// aligned returns s made so large that no block of the tier, nor a unit, is in
// it in part.
func (t *tier) aligned(s span, rolled []tsdb.BlockMeta) span {
	for {
		before := s
		s.from, _ = bounds(s.from, t.unit)
		_, s.to = bounds(s.to-1, t.unit)
		for _, m := range rolled {
			if m.MinTime < s.to && s.from < m.MaxTime {
				s.from, s.to = min(s.from, m.MinTime), max(s.to, m.MaxTime)
			}
		}
		if s == before {
			return s
		}
	}
}

// rollUp makes a block of what the source has in s, in place of those that the
// tier has there.
func (t *tier) rollUp(ctx context.Context, s span) (samples int, err error) {
	// The metas before the samples: what comes between is found missing later.
	meta := t.plan(s)
	r, err := t.source.open(ctx, span{meta.MinTime, meta.MaxTime})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	symbols, err := r.symbols()
	if err != nil {
		return 0, err
	}
	w, err := newBlockWriter(ctx, t.blocks.dir, meta, symbols)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.abort()) }()
	if err := r.each(t.window, w.addReduced); err != nil {
		return 0, err
	}
	if err := w.commit(); err != nil {
		return 0, err
	}
	return int(w.meta.Stats.NumSamples), t.blocks.load()
}

// plan returns the meta data of the block to be made of s.
func (t *tier) plan(s span) tsdb.BlockMeta {
	meta := tsdb.BlockMeta{MinTime: s.from, MaxTime: s.from}
	meta.Compaction.Level = 1
	add := func(m tsdb.BlockMeta) {
		meta.MaxTime = max(meta.MaxTime, min(m.MaxTime, s.to))
		for _, source := range m.Compaction.Sources {
			if !slices.Contains(meta.Compaction.Sources, source) {
				meta.Compaction.Sources = append(meta.Compaction.Sources, source)
			}
		}
	}
	for _, m := range t.source.metas() {
		if s.from <= m.MinTime && m.MaxTime <= s.to {
			add(m)
		}
	}
	for _, m := range t.blocks.metas() {
		if m.MinTime < s.to && s.from < m.MaxTime {
			add(m)
			meta.Compaction.Parents = append(meta.Compaction.Parents, tsdb.BlockDesc{ULID: m.ULID, MinTime: m.MinTime, MaxTime: m.MaxTime})
		}
	}
	if meta.MaxTime == s.from { // the millisecond before the first block
		meta.MaxTime = s.to
	}
	slices.SortFunc(meta.Compaction.Sources, func(a, b ulid.ULID) int { return a.Compare(b) })
	return meta
}

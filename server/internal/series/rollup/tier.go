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

func spanOf(m tsdb.BlockMeta) span { return span{m.MinTime, m.MaxTime} }

func (s span) overlaps(m tsdb.BlockMeta) bool { return m.MinTime < s.to && s.from < m.MaxTime }

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

// missing is whether a block has a source that none of the others of its time
// has.
func missing(block tsdb.BlockMeta, others []tsdb.BlockMeta) bool {
	return slices.ContainsFunc(block.Compaction.Sources, func(s ulid.ULID) bool {
		return !slices.ContainsFunc(others, func(m tsdb.BlockMeta) bool {
			return spanOf(block).overlaps(m) && slices.Contains(m.Compaction.Sources, s)
		})
	})
}

// next returns what to roll up next.
func (t *tier) next() (span, bool) {
	rolled, sources := t.blocks.metas(), t.source.metas()
	newest := t.blocks.end()
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
		return t.aligned(spanOf(block), rolled), true
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
			if s.overlaps(m) {
				s.from, s.to = min(s.from, m.MinTime), max(s.to, m.MaxTime)
			}
		}
		if s == before {
			return s
		}
	}
}

// rollUp makes a block of what the source has in s, in place of those that the
// tier has there. Of these, what the source no longer has is kept.
func (t *tier) rollUp(ctx context.Context, s span) (samples int, err error) {
	// The metas before the samples: what comes between is found missing later.
	meta := t.plan(s)
	in, err := t.inputs(ctx, spanOf(meta))
	if err != nil {
		return 0, err
	}
	samples, err = t.write(ctx, meta, in)
	// A block is removed once nobody reads it.
	if err = errors.Join(err, in.close()); err != nil {
		return 0, err
	}
	return samples, t.blocks.load()
}

// write writes a block, which the next load finds.
func (t *tier) write(ctx context.Context, meta tsdb.BlockMeta, in *inputs) (samples int, err error) {
	symbols, err := in.symbols(ctx)
	if err != nil {
		return 0, err
	}
	w, err := newBlockWriter(ctx, t.blocks.dir, meta, symbols)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.abort()) }()
	if err := in.each(ctx, t.window, w.addReduced); err != nil {
		return 0, err
	}
	if err := w.commit(); err != nil {
		return 0, err
	}
	return int(w.meta.Stats.NumSamples), nil
}

// inputs opens what a block of s is made of.
func (t *tier) inputs(ctx context.Context, s span) (*inputs, error) {
	source, err := t.source.open(ctx, s)
	if err != nil {
		return nil, err
	}
	// The metas behind the samples: what goes from now on is still read.
	var kept []*tsdb.Block
	for _, block := range t.blocks.open {
		if m := block.Meta(); s.overlaps(m) && t.hasMore(m) {
			kept = append(kept, block)
		}
	}
	q, err := newQuerier(kept, s.from, s.to-1)
	if err != nil {
		return nil, errors.Join(err, source.close())
	}
	return &inputs{source: source, kept: readTier(ctx, q)}, nil
}

// hasMore is whether the source no longer has all that a block of the tier was
// made of. Its last millisecond may be of the sources of the block behind it.
func (t *tier) hasMore(block tsdb.BlockMeta) bool {
	sources := t.source.metas()
	return missing(block, sources) || t.source.splits() && slices.ContainsFunc(t.blocks.metas(), func(behind tsdb.BlockMeta) bool {
		return behind.MinTime == block.MaxTime && missing(behind, sources)
	})
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
		if s.overlaps(m) {
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

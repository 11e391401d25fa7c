package rollup

import (
	"context"
	"errors"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/index"

	"sonde.dev/sonde/server/internal/series"
)

// source is what a tier is made of. Its times are those within tiers.
type source interface {
	// metas are those of its blocks, by time.
	metas() []tsdb.BlockMeta
	// splits is whether a block's first millisecond belongs to the one before it.
	splits() bool
	// open reads the samples of a time.
	open(ctx context.Context, s span) (*reader, error)
}

// taken is the samples as taken.
type taken struct{ db *tsdb.DB }

func (d taken) splits() bool { return true }

func (d taken) metas() []tsdb.BlockMeta {
	blocks := d.db.Blocks()
	metas := make([]tsdb.BlockMeta, len(blocks))
	for i, b := range blocks {
		metas[i] = b.Meta()
	}
	return metas
}

func (d taken) open(ctx context.Context, s span) (*reader, error) {
	q, err := d.db.Querier(s.from+1, s.to)
	if err != nil {
		return nil, err
	}
	return &reader{ctx: ctx, querier: q, series: func() storage.SeriesSet {
		return inner(q.Select(ctx, true, nil, everything))
	}}, nil
}

func (t *tier) splits() bool            { return false }
func (t *tier) metas() []tsdb.BlockMeta { return t.blocks.metas() }

func (t *tier) open(ctx context.Context, s span) (*reader, error) {
	q, err := t.blocks.Querier(s.from, s.to-1)
	if err != nil {
		return nil, err
	}
	of := func(aggregate string) func() storage.SeriesSet {
		return func() storage.SeriesSet { return selectOne(ctx, q, aggregate, true, nil) }
	}
	return &reader{
		ctx: ctx, querier: q,
		series: func() storage.SeriesSet { return withFirst(ctx, q, nil) },
		parts:  []func() storage.SeriesSet{of(series.Count), of(series.Min), of(series.Max)},
	}, nil
}

// everything matches all series.
var everything = func() *labels.Matcher {
	name, value := index.AllPostingsKey()
	return labels.MustNewMatcher(labels.MatchEqual, name, value)
}()

// reader reads the samples of a time by series, in the order of labels.
type reader struct {
	ctx     context.Context
	querier storage.Querier
	series  func() storage.SeriesSet
	// parts are the counts, least and greatest values of gauges; none for samples
	// as taken.
	parts []func() storage.SeriesSet
}

func (r *reader) close() error { return r.querier.Close() }

// symbols returns all that the labels of the block to be written hold.
func (r *reader) symbols() (map[string]struct{}, error) {
	symbols := map[string]struct{}{series.Aggregate: {}, aggregateFirst: {}, series.Count: {}, series.Min: {}, series.Max: {}}
	set := r.series()
	for set.Next() {
		set.At().Labels().Range(func(l labels.Label) {
			symbols[l.Name], symbols[l.Value] = struct{}{}, struct{}{}
		})
	}
	return symbols, errors.Join(set.Err(), r.ctx.Err())
}

// each reduces all series and gives each to write.
func (r *reader) each(window int64, write func(labels.Labels, *reduced) error) error {
	var out reduced
	var main chunkenc.Iterator
	parts := make([]*part, len(r.parts))
	for i, open := range r.parts {
		parts[i] = &part{set: open()}
	}
	set := r.series()
	for set.Next() && r.ctx.Err() == nil {
		s := set.At()
		l := s.Labels()
		out.reset()
		main = s.Iterator(main)
		kind := main.Next()
		main = s.Iterator(main)
		var err error
		if kind == chunkenc.ValHistogram || series.IsCounter(l.Get(model.MetricNameLabel)) {
			err = out.counter(main, window)
		} else {
			p := points{main: main}
			for i, of := range []*chunkenc.Iterator{&p.count, &p.min, &p.max}[:len(parts)] {
				*of = chunkenc.NewNopIterator()
				if s := parts[i].series(l); s != nil {
					*of = s.Iterator(nil)
				}
			}
			err = out.gauge(&p, window)
		}
		if err == nil {
			err = write(l, &out)
		}
		if err != nil {
			return err
		}
	}
	for _, p := range parts {
		if err := p.set.Err(); err != nil {
			return err
		}
	}
	return errors.Join(set.Err(), r.ctx.Err())
}

// addReduced writes what became of a series, in the order that labels ask for:
// [series.Aggregate] sorts behind all others.
func (w *blockWriter) addReduced(l labels.Labels, r *reduced) error {
	if err := w.add(l, r.main); err != nil {
		return err
	}
	b := labels.NewBuilder(l)
	for _, more := range []struct {
		aggregate string
		samples   samples
	}{
		{series.Count, r.count}, {aggregateFirst, r.first}, {series.Max, r.max}, {series.Min, r.min},
	} {
		if len(more.samples) == 0 {
			continue
		}
		if err := w.add(b.Set(series.Aggregate, more.aggregate).Labels(), more.samples); err != nil {
			return err
		}
	}
	return nil
}

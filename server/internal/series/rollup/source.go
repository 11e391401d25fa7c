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
	all := func() storage.SeriesSet { return inner(q.Select(ctx, true, nil, everything)) }
	return &reader{querier: q, series: all, parts: []func() storage.SeriesSet{all}}, nil
}

func (t *tier) splits() bool            { return false }
func (t *tier) metas() []tsdb.BlockMeta { return t.blocks.metas() }

func (t *tier) open(ctx context.Context, s span) (*reader, error) {
	q, err := t.blocks.Querier(s.from, s.to-1)
	if err != nil {
		return nil, err
	}
	return readTier(ctx, q), nil
}

func readTier(ctx context.Context, q storage.Querier) *reader {
	of := func(aggregate string) func() storage.SeriesSet {
		return func() storage.SeriesSet { return selectOne(ctx, q, aggregate, true, nil) }
	}
	return &reader{
		querier: q,
		series:  func() storage.SeriesSet { return withFirst(ctx, q, nil) },
		parts:   []func() storage.SeriesSet{of(""), of(series.Count), of(series.Min), of(series.Max)},
	}
}

// everything matches all series.
var everything = func() *labels.Matcher {
	name, value := index.AllPostingsKey()
	return labels.MustNewMatcher(labels.MatchEqual, name, value)
}()

// reader reads the samples of a time by series, in the order of labels.
type reader struct {
	querier storage.Querier
	// series are all samples but the parts of gauges.
	series func() storage.SeriesSet
	// parts are the means, counts, least and greatest values of gauges; of samples
	// as taken only themselves.
	parts []func() storage.SeriesSet
}

func (r *reader) close() error { return r.querier.Close() }

// gauges walk a reader's parts beside its series.
type gauges []*part

func (r *reader) gauges() gauges {
	g := make(gauges, len(r.parts))
	for i, open := range r.parts {
		g[i] = &part{set: open()}
	}
	return g
}

// points returns those of a series; none when the reader does not have it.
func (g gauges) points(l labels.Labels) *points {
	var p points
	for i, of := range []*chunkenc.Iterator{&p.main, &p.count, &p.min, &p.max}[:len(g)] {
		*of = chunkenc.NewNopIterator()
		if s := g[i].series(l); s != nil {
			*of = s.Iterator(nil)
		}
	}
	return &p
}

func (g gauges) err() error {
	var errs []error
	for _, p := range g {
		errs = append(errs, p.set.Err())
	}
	return errors.Join(errs...)
}

// inputs are what a block is made of.
type inputs struct {
	source *reader
	// kept are the blocks to be replaced that have more than the source.
	kept *reader
}

func (in *inputs) close() error { return errors.Join(in.source.close(), in.kept.close()) }

// series are those of both, and each with the samples of both.
func (in *inputs) series() storage.SeriesSet {
	return storage.NewMergeSeriesSet([]storage.SeriesSet{in.source.series(), in.kept.series()}, 0, storage.ChainedSeriesMerge)
}

// symbols returns all that the labels of the block to be written hold.
func (in *inputs) symbols(ctx context.Context) (map[string]struct{}, error) {
	symbols := map[string]struct{}{series.Aggregate: {}, aggregateFirst: {}, series.Count: {}, series.Min: {}, series.Max: {}}
	set := in.series()
	for set.Next() {
		set.At().Labels().Range(func(l labels.Label) {
			symbols[l.Name], symbols[l.Value] = struct{}{}, struct{}{}
		})
	}
	return symbols, errors.Join(set.Err(), ctx.Err())
}

// each reduces all series and gives each to write.
func (in *inputs) each(ctx context.Context, window int64, write func(labels.Labels, *reduced) error) error {
	var out reduced
	var all chunkenc.Iterator
	source, kept := in.source.gauges(), in.kept.gauges()
	set := in.series()
	for set.Next() && ctx.Err() == nil {
		s := set.At()
		l := s.Labels()
		out.reset()
		all = s.Iterator(all)
		kind := all.Next()
		all = s.Iterator(all)
		var err error
		if kind == chunkenc.ValHistogram || series.IsCounter(l.Get(model.MetricNameLabel)) {
			err = out.counter(all, window)
		} else {
			err = out.gauge(source.points(l), kept.points(l), window)
		}
		if err == nil {
			err = write(l, &out)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(set.Err(), source.err(), kept.err(), ctx.Err())
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

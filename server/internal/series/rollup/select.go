package rollup

import (
	"context"
	"errors"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"sonde.dev/sonde/server/internal/series"
)

// aggregateFirst marks the first samples of a counter's windows in a tier's
// blocks. What has no mark is a gauge's mean, or a counter's last samples.
const aggregateFirst = "first"

// selectOne selects the series of one mark ("" for those without) and takes it
// off.
func selectOne(ctx context.Context, q storage.Querier, aggregate string, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	all := append([]*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, series.Aggregate, aggregate)}, matchers...)
	set := q.Select(ctx, sorted, hints, all...)
	if aggregate == "" {
		return set
	}
	return unmarked{set}
}

// withFirst selects the series without a mark, and counters' first samples with
// them.
func withFirst(ctx context.Context, q storage.Querier, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	return storage.NewMergeSeriesSet([]storage.SeriesSet{
		selectOne(ctx, q, "", true, hints, matchers...),
		selectOne(ctx, q, aggregateFirst, true, hints, matchers...),
	}, 0, storage.ChainedSeriesMerge)
}

// unmarked takes the mark off.
type unmarked struct{ storage.SeriesSet }

func (s unmarked) At() storage.Series {
	at := s.SeriesSet.At()
	return relabelled{at, labels.NewBuilder(at.Labels()).Del(series.Aggregate).Labels()}
}

type relabelled struct {
	storage.Series
	labels labels.Labels
}

func (s relabelled) Labels() labels.Labels { return s.labels }

// each is a set with each series changed by f.
type each struct {
	storage.SeriesSet
	f func(storage.Series) storage.Series
}

func (s each) At() storage.Series { return s.f(s.SeriesSet.At()) }

// changedSeries is a series read through f.
type changedSeries struct {
	storage.Series
	f func(chunkenc.Iterator) chunkenc.Iterator
}

func (s changedSeries) Iterator(reuse chunkenc.Iterator) chunkenc.Iterator {
	if r, ok := reuse.(interface{ unwrap() chunkenc.Iterator }); ok {
		reuse = r.unwrap()
	}
	return s.f(s.Series.Iterator(reuse))
}

// inner and outer turn times outside of tiers into those within, and back.
func inner(set storage.SeriesSet) storage.SeriesSet { return shifted(set, -1) }
func outer(set storage.SeriesSet) storage.SeriesSet { return shifted(set, 1) }

func shifted(set storage.SeriesSet, by int64) storage.SeriesSet {
	return each{set, func(s storage.Series) storage.Series {
		return changedSeries{s, func(it chunkenc.Iterator) chunkenc.Iterator { return &shift{it, by} }}
	}}
}

type shift struct {
	chunkenc.Iterator
	by int64
}

func (s *shift) unwrap() chunkenc.Iterator { return s.Iterator }

func (s *shift) Seek(t millis) chunkenc.ValueType { return s.Iterator.Seek(t - s.by) }
func (s *shift) AtT() int64                       { return s.Iterator.AtT() + s.by }

func (s *shift) At() (int64, float64) {
	t, v := s.Iterator.At()
	return t + s.by, v
}

func (s *shift) AtHistogram(reuse *histogram.Histogram) (int64, *histogram.Histogram) {
	t, h := s.Iterator.AtHistogram(reuse)
	return t + s.by, h
}

func (s *shift) AtFloatHistogram(reuse *histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	t, h := s.Iterator.AtFloatHistogram(reuse)
	return t + s.by, h
}

// ones counts 1 for each sample of a series.
func ones(s storage.Series) storage.Series {
	return changedSeries{s, func(it chunkenc.Iterator) chunkenc.Iterator { return one{it} }}
}

type one struct{ chunkenc.Iterator }

func (o one) unwrap() chunkenc.Iterator { return o.Iterator }

func (o one) Next() chunkenc.ValueType         { return float(o.Iterator.Next()) }
func (o one) Seek(t millis) chunkenc.ValueType { return float(o.Iterator.Seek(t)) }
func (o one) At() (int64, float64)             { return o.Iterator.AtT(), 1 }

func float(kind chunkenc.ValueType) chunkenc.ValueType {
	if kind == chunkenc.ValNone {
		return kind
	}
	return chunkenc.ValFloat
}

// millis are milliseconds since 1970. The name keeps go vet from taking Seek for
// that of io.Seeker.
type millis = int64

// times multiplies a gauge's means with its counts.
func times(means, counts storage.Series) storage.Series {
	return changedSeries{means, func(it chunkenc.Iterator) chunkenc.Iterator {
		return &product{it, counts.Iterator(nil)}
	}}
}

type product struct {
	chunkenc.Iterator // the means
	count             chunkenc.Iterator
}

func (p *product) unwrap() chunkenc.Iterator { return p.Iterator }

func (p *product) At() (int64, float64) {
	t, v := p.Iterator.At()
	return t, v * at(p.count, t, 1)
}

// joined is all series of a sorted set, some of which another set has too.
type joined struct {
	storage.SeriesSet
	other *part
	both  func(main, other storage.Series) storage.Series
	alone func(main storage.Series) storage.Series
	now   storage.Series
}

func (j *joined) Next() bool {
	if !j.SeriesSet.Next() {
		return false
	}
	j.now = j.SeriesSet.At()
	if other := j.other.series(j.now.Labels()); other != nil {
		j.now = j.both(j.now, other)
	} else {
		j.now = j.alone(j.now)
	}
	return j.other.set.Err() == nil
}

func (j *joined) At() storage.Series { return j.now }

func (j *joined) Err() error { return errors.Join(j.SeriesSet.Err(), j.other.set.Err()) }

// part walks a sorted set beside another.
type part struct {
	set          storage.SeriesSet
	begun, ended bool
	current      labels.Labels
}

// series returns the series of these labels, which come after those asked for
// before; nil when the set does not have it, or broke.
func (p *part) series(l labels.Labels) storage.Series {
	for !p.ended && (!p.begun || labels.Compare(p.current, l) < 0) {
		p.begun = true
		if p.ended = !p.set.Next(); !p.ended {
			p.current = p.set.At().Labels()
		}
	}
	if p.ended || !labels.Equal(p.current, l) {
		return nil
	}
	return p.set.At()
}

package query

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

// source is the storage as one query sees it: its errors are marked, and, with
// a pace, series end where that says so.
type source struct {
	storage.Queryable
	pace *pace
}

func (s source) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := s.Queryable.Querier(mint, maxt)
	if err != nil {
		return nil, storageError{err}
	}
	return &querier{Querier: q, source: s}, nil
}

type querier struct {
	storage.Querier
	source source
}

func (q *querier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	set := &seriesSet{SeriesSet: q.Querier.Select(ctx, sorted, hints, matchers...)}
	// Range selectors ignore staleness markers: nothing to gain.
	if q.source.pace != nil && hints != nil && hints.Range == 0 {
		set.pace, set.end = q.source.pace, hints.End
	}
	return set
}

func (q *querier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	values, warnings, err := q.Querier.LabelValues(ctx, name, hints, matchers...)
	return values, warnings, marked(err)
}

func (q *querier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	names, warnings, err := q.Querier.LabelNames(ctx, hints, matchers...)
	return names, warnings, marked(err)
}

func marked(err error) error {
	if err == nil {
		return nil
	}
	return storageError{err}
}

type seriesSet struct {
	storage.SeriesSet
	pace *pace
	end  int64
}

func (s *seriesSet) At() storage.Series {
	if s.pace == nil {
		return s.SeriesSet.At()
	}
	return pacedSeries{Series: s.SeriesSet.At(), pace: s.pace, end: s.end}
}

func (s *seriesSet) Err() error { return marked(s.SeriesSet.Err()) }

type pacedSeries struct {
	storage.Series
	pace *pace
	end  int64
}

func (s pacedSeries) Iterator(reuse chunkenc.Iterator) chunkenc.Iterator {
	it, ok := reuse.(*pacedIterator)
	if !ok {
		it = &pacedIterator{}
	}
	*it = pacedIterator{Iterator: s.Series.Iterator(it.Iterator), pace: s.pace, end: s.end}
	return it
}

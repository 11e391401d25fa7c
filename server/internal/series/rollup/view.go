package rollup

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"sonde.dev/sonde/server/internal/series"
)

// level is samples as taken, or a tier, and what time it has, both ends in it.
type level struct {
	storage.Queryable
	from, to int64
}

func (l level) empty() bool { return l.to < l.from }

// view is the samples of one window, and of others where that has none.
type view struct {
	tiers  *Tiers
	window time.Duration
}

// Querier implements storage.Queryable.
func (v view) Querier(mint, maxt int64) (storage.Querier, error) {
	levels := levels{{Queryable: v.tiers.db, from: v.tiers.Oldest(), to: math.MaxInt64}}
	chosen := 0
	for i, tier := range v.tiers.tiers {
		if tier.window == v.window.Milliseconds() {
			chosen = i + 1
		}
		to := tier.blocks.end()
		from := oldest(tier.blocks.metas(), v.tiers.tiers[i+1:], to)
		levels = append(levels, level{Queryable: coarse{tier.blocks}, from: from + 1, to: to})
	}
	var out querier
	for _, p := range levels.pieces(chosen, mint, maxt) {
		q, err := levels[p.level].Querier(p.from, p.to)
		if err != nil {
			return nil, errors.Join(err, out.Close())
		}
		p.Querier = q
		out = append(out, p)
	}
	return out, nil
}

// piece is a time that one level answers for, both ends in it.
type piece struct {
	level    int
	from, to int64
	storage.Querier
}

// levels are those of a store, the finest first.
type levels []level

// pieces divides a time among the levels, none of which overlap: the chosen one
// as far as it goes, finer ones for what is newer, coarser ones for what is
// older.
func (l levels) pieces(chosen int, mint, maxt int64) (out []piece) {
	add := func(level int, from, to int64) {
		if from <= to {
			out = append(out, piece{level: level, from: from, to: to})
		}
	}
	upper := maxt
	for i := range chosen {
		through := mint - 1 // what coarser levels up to the chosen one have
		for _, coarser := range l[i+1 : chosen+1] {
			if !coarser.empty() {
				through = max(through, coarser.to)
			}
		}
		if through < upper && !l[i].empty() {
			add(i, max(mint, through+1), upper)
			upper = through
		}
	}
	for i := chosen; i < len(l) && mint <= upper; i++ {
		if l[i].empty() {
			continue
		}
		from := l[i].from
		if l.last(i) {
			from = mint
		}
		add(i, max(mint, from), upper)
		upper = min(upper, from-1)
	}
	slices.Reverse(out) // the oldest first
	return out
}

// last is whether no level coarser than i has anything.
func (l levels) last(i int) bool {
	return !slices.ContainsFunc(l[i+1:], func(coarser level) bool { return !coarser.empty() })
}

// querier asks all pieces.
type querier []piece

func (q querier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var sets []storage.SeriesSet
	for _, p := range q {
		within := hints
		if hints != nil {
			h := *hints
			h.Start, h.End = max(h.Start, p.from), min(h.End, p.to)
			if h.End < h.Start {
				continue
			}
			within = &h
		}
		sets = append(sets, p.selected(ctx, sorted || len(q) > 1, within, matchers))
	}
	switch len(sets) {
	case 0:
		return storage.EmptySeriesSet()
	case 1:
		return sets[0]
	}
	return storage.NewMergeSeriesSet(sets, 0, storage.ChainedSeriesMerge)
}

// selected asks one piece. The samples as taken have no aggregates: each is its
// own.
func (p piece) selected(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers []*labels.Matcher) storage.SeriesSet {
	if p.level > 0 {
		return p.Querier.Select(ctx, sorted, hints, matchers...)
	}
	aggregate, matchers := split(matchers)
	set := p.Querier.Select(ctx, sorted, hints, matchers...)
	if aggregate == series.Count {
		return each{set, ones}
	}
	return set
}

func (q querier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.gather(func(p piece) ([]string, annotations.Annotations, error) {
		return p.LabelValues(ctx, name, hints, matchers...)
	})
}

func (q querier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.gather(func(p piece) ([]string, annotations.Annotations, error) {
		return p.LabelNames(ctx, hints, matchers...)
	})
}

func (q querier) gather(of func(piece) ([]string, annotations.Annotations, error)) ([]string, annotations.Annotations, error) {
	var all []string
	var warned annotations.Annotations
	for _, p := range q {
		some, w, err := of(p)
		if err != nil {
			return nil, nil, err
		}
		warned.Merge(w)
		all = append(all, some...)
	}
	slices.Sort(all)
	return slices.Compact(all), warned, nil
}

func (q querier) Close() error {
	var errs []error
	for _, p := range q {
		errs = append(errs, p.Querier.Close())
	}
	return errors.Join(errs...)
}

// split takes the matcher of an aggregate out.
func split(matchers []*labels.Matcher) (aggregate string, others []*labels.Matcher) {
	i := slices.IndexFunc(matchers, func(m *labels.Matcher) bool { return m.Name == series.Aggregate })
	if i < 0 {
		return "", matchers
	}
	return matchers[i].Value, slices.Delete(slices.Clone(matchers), i, i+1)
}

// coarse is the blocks of a tier as seen from outside: in its times, and without
// marks.
type coarse struct{ blocks *blocks }

func (c coarse) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := c.blocks.Querier(mint-1, maxt-1)
	if err != nil {
		return nil, err
	}
	return coarseQuerier{q}, nil
}

type coarseQuerier struct{ storage.Querier }

func (q coarseQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	instant := false
	if hints != nil {
		h := *hints
		h.Start, h.End = h.Start-1, h.End-1
		// A counter's newest sample is all that an instant selector looks at, and
		// labels are those of all its samples.
		instant = h.Range == 0 || h.Func == "series"
		hints = &h
	}
	aggregate, matchers := split(matchers)
	one := func(aggregate string, sorted bool) storage.SeriesSet {
		return selectOne(ctx, q.Querier, aggregate, sorted, hints, matchers...)
	}
	main := func() storage.SeriesSet { return withFirst(ctx, q.Querier, hints, matchers...) }
	switch {
	case aggregate == "" && instant:
		return outer(one("", sorted))
	case aggregate == "":
		return outer(main())
	}
	joined := &joined{SeriesSet: main(), alone: func(s storage.Series) storage.Series { return s }}
	switch aggregate {
	case series.Sum:
		joined.other, joined.both = &part{set: one(series.Count, true)}, times
	case series.Count:
		joined.other, joined.both, joined.alone = &part{set: one(series.Count, true)}, instead, ones
	default:
		joined.other, joined.both = &part{set: one(aggregate, true)}, instead
	}
	return outer(joined)
}

// instead takes the second for the first.
func instead(_, other storage.Series) storage.Series { return other }

func (q coarseQuerier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	names, warned, err := q.Querier.LabelNames(ctx, hints, matchers...)
	return slices.DeleteFunc(names, func(name string) bool { return name == series.Aggregate }), warned, err
}

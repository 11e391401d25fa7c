package query

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// LookupRequest asks for series, names of labels or values of a label.
type LookupRequest struct {
	// Selectors are PromQL series selectors, at most MaxExprs, each with a
	// matcher that does not match the empty value. The answer is the union.
	// Series needs at least one; the others take none for all series.
	Selectors []string
	// Start and End bound the times of which series are looked up, to the
	// granularity of the storage. Zero times are no bounds.
	Start, End time.Time
	// Limit is the most to return; 0: only MaxValues bounds it.
	Limit int
}

// Lookup is the answer to a LookupRequest.
type Lookup[T any] struct {
	Items []T
	// Truncated is whether there is more than was returned.
	Truncated bool
	Warnings  []string
}

// unbounded are the earliest and latest times, in milliseconds, that every
// storage takes.
const (
	unboundedStart = -9223309901257974
	unboundedEnd   = 9223309901257974
)

// Series returns the series that match, in no order. Errors are *Error.
func (e *Engine) Series(ctx context.Context, req LookupRequest) (*Lookup[labels.Labels], error) {
	if len(req.Selectors) == 0 {
		return nil, errorf(BadExpr, "no series selector is given")
	}
	return lookup(ctx, e, "series", req, func(ctx context.Context, q storage.Querier, limit int, sets [][]*labels.Matcher) ([]labels.Labels, annotations.Annotations, error) {
		hints := &storage.SelectHints{Func: "series", Limit: limit + 1}
		hints.Start, hints.End = req.bounds()
		selected := make([]storage.SeriesSet, len(sets))
		for i, matchers := range sets {
			selected[i] = q.Select(ctx, len(sets) > 1, hints, matchers...)
		}
		set := selected[0]
		if len(sets) > 1 {
			set = storage.NewMergeSeriesSet(selected, 0, storage.ChainedSeriesMerge)
		}
		found := []labels.Labels{}
		for set.Next() && len(found) <= limit {
			found = append(found, set.At().Labels())
			if len(found)%128 == 0 && ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
		}
		return found, set.Warnings(), set.Err()
	})
}

// LabelNames returns the names of the labels of the series that match, in
// order. Errors are *Error.
func (e *Engine) LabelNames(ctx context.Context, req LookupRequest) (*Lookup[string], error) {
	return lookup(ctx, e, "label_names", req, func(ctx context.Context, q storage.Querier, limit int, sets [][]*labels.Matcher) ([]string, annotations.Annotations, error) {
		return union(sets, func(matchers []*labels.Matcher) ([]string, annotations.Annotations, error) {
			return q.LabelNames(ctx, &storage.LabelHints{Limit: limit + 1}, matchers...)
		})
	})
}

// LabelValues returns the values that a label has on the series that match, in
// order. Errors are *Error.
func (e *Engine) LabelValues(ctx context.Context, label string, req LookupRequest) (*Lookup[string], error) {
	if !model.UTF8Validation.IsValidLabelName(label) {
		return nil, errorf(BadExpr, "invalid label name: %q", label)
	}
	return lookup(ctx, e, "label_values", req, func(ctx context.Context, q storage.Querier, limit int, sets [][]*labels.Matcher) ([]string, annotations.Annotations, error) {
		return union(sets, func(matchers []*labels.Matcher) ([]string, annotations.Annotations, error) {
			return q.LabelValues(ctx, label, &storage.LabelHints{Limit: limit + 1}, matchers...)
		})
	})
}

func (r LookupRequest) bounds() (start, end int64) {
	start, end = unboundedStart, unboundedEnd
	if !r.Start.IsZero() {
		start = max(start, r.Start.UnixMilli())
	}
	if !r.End.IsZero() {
		end = min(end, r.End.UnixMilli())
	}
	return start, end
}

// lookup is the frame of every look-up; find returns more than limit items
// when there are more.
func lookup[T any](ctx context.Context, e *Engine, method string, req LookupRequest,
	find func(context.Context, storage.Querier, int, [][]*labels.Matcher) ([]T, annotations.Annotations, error),
) (*Lookup[T], error) {
	var out *Lookup[T]
	err := e.run(ctx, method, strings.Join(req.Selectors, " "), func(ctx context.Context) (int64, error) {
		sets, err := e.matchers(req.Selectors)
		if err != nil {
			return 0, err
		}
		start, end := req.bounds()
		if end < start {
			return 0, errorf(BadRange, "the end must not be before the start")
		}
		if req.Limit < 0 {
			return 0, errorf(BadRange, "the limit must not be negative")
		}
		limit := e.opts.MaxValues
		if req.Limit > 0 {
			limit = min(limit, req.Limit)
		}
		q, err := (source{Queryable: e.all}).Querier(start, end)
		if err != nil {
			return 0, evaluationError(err)
		}
		defer q.Close()
		items, warned, err := find(ctx, q, limit, sets)
		if err != nil {
			return 0, evaluationError(err)
		}
		out = &Lookup[T]{Items: items, Warnings: warnings(warned, "")}
		if len(items) > limit {
			out.Items, out.Truncated = items[:limit], true
			e.metrics.cut.Inc()
		}
		return 0, nil
	})
	return out, err
}

// matchers parses series selectors.
func (e *Engine) matchers(selectors []string) ([][]*labels.Matcher, error) {
	if len(selectors) > MaxExprs {
		return nil, errorf(BadExpr, "%d series selectors are given, at most %d are allowed", len(selectors), MaxExprs)
	}
	sets := make([][]*labels.Matcher, len(selectors))
	for i, s := range selectors {
		if err := checkExpr(s); err != nil {
			return nil, err
		}
		set, err := e.parser.ParseMetricSelector(s)
		if err != nil {
			return nil, parseError(err)
		}
		if !slices.ContainsFunc(set, func(m *labels.Matcher) bool { return !m.Matches("") }) {
			return nil, errorf(BadExpr, "match[] must contain at least one non-empty matcher")
		}
		sets[i] = set
	}
	return sets, nil
}

// union merges what each set of matchers finds, in order.
func union(sets [][]*labels.Matcher, find func([]*labels.Matcher) ([]string, annotations.Annotations, error)) ([]string, annotations.Annotations, error) {
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	all := []string{}
	var warned annotations.Annotations
	for _, matchers := range sets {
		found, w, err := find(matchers)
		if err != nil {
			return nil, nil, err
		}
		warned.Merge(w)
		for _, f := range found {
			// The storage may own the memory until its querier is closed.
			all = append(all, strings.Clone(f))
		}
	}
	slices.Sort(all)
	return slices.Compact(all), warned, nil
}

package remote

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"sonde.dev/sonde/internal/wire"
)

// A store without native histograms gets each as VictoriaMetrics lays them out:
// a counter NAME_count, a counter NAME_sum, and for each bucket that is not
// empty a counter NAME_bucket with its bounds in the label vmrange. No bucket is
// lost by that: the bounds, rounded to four digits, still tell its index. The
// count is sent last, and stands for the whole. A selector that names the metric finds the histogram put together
// again.

const (
	vmrange = "vmrange"
	// zeroRange is the bucket of zeros.
	zeroRange = "0...1.000e-09"
)

// ranges appends the runs of histograms as counters.
func ranges(runs []run, write int, l labels.Labels, times []int64, histograms []wire.Histogram) []run {
	part := func(suffix, bounds string) run {
		b := labels.NewBuilder(l).Set(model.MetricNameLabel, l.Get(model.MetricNameLabel)+suffix)
		if bounds != "" {
			b.Set(vmrange, bounds)
		}
		return run{write: write, labels: b.Labels(), part: true}
	}
	buckets := make(map[string]*run)
	add := func(bounds string, at int64, n uint64) {
		if n == 0 {
			return
		}
		r := buckets[bounds]
		if r == nil {
			made := part("_bucket", bounds)
			r = &made
			buckets[bounds] = r
		}
		r.times, r.floats = append(r.times, at), append(r.floats, float64(n))
	}
	sum, count := part("_sum", ""), part("_count", "")
	count.part = false
	for i := range histograms {
		h := &histograms[i]
		sum.times, sum.floats = append(sum.times, times[i]), append(sum.floats, h.Sum)
		count.times, count.floats = append(count.times, times[i]), append(count.floats, float64(h.Count))
		add(zeroRange, times[i], h.Zero)
		for j, n := range h.Buckets {
			index := float64(h.First) + float64(j)
			add(fmt.Sprintf("%.3e...%.3e", math.Exp2((index-1)/16), math.Exp2(index/16)), times[i], n)
		}
	}
	for _, r := range buckets {
		runs = append(runs, *r)
	}
	return append(runs, sum, count)
}

// named returns the metric that matchers name, and the others.
func named(matchers []*labels.Matcher) (name string, rest []*labels.Matcher) {
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			name = m.Value
		} else {
			rest = append(rest, m)
		}
	}
	return name, rest
}

// assembled reads the histograms of a metric that is stored as counters.
func (q *querier) assembled(ctx context.Context, start, end int64, matchers []*labels.Matcher) ([]sampled, error) {
	name, rest := named(matchers)
	if name == "" {
		return nil, nil
	}
	parts := labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, regexp.QuoteMeta(name)+"_(bucket|count|sum)")
	found, err := q.selected(ctx, start, end, append(rest, parts))
	if err != nil {
		return nil, err
	}
	type moment struct {
		jsonHistogram
		at       int64
		counted  bool
		positive []bucket
		zero     float64
	}
	all := make(map[string]map[int64]*moment)
	series := make(map[string]labels.Labels)
	for _, s := range found {
		l := labels.NewBuilder(s.Metric).Set(model.MetricNameLabel, name).Del(vmrange).Labels()
		key := l.String()
		if all[key] == nil {
			all[key], series[key] = make(map[int64]*moment), l
		}
		kind, bounds := strings.TrimPrefix(s.Metric.Get(model.MetricNameLabel), name+"_"), s.Metric.Get(vmrange)
		index := int32(0)
		if kind == "bucket" && bounds != zeroRange {
			_, upper, _ := strings.Cut(bounds, "...")
			bound, err := strconv.ParseFloat(upper, 64)
			if err != nil || bound <= 0 {
				continue // a classic bucket
			}
			index = int32(math.Round(math.Log2(bound) * 16))
		}
		for _, v := range s.Values {
			m := all[key][v.t]
			if m == nil {
				m = &moment{at: v.t}
				all[key][v.t] = m
			}
			switch {
			case kind == "count":
				m.Count, m.counted = v.f, true
			case kind == "sum":
				m.Sum = v.f
			case bounds == zeroRange:
				m.zero = v.f
			default:
				m.positive = append(m.positive, bucket{index, v.f})
			}
		}
	}
	var out []sampled
	for key, moments := range all {
		s := sampled{Metric: series[key]}
		for _, m := range moments {
			if !m.counted {
				continue // of a request that is half stored, or of another's histogram
			}
			h, err := m.histogram()
			if err != nil {
				return nil, err
			}
			h.ZeroCount, h.Schema = m.zero, schema
			h.PositiveSpans, h.PositiveBuckets = spans(m.positive)
			s.Histograms = append(s.Histograms, sample{t: m.at, h: h})
		}
		slices.SortFunc(s.Histograms, func(a, b sample) int { return int(a.t - b.t) })
		out = append(out, s)
	}
	return out, nil
}

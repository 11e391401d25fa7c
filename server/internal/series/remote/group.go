package remote

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"sonde.dev/sonde/internal/wire"
	"sonde.dev/sonde/server/internal/series"
)

// run is samples of one series of one Write, numbers or histograms.
type run struct {
	write      int
	labels     labels.Labels
	times      []int64
	floats     []float64
	histograms []wire.Histogram
	// part is whether its samples are but parts of others, and not counted.
	part bool
}

func (r *run) weight() int {
	n := len(r.floats)
	for i := range r.histograms {
		n += 1 + len(r.histograms[i].Buckets)
	}
	return n
}

// cut returns the first k samples of r and the others.
func (r run) cut(k int) (head, tail run) {
	head, tail = r, r
	head.times, tail.times = r.times[:k], r.times[k:]
	if r.floats != nil {
		head.floats, tail.floats = r.floats[:k], r.floats[k:]
	} else {
		head.histograms, tail.histograms = r.histograms[:k], r.histograms[k:]
	}
	return head, tail
}

// first names the first sample of r.
func (r *run) first(why string) string {
	return fmt.Sprintf("%s at %s: %s", r.labels, time.UnixMilli(r.times[0]).UTC().Format(time.RFC3339Nano), why)
}

// group returns how many of the writes to send together, their runs, which it
// appends to spare, and a result for each in which what can be seen to be invalid
// is refused.
func (s *Store) group(writes []*series.Write, spare []run) (n int, runs []run, results []series.Result) {
	runs = spare
	weight := 0
	for ; n < len(writes) && (n == 0 || weight < requestWeight); n++ {
		results = append(results, series.Result{})
		before := len(runs)
		runs = flatten(runs, n, writes[n], s.options.Histograms == VMRange, &results[n])
		for i := before; i < len(runs); i++ {
			weight += runs[i].weight()
		}
	}
	return n, runs, results
}

func flatten(runs []run, write int, w *series.Write, asRanges bool, result *series.Result) []run {
	for i := range w.Rows {
		r := &w.Rows[i]
		k := len(r.Times)
		if k == 0 {
			continue
		}
		floats, histograms := r.Target.Columns(nil)
		for c := range floats {
			runs = finite(runs, run{
				write: write, labels: floats[c].Labels, times: r.Times, floats: r.Floats[c*k : (c+1)*k],
			}, result)
		}
		for c := range histograms {
			if asRanges {
				runs = ranges(runs, write, histograms[c].Labels, r.Times, r.Histograms[c*k:(c+1)*k])
				continue
			}
			runs = append(runs, run{
				write: write, labels: histograms[c].Labels, times: r.Times, histograms: r.Histograms[c*k : (c+1)*k],
			})
		}
	}
	return runs
}

// finite appends r without what is no number, which it refuses: among it is the
// NaN that Prometheus takes for the end of a series.
func finite(runs []run, r run, result *series.Result) []run {
	for {
		bad := -1
		for i, v := range r.floats {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				bad = i
				break
			}
		}
		if bad < 0 {
			break
		}
		good, rest := r.cut(bad)
		if bad > 0 {
			runs = append(runs, good)
		}
		result.Refuse(series.Invalid, func() string { return rest.first(errNotFinite.Error()) })
		_, r = rest.cut(1)
	}
	if len(r.times) > 0 {
		runs = append(runs, r)
	}
	return runs
}

var errNotFinite = errors.New("not a finite number")

// requests cuts runs into slices that fit a request each.
func requests(runs []run) (out [][]run) {
	first, weight := 0, 0
	for i := 0; i < len(runs); i++ {
		w := runs[i].weight()
		if k := len(runs[i].times); w > requestWeight && k > 1 {
			head, tail := runs[i].cut(max(1, k*requestWeight/w/2))
			runs = slices.Replace(runs, i, i+1, head, tail)
			w = head.weight()
		}
		if i > first && weight+w > requestWeight {
			out = append(out, runs[first:i])
			first, weight = i, 0
		}
		weight += w
	}
	if first < len(runs) {
		out = append(out, runs[first:])
	}
	return out
}

// halve cuts a request in two: between Writes where it has several, then
// between runs, then within a run. A request of one sample has no halves.
func halve(runs []run) (a, b []run) {
	if len(runs) == 1 {
		k := len(runs[0].times)
		if k == 1 {
			return nil, nil
		}
		head, tail := runs[0].cut(k / 2)
		return []run{head}, []run{tail}
	}
	middle := len(runs) / 2
	if runs[0].write != runs[len(runs)-1].write {
		for middle > 1 && runs[middle].write == runs[middle-1].write {
			middle--
		}
		for middle < len(runs)-1 && runs[middle].write == runs[middle-1].write {
			middle++
		}
	}
	return runs[:middle], runs[middle:]
}

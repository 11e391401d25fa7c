package query_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"go.uber.org/goleak"

	"sonde.dev/sonde/server/internal/series/query"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is the time of the first sample in tests.
var epoch = time.UnixMilli(1_700_000_000_000)

func at(seconds float64) time.Time {
	return epoch.Add(time.Duration(seconds * float64(time.Second)))
}

// store is a TSDB that tests fill.
type store struct {
	*tsdb.DB
	tb testing.TB
}

func newStore(tb testing.TB) *store {
	tb.Helper()
	opts := tsdb.DefaultOptions()
	opts.WALSegmentSize = -1
	db, err := tsdb.Open(tb.TempDir(), nil, nil, opts, nil)
	if err != nil {
		tb.Fatal(err)
	}
	db.DisableCompactions()
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &store{DB: db, tb: tb}
}

// floats appends a value at each of the seconds; the value is the second.
func (s *store) floats(series labels.Labels, seconds ...float64) {
	s.tb.Helper()
	a := s.Appender(context.Background())
	var ref storage.SeriesRef
	for i, second := range seconds {
		// Few samples a commit, as agents do: the store remembers which commit a
		// sample is of, and readers pay for that.
		if i%10 == 9 {
			if err := a.Commit(); err != nil {
				s.tb.Fatal(err)
			}
			a = s.Appender(context.Background())
		}
		var err error
		if ref, err = a.Append(ref, series, at(second).UnixMilli(), second); err != nil {
			s.tb.Fatal(err)
		}
	}
	if err := a.Commit(); err != nil {
		s.tb.Fatal(err)
	}
}

// latency appends, at each second from 0 to last, a cumulative histogram of
// resolution 4 that grew by one value in bucket 2 and two in bucket 5.
func (s *store) latency(series labels.Labels, last int) {
	s.tb.Helper()
	a := s.Appender(context.Background())
	for i := range last + 1 {
		n := int64(i)
		h := &histogram.Histogram{
			Schema:          4,
			Count:           uint64(3 * n),
			Sum:             float64(n),
			PositiveSpans:   []histogram.Span{{Offset: 2, Length: 1}, {Offset: 2, Length: 1}},
			PositiveBuckets: []int64{n, n},
		}
		if _, err := a.AppendHistogram(0, series, at(float64(i)).UnixMilli(), h, nil); err != nil {
			s.tb.Fatal(err)
		}
	}
	if err := a.Commit(); err != nil {
		s.tb.Fatal(err)
	}
}

func newEngine(tb testing.TB, q storage.Queryable, opts query.Options) *query.Engine {
	tb.Helper()
	e, err := query.New(q, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// seconds are first, first+step, … to last.
func seconds(first, last, step float64) (out []float64) {
	for s := first; s <= last; s += step {
		out = append(out, s)
	}
	return out
}

package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.uber.org/goleak"

	"sonde.dev/sonde/internal/durable"
	"sonde.dev/sonde/internal/wire"
	"sonde.dev/sonde/server/internal/series"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

// epoch is the time of the first sample of most tests, in ms.
const epoch = int64(1_700_000_000_000)

func testOptions(tb testing.TB, dir string) Options {
	return Options{Dir: dir, MinFree: 1, Logger: slog.New(slog.NewTextHandler(tb.Output(), nil))}
}

func openTest(tb testing.TB, dir string) *Store {
	tb.Helper()
	return openTuned(tb, testOptions(tb, dir), tuning{segmentSize: 1 << 20, flush: durable.SyncData})
}

func openTuned(tb testing.TB, o Options, t tuning) *Store {
	tb.Helper()
	s, err := open(o, t)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("closing: %v", err)
		}
	})
	return s
}

func metric(name string, pairs ...string) series.Series {
	return series.Series{Labels: labels.FromStrings(append([]string{"__name__", name}, pairs...)...)}
}

type outcome struct {
	series.Result
	err error
}

// enqueue appends rows and returns where the outcome will arrive.
func enqueue(tb testing.TB, s *Store, rows ...series.Rows) <-chan outcome {
	tb.Helper()
	done := make(chan outcome, 1)
	w := &series.Write{Rows: rows, Done: func(r series.Result, err error) { done <- outcome{r, err} }}
	if err := s.Append(context.Background(), w); err != nil {
		tb.Fatal(err)
	}
	return done
}

// write appends rows and waits.
func write(tb testing.TB, s *Store, rows ...series.Rows) series.Result {
	tb.Helper()
	got := <-enqueue(tb, s, rows...)
	if got.err != nil {
		tb.Fatal(got.err)
	}
	return got.Result
}

// read returns every sample as "time value", by series.
func read(tb testing.TB, s *Store) map[string][]string {
	tb.Helper()
	q, err := s.Queryable().Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		tb.Fatal(err)
	}
	defer q.Close()
	got := map[string][]string{}
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+"))
	for set.Next() {
		name := set.At().Labels().String()
		it := set.At().Iterator(nil)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			switch kind {
			case chunkenc.ValFloat:
				t, v := it.At()
				got[name] = append(got[name], fmt.Sprintf("%d %v", t-epoch, v))
			case chunkenc.ValHistogram:
				t, h := it.AtHistogram(nil)
				got[name] = append(got[name], fmt.Sprintf("%d %v", t-epoch, h))
			default:
				tb.Fatalf("%s has a %v", name, kind)
			}
		}
		if err := it.Err(); err != nil {
			tb.Fatal(err)
		}
	}
	if err := set.Err(); err != nil {
		tb.Fatal(err)
	}
	return got
}

func wantSamples(tb testing.TB, s *Store, want map[string][]string) {
	tb.Helper()
	if diff := cmp.Diff(want, read(tb, s)); diff != "" {
		tb.Errorf("samples (-want +got):\n%s", diff)
	}
}

// at returns times in ms after epoch.
func at(ms ...int64) []int64 {
	times := make([]int64, len(ms))
	for i, t := range ms {
		times[i] = epoch + t
	}
	return times
}

func TestFloatsComeBack(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	target := series.NewTarget([]series.Series{metric("a"), metric("b", "x", "1")})
	got := write(t, s, series.Rows{
		Target: target,
		Times:  at(0, 1000, 2000),
		Floats: []float64{1, 2, 3, 0, -0.5, 1e300},
	})
	if diff := cmp.Diff(series.Result{Stored: 6}, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	want := map[string][]string{
		`{__name__="a"}`:        {"0 1", "1000 2", "2000 3"},
		`{__name__="b", x="1"}`: {"0 0", "1000 -0.5", "2000 1e+300"},
	}
	wantSamples(t, s, want)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantSamples(t, openTest(t, dir), want)
}

func TestHistogramsComeBack(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	target := series.NewTarget([]series.Series{{Labels: metric("d").Labels, Histogram: true}, metric("f")})
	write(t, s, series.Rows{
		Target: target,
		Times:  at(0, 1, 2, 3, 4),
		Floats: []float64{1, 2, 3, 4, 5},
		Histograms: []wire.Histogram{
			{},
			{Count: 3, Sum: 1.5, Zero: 1, First: -3, Buckets: []uint64{2}},
			// It grows at both ends and keeps an empty bucket.
			{Count: 9, Sum: 4, Zero: 1, First: -5, Buckets: []uint64{1, 0, 4, 3}},
			// The recorder was made anew.
			{Count: 1, Sum: 7, First: 40, Buckets: []uint64{1}},
			{Count: 2, Sum: 8, First: 40, Buckets: []uint64{2}},
		},
	})
	want := []string{
		"0 {count:0, sum:0}",
		"1 {count:3, sum:1.5, [-9.313225746154785e-10,9.313225746154785e-10]:1, (0.8408964152537144,0.8781260801866495]:2}",
		"2 {count:9, sum:4, [-9.313225746154785e-10,9.313225746154785e-10]:1, (0.7711054127039704,0.805245165974627]:1, (0.8408964152537144,0.8781260801866495]:4, (0.8781260801866495,0.9170040432046711]:3}",
		"3 {count:1, sum:7, (5.417022187747571,5.65685424949238]:1}",
		"4 {count:2, sum:8, (5.417022187747571,5.65685424949238]:2}",
	}
	if diff := cmp.Diff(want, read(t, s)[`{__name__="d"}`]); diff != "" {
		t.Errorf("histograms (-want +got):\n%s", diff)
	}
}

// TestAppendedHistogramsAreNotShared proves that the caller may reuse a Write
// after Done even though the TSDB keeps histograms.
func TestAppendedHistogramsAreNotShared(t *testing.T) {
	s := openTest(t, t.TempDir())
	target := series.NewTarget([]series.Series{{Labels: metric("d").Labels, Histogram: true}})
	buckets := []uint64{0}
	rows := series.Rows{Target: target, Times: at(0), Histograms: []wire.Histogram{{Buckets: buckets}}}
	var want []string
	// The newest comes first: all others are out of order, and kept as they are.
	for i := range int64(40) {
		buckets[0] = uint64(100 + i)
		rows.Times[0] = epoch + 1000 - i
		rows.Histograms[0].Count = buckets[0]
		write(t, s, rows)
		want = append([]string{fmt.Sprintf("%d {count:%d, sum:0, (0.9576032806985735,1]:%[2]d}", 1000-i, 100+i)}, want...)
	}
	if diff := cmp.Diff(want, read(t, s)[`{__name__="d"}`]); diff != "" {
		t.Errorf("histograms (-want +got):\n%s", diff)
	}
}

func TestOutOfOrder(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	target := series.NewTarget([]series.Series{metric("a")})
	day := (24 * time.Hour).Milliseconds()
	write(t, s, series.Rows{Target: target, Times: at(8 * day), Floats: []float64{8}})
	got := write(t, s,
		series.Rows{Target: target, Times: at(2*day, 3*day), Floats: []float64{2, 3}},
		series.Rows{Target: target, Times: at(0, 7*day), Floats: []float64{0, 7}},
	)
	want := series.Result{Stored: 3, Refused: []series.Refused{{
		Reason: series.TooOld, Samples: 1,
		First: `{__name__="a"} at 1700000000000 ms: too old sample`,
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	samples := map[string][]string{`{__name__="a"}`: {
		fmt.Sprintf("%d 2", 2*day), fmt.Sprintf("%d 3", 3*day), fmt.Sprintf("%d 7", 7*day), fmt.Sprintf("%d 8", 8*day),
	}}
	wantSamples(t, s, samples)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantSamples(t, openTest(t, dir), samples)
}

func TestDuplicatesChangeNothing(t *testing.T) {
	s := openTest(t, t.TempDir())
	target := series.NewTarget([]series.Series{metric("a"), {Labels: metric("d").Labels, Histogram: true}})
	rows := series.Rows{
		Target: target, Times: at(0, 1, 2), Floats: []float64{1, -2, 3},
		Histograms: []wire.Histogram{{}, {Count: 1, Zero: 1}, {Count: 2, Zero: 2}},
	}
	for range 3 {
		if diff := cmp.Diff(series.Result{Stored: 6}, write(t, s, rows)); diff != "" {
			t.Errorf("result (-want +got):\n%s", diff)
		}
	}
	// Another Target of the same series, as after a reconnection.
	rows.Target = series.NewTarget([]series.Series{metric("a"), {Labels: metric("d").Labels, Histogram: true}})
	write(t, s, rows)
	got := read(t, s)
	if diff := cmp.Diff([]string{"0 1", "1 -2", "2 3"}, got[`{__name__="a"}`]); diff != "" {
		t.Errorf("floats (-want +got):\n%s", diff)
	}
	if n := len(got[`{__name__="d"}`]); n != 3 {
		t.Errorf("%d histograms, want 3", n)
	}
}

func TestBadSamplesAreRefusedAlone(t *testing.T) {
	s := openTest(t, t.TempDir())
	target := series.NewTarget([]series.Series{
		metric("a"),
		{Labels: labels.FromStrings("twice", "1", "twice", "2")},
		metric("c"),
		{Labels: metric("d").Labels, Histogram: true},
	})
	first := series.Rows{
		Target: target, Times: at(0, 1), Floats: []float64{1, 2, 3, 4, 5, 6},
		Histograms: []wire.Histogram{
			{Count: 5, Buckets: []uint64{1, 2}},
			{Count: math.MaxUint64, Buckets: []uint64{math.MaxUint64}},
		},
	}
	want := series.Result{Stored: 4, Refused: []series.Refused{{
		Reason: series.Invalid, Samples: 4,
		First: `{twice="1", twice="2"} at 1700000000000 ms: label name "twice" is not unique: invalid sample`,
	}}}
	if diff := cmp.Diff(want, write(t, s, first)); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	second := series.Rows{
		Target: series.NewTarget([]series.Series{metric("a"), metric("c")}),
		Times:  at(1, 2), Floats: []float64{20, 30, 6, 7},
	}
	got := write(t, s, second)
	if got.Stored != 3 || len(got.Refused) != 1 || got.Refused[0].Reason != series.Conflict || got.Refused[0].Samples != 1 {
		t.Errorf("got %+v, want 3 stored and 1 conflict", got)
	}
	wantSamples(t, s, map[string][]string{
		`{__name__="a"}`: {"0 1", "1 2", "2 30"},
		`{__name__="c"}`: {"0 5", "1 6", "2 7"},
	})
}

func TestNumbersThatAreNotFiniteAreRefused(t *testing.T) {
	s := openTest(t, t.TempDir())
	target := series.NewTarget([]series.Series{metric("a")})
	got := write(t, s, series.Rows{
		Target: target, Times: at(0, 1, 2, 3), Floats: []float64{1, math.NaN(), math.Inf(-1), 4},
	})
	want := series.Result{Stored: 2, Refused: []series.Refused{{
		Reason: series.Invalid, Samples: 2, First: `{__name__="a"} at 1700000000001 ms: not a finite number`,
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	wantSamples(t, s, map[string][]string{`{__name__="a"}`: {"0 1", "3 4"}})
}

// TestConflictWithinAGroup has all writes queued before the first is taken.
func TestConflictWithinAGroup(t *testing.T) {
	s := openTest(t, t.TempDir())
	target := series.NewTarget([]series.Series{metric("a")})
	hold := make(chan struct{})
	first := &series.Write{Done: func(series.Result, error) { <-hold }}
	if err := s.Append(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	a := enqueue(t, s, series.Rows{Target: target, Times: at(5), Floats: []float64{1}})
	b := enqueue(t, s, series.Rows{Target: target, Times: at(5), Floats: []float64{2}})
	c := enqueue(t, s, series.Rows{Target: target, Times: at(5), Floats: []float64{1}})
	close(hold)
	if got := <-a; got.Stored != 1 || got.err != nil {
		t.Errorf("first: %+v", got)
	}
	if got := <-b; got.Stored != 0 || len(got.Refused) != 1 || got.Refused[0].Reason != series.Conflict {
		t.Errorf("conflict: %+v", got)
	}
	if got := <-c; got.Stored != 1 || got.err != nil {
		t.Errorf("duplicate: %+v", got)
	}
}

func TestWritesKeepTheirOrder(t *testing.T) {
	s := openTest(t, t.TempDir())
	target := series.NewTarget([]series.Series{metric("a")})
	const n = 500
	order := make(chan int, n)
	for i := range n {
		w := &series.Write{
			Rows: []series.Rows{{Target: target, Times: at(int64(i)), Floats: []float64{1}}},
			Done: func(series.Result, error) { order <- i },
		}
		if err := s.Append(context.Background(), w); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if got := <-order; got != i {
			t.Fatalf("write %d was done in place of %d", got, i)
		}
	}
}

func TestBackpressure(t *testing.T) {
	o := testOptions(t, t.TempDir())
	o.QueueSamples = 4
	s := openTuned(t, o, tuning{segmentSize: 1 << 20, flush: durable.SyncData})
	target := series.NewTarget([]series.Series{metric("a")})
	rows := series.Rows{Target: target, Times: at(0, 1, 2), Floats: []float64{1, 2, 3}}
	entered, hold := make(chan struct{}), make(chan struct{})
	first := &series.Write{Rows: []series.Rows{rows}, Done: func(series.Result, error) { close(entered); <-hold }}
	if err := s.Append(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.Append(ctx, &series.Write{Rows: []series.Rows{rows}, Done: func(series.Result, error) {
		t.Error("a write that was not taken is done")
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("append to a full queue: %v, want context.Canceled", err)
	}
	if got := s.queue.Samples(); got != 3 {
		t.Errorf("%d samples queued, want 3", got)
	}
	close(hold)
	// More than the queue ever holds still gets through, alone.
	big := series.Rows{Target: target, Times: at(3, 4, 5, 6, 7, 8), Floats: make([]float64, 6)}
	if got := write(t, s, big); got.Stored != 6 {
		t.Errorf("stored %d of a large write, want 6", got.Stored)
	}
}

func TestCloseDrains(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	target := series.NewTarget([]series.Series{metric("a")})
	done := make(chan error, 100)
	for i := range 100 {
		w := &series.Write{
			Rows: []series.Rows{{Target: target, Times: at(int64(i)), Floats: []float64{1}}},
			Done: func(_ series.Result, err error) { done <- err },
		}
		if err := s.Append(context.Background(), w); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Fatal("Close returned before every write was done")
		}
	}
	w := &series.Write{Done: func(series.Result, error) {}}
	if err := s.Append(context.Background(), w); !errors.Is(err, series.ErrClosed) {
		t.Errorf("append after Close: %v, want ErrClosed", err)
	}
	if n := len(read(t, openTest(t, dir))[`{__name__="a"}`]); n != 100 {
		t.Errorf("%d samples after opening anew, want 100", n)
	}
}

func TestRowsOfTheWrongShape(t *testing.T) {
	s := openTest(t, t.TempDir())
	target := series.NewTarget([]series.Series{metric("a")})
	done := func(series.Result, error) { t.Error("done") }
	for name, w := range map[string]*series.Write{
		"too few floats": {Rows: []series.Rows{{Target: target, Times: at(1, 2), Floats: []float64{1}}}, Done: done},
		"histograms":     {Rows: []series.Rows{{Target: target, Histograms: make([]wire.Histogram, 1)}}, Done: done},
		"no target":      {Rows: []series.Rows{{}}, Done: done},
		"no done":        {},
	} {
		if err := s.Append(context.Background(), w); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestAcknowledgedBytesAreInTheFiles copies the directory right after Done, as
// a crash would leave it, and reads every sample from the copy.
func TestAcknowledgedBytesAreInTheFiles(t *testing.T) {
	dir := t.TempDir()
	s := openTuned(t, testOptions(t, dir), tuning{segmentSize: 64 << 10, flush: durable.SyncData})
	var all []series.Series
	for i := range 100 {
		all = append(all, metric("a", "n", fmt.Sprint(i)))
	}
	all = append(all, series.Series{Labels: metric("d").Labels, Histogram: true})
	target := series.NewTarget(all)
	next := int64(10_000_000)
	for round := range 20 {
		times := at(next, next+1, next+2)
		if round%3 == 2 {
			times = at(next-5_000_000, next-4_999_999, next-4_999_998) // out of order
		}
		floats := make([]float64, 300)
		for i := range floats {
			floats[i] = float64(round*1000 + i)
		}
		write(t, s, series.Rows{Target: target, Times: times, Floats: floats, Histograms: []wire.Histogram{
			{Count: 1, Zero: 1}, {Count: 2, Zero: 2}, {Count: 3, Zero: 2, First: 7, Buckets: []uint64{1}},
		}})
		next += 10
		if round%5 != 4 {
			continue
		}
		crashed := filepath.Join(t.TempDir(), "crashed")
		if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		again := openTest(t, crashed)
		if diff := cmp.Diff(read(t, s), read(t, again)); diff != "" {
			t.Fatalf("round %d (-alive +crashed):\n%s", round, diff)
		}
	}
	segments, err := filepath.Glob(filepath.Join(dir, "wal", "0*"))
	if err != nil || len(segments) < 2 {
		t.Errorf("the log has %d segments (%v), want some", len(segments), err)
	}
	if n := len(strings.Join(read(t, s)[`{__name__="d"}`], "")); n == 0 {
		t.Error("no histograms were read")
	}
}

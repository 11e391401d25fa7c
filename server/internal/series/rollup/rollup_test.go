package rollup_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"go.uber.org/goleak"

	"sonde.dev/sonde/server/internal/series/query"
	"sonde.dev/sonde/server/internal/series/rollup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is the time of the first sample, at the start of a day.
var epoch = time.UnixMilli(1_700_006_400_000)

const day = 24 * time.Hour

// store is a TSDB with tiers.
type store struct {
	t     testing.TB
	dir   string
	db    *tsdb.DB
	tiers *rollup.Tiers
}

// open opens a store that keeps samples as taken for 30 days.
func open(t testing.TB, dir string) *store { return openKeeping(t, dir, 30*day, 60*day) }

func openKeeping(t testing.TB, dir string, taken, minutes time.Duration) *store {
	t.Helper()
	return openTiers(t, dir, taken,
		rollup.Tier{Window: time.Minute, Retention: minutes},
		rollup.Tier{Window: time.Hour, Retention: 600 * day})
}

func openTiers(t testing.TB, dir string, taken time.Duration, tiers ...rollup.Tier) *store {
	t.Helper()
	s := &store{t: t, dir: dir}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	s.tiers, err = rollup.Open(rollup.Options{
		Dir:    dir,
		Tiers:  tiers,
		Late:   7 * day,
		Space:  func() error { return nil },
		Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := tsdb.DefaultOptions()
	o.WALSegmentSize = 1 << 20
	o.OutOfOrderTimeWindow = (7 * day).Milliseconds()
	o.RetentionDuration = taken.Milliseconds()
	o.BlockCompactionExcludeFunc = s.tiers.Pending
	if s.db, err = tsdb.Open(dir, nil, nil, o, nil); err != nil {
		t.Fatal(err)
	}
	s.db.DisableCompactions() // the tests say when
	s.tiers.Attach(s.db)
	t.Cleanup(s.close)
	return s
}

func (s *store) close() {
	if s.db == nil {
		return
	}
	if err := s.tiers.Close(); err != nil {
		s.t.Error(err)
	}
	if err := s.db.Close(); err != nil {
		s.t.Error(err)
	}
	s.db = nil
}

// roll has the TSDB write and join its blocks, and rolls up.
func (s *store) roll() {
	s.t.Helper()
	if err := s.db.Compact(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if err := s.tiers.Roll(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// host makes samples of one host: a gauge, a counter and a latency, each of
// which a restart sets to nothing now and then.
type host struct {
	name      string
	random    *rand.Rand
	load, cpu float64
	latency   histogram.Histogram
}

func newHost(name string) *host {
	return &host{name: name, random: rand.New(rand.NewPCG(1, uint64(len(name)))), latency: empty()}
}

func empty() histogram.Histogram {
	return histogram.Histogram{
		Schema: 4, ZeroThreshold: 1e-9,
		PositiveSpans:   []histogram.Span{{Offset: -40, Length: 30}},
		PositiveBuckets: make([]int64, 30),
	}
}

// step appends what the host has after the next interval.
func (h *host) append(t testing.TB, db *tsdb.DB, from, to time.Duration, interval time.Duration) {
	t.Helper()
	app := db.Appender(context.Background())
	n := 0
	for at := from; at < to; at += interval {
		if h.random.IntN(5000) == 0 {
			h.cpu, h.latency = 0, empty()
		}
		h.load = max(0, h.load+h.random.Float64()-0.5)
		h.cpu += h.random.Float64()
		for range 3 {
			bucket := h.random.IntN(30)
			h.latency.PositiveBuckets[bucket]++
			if bucket+1 < 30 {
				h.latency.PositiveBuckets[bucket+1]--
			}
			h.latency.Count++
			h.latency.Sum += math.Exp2(float64(bucket-40) / 16)
		}
		ms := epoch.Add(at).UnixMilli()
		name := func(metric string) labels.Labels {
			return labels.FromStrings("__name__", metric, "agent", h.name, "probe", "p")
		}
		if _, err := app.Append(0, name("node_load1"), ms, h.load); err != nil {
			t.Fatal(err)
		}
		if _, err := app.Append(0, name("node_cpu_seconds_total"), ms, h.cpu); err != nil {
			t.Fatal(err)
		}
		if _, err := app.AppendHistogram(0, name("sonde_probe_duration_seconds"), ms, h.latency.Copy(), nil); err != nil {
			t.Fatal(err)
		}
		if n++; n%500 == 0 {
			if err := app.Commit(); err != nil {
				t.Fatal(err)
			}
			app = db.Appender(context.Background())
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// engines are one over all, and one over the samples as taken.
func (s *store) engines() (tiered, taken *query.Engine) {
	s.t.Helper()
	limits := query.Options{MaxSamples: 1 << 30, Timeout: 5 * time.Minute}
	taken, err := query.New(s.db, limits)
	if err != nil {
		s.t.Fatal(err)
	}
	limits.Tiers = s.tiers
	if tiered, err = query.New(s.db, limits); err != nil {
		s.t.Fatal(err)
	}
	return tiered, taken
}

// exact are expressions for which tiers have the answer, by the window that
// they are read with.
func exact(window string) []string {
	return []string{
		"rate(node_cpu_seconds_total[" + window + "])",
		"increase(node_cpu_seconds_total[" + window + "])",
		"sum by (agent) (rate(node_cpu_seconds_total[" + window + "]))",
		"resets(node_cpu_seconds_total[" + window + "])",
		"node_cpu_seconds_total",
		"avg_over_time(node_load1[" + window + "])",
		"max_over_time(node_load1[" + window + "])",
		"min_over_time(node_load1[" + window + "])",
		"sum_over_time(node_load1[" + window + "])",
		"count_over_time(node_load1[" + window + "])",
		"max(max_over_time(node_load1[" + window + "])) - avg(avg_over_time(node_load1[" + window + "] offset " + window + "))",
		"histogram_quantile(0.99, sum by (agent) (rate(sonde_probe_duration_seconds[" + window + "])))",
		"histogram_count(increase(sonde_probe_duration_seconds[" + window + "]))",
		"present_over_time(node_load1[" + window + "])",
	}
}

func (s *store) compare(exprs []string, from, to, step time.Duration) {
	s.t.Helper()
	s.compareWith(s, exprs, from, to, step)
}

// compareWith compares the tiers with the samples as taken of another store.
func (s *store) compareWith(whole *store, exprs []string, from, to, step time.Duration) {
	s.t.Helper()
	tiered, _ := s.engines()
	_, taken := whole.engines()
	for _, expr := range exprs {
		req := query.RangeRequest{Expr: expr, Start: epoch.Add(from), End: epoch.Add(to), Step: step}
		got, err := tiered.Range(s.t.Context(), req)
		if err != nil {
			s.t.Errorf("%s: %v", expr, err)
			continue
		}
		want, err := taken.Range(s.t.Context(), req)
		if err != nil {
			s.t.Fatalf("%s: %v", expr, err)
		}
		if len(want.Columns) == 0 {
			s.t.Errorf("%s: nothing to compare with", expr)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-9, 1e-9), cmpopts.EquateNaNs(), cmp.Comparer(labels.Equal)); diff != "" {
			s.t.Errorf("%s: samples as taken (-) and tiers (+) differ:\n%s", expr, diff)
		}
	}
}

// Tiers answer as the samples as taken do, wherever one ends and another
// begins.
func TestSameAnswers(t *testing.T) {
	s := open(t, t.TempDir())
	for i, interval := range []time.Duration{20 * time.Second, 47 * time.Second, 90 * time.Second} {
		newHost(fmt.Sprintf("host%0*d", i+1, i)).append(t, s.db, 0, 40*time.Hour, interval)
	}
	s.roll()
	s.compare(exact("1m")[:1], 10*time.Minute, 39*time.Hour, time.Minute)
	s.compare(exact("10m"), 20*time.Minute, 40*time.Hour, 10*time.Minute)
	s.compare(exact("6h"), 12*time.Hour, 40*time.Hour, time.Hour)

	if _, err := os.Stat(filepath.Join(s.dir, "rollup-1h")); err != nil {
		t.Error(err)
	}
}

// Over long ranges fewer samples are read.
func TestFewerSamplesAreRead(t *testing.T) {
	s := open(t, t.TempDir())
	newHost("a").append(t, s.db, 0, 30*time.Hour, 5*time.Second)
	s.roll()
	tiered, taken := s.engines()
	read := func(e *query.Engine, expr string, step time.Duration) int64 {
		t.Helper()
		result, err := e.Eval(t.Context(), query.Request{Expr: expr, Start: epoch.Add(12 * time.Hour), End: epoch.Add(24 * time.Hour), Step: step})
		if err != nil {
			t.Fatal(err)
		}
		defer result.Close()
		return result.Stats().Samples.TotalSamples
	}
	for _, test := range []struct {
		expr string
		step time.Duration
		less int64 // by which factor at least
	}{
		{"rate(node_cpu_seconds_total[10m])", 10 * time.Minute, 5},       // first and last of 12
		{"rate(node_cpu_seconds_total[10m])", 7 * time.Second, 5},        // ten windows, not aligned
		{"max_over_time(node_load1[10m])", 10 * time.Minute, 11},         // one of 12
		{"max_over_time(node_load1[12h])", time.Hour, 600},               // one of 720
		{"rate(node_cpu_seconds_total[9m])", 7 * time.Second, 0},         // too short for what is not aligned
		{"quantile_over_time(0.5, node_load1[6h])", time.Hour, 0},        // needs all
		{"rate(node_load1[6h])", time.Hour, 0},                           // no counter
		{"max_over_time({__name__=~\"node_load.*\"}[6h])", time.Hour, 0}, // who knows
		{"max_over_time(node_load1[6h:10s])", time.Hour, 0},              // steps shorter than a window
		{"max_over_time(node_load1[6h:10m]) > 0", 6 * time.Hour, 0},      // as many steps, of another tier
	} {
		got, all := read(tiered, test.expr, test.step), read(taken, test.expr, test.step)
		if test.less == 0 && got != all || test.less*got > all {
			t.Errorf("%s every %v: %d samples read of %d, want 1 of %d", test.expr, test.step, got, all, test.less)
		}
	}
}

// What comes late is in the tiers once it is in a block, and what tiers had
// before is made anew.
func TestLateSamples(t *testing.T) {
	s := open(t, t.TempDir())
	newHost("a").append(t, s.db, 0, 40*time.Hour, 20*time.Second)
	s.roll()
	late := newHost("late")
	late.append(t, s.db, 5*time.Hour+3*time.Minute, 29*time.Hour, 20*time.Second)
	newHost("a").append(t, s.db, 40*time.Hour, 46*time.Hour, 20*time.Second)
	s.roll()
	// Within the time of both hosts: rate guesses what was before the first sample
	// and after the last by the pace of samples.
	s.compare(exact("10m"), 6*time.Hour, 29*time.Hour, 10*time.Minute)
	s.compare(exact("6h"), 18*time.Hour, 29*time.Hour, time.Hour)
	// Nothing is there twice.
	again := s.sources()
	s.roll()
	if diff := cmp.Diff(again, s.sources()); diff != "" {
		t.Errorf("blocks were made anew though nothing came:\n%s", diff)
	}
}

// sources are the blocks of both tiers.
func (s *store) sources() (names []string) {
	s.t.Helper()
	names, err := filepath.Glob(filepath.Join(s.dir, "rollup-*", "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	return names
}

// Once the samples as taken are gone, tiers answer.
func TestOlderThanTaken(t *testing.T) {
	s := openKeeping(t, t.TempDir(), 2*day, 4*day)
	a := newHost("a")
	a.append(t, s.db, 0, 2*day, time.Minute)
	s.roll()
	_, taken := s.engines()
	whole := func(e *query.Engine, expr string, at time.Duration) float64 {
		t.Helper()
		v, err := e.Instant(t.Context(), query.InstantRequest{Expr: expr, Time: epoch.Add(at)})
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Values) != 1 {
			t.Fatalf("%s: %d series", expr, len(v.Values))
		}
		return v.Values[0]
	}
	exprs := []string{
		"histogram_quantile(0.99, sum(rate(sonde_probe_duration_seconds[30h])))",
		"increase(node_cpu_seconds_total[30h])",
		"avg_over_time(node_load1[30h])",
		"max_over_time(node_load1[30h])",
		"count_over_time(node_load1[30h])",
	}
	var want []float64
	for _, expr := range exprs {
		want = append(want, whole(taken, expr, 36*time.Hour))
	}
	for at := 2 * day; at < 7*day; at += day {
		a.append(t, s.db, at, at+day, 10*time.Minute)
		s.roll()
	}
	tiered, taken := s.engines()
	if v, err := taken.Instant(t.Context(), query.InstantRequest{Expr: exprs[0], Time: epoch.Add(36 * time.Hour)}); err != nil || len(v.Values) != 0 {
		t.Fatalf("samples as taken are still there: %v, %v", v, err)
	}
	var got []float64
	for _, expr := range exprs {
		got = append(got, whole(tiered, expr, 36*time.Hour))
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
		t.Errorf("before (-) and after (+) the samples as taken were removed:\n%s", diff)
	}

	// A line over all of it has no gaps, whatever its step.
	for _, step := range []time.Duration{2 * time.Minute, 10 * time.Minute, time.Hour, 3 * time.Hour, day} {
		m, err := tiered.Range(t.Context(), query.RangeRequest{Expr: "node_load1", Start: epoch.Add(time.Hour), End: epoch.Add(min(6*day, 5000*step)), Step: step})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range m.Columns[0].Values {
			if math.IsNaN(v) {
				t.Errorf("every %v: no value at step %d", step, i)
				break
			}
		}
	}
	names, err := tiered.Series(t.Context(), query.LookupRequest{Selectors: []string{"node_load1"}, Start: epoch, End: epoch.Add(day)})
	if err != nil || len(names.Items) != 1 {
		t.Errorf("series of the first day: %v, %v", names, err)
	}
	labelNames, err := tiered.LabelNames(t.Context(), query.LookupRequest{Start: epoch, End: epoch.Add(day)})
	if diff := cmp.Diff([]string{"__name__", "agent", "probe"}, labelNames.Items); err != nil || diff != "" {
		t.Errorf("names of labels of the first day: %v\n%s", err, diff)
	}
}

// Data that begins within a block, or after a pause, leaves blocks with nothing in
// them.
func TestPause(t *testing.T) {
	s := open(t, t.TempDir())
	a := newHost("a")
	a.append(t, s.db, 30*time.Minute, 5*time.Hour, 20*time.Second)
	a.append(t, s.db, 10*time.Hour+time.Second, 20*time.Hour, 20*time.Second)
	s.roll()
	s.compare(exact("10m"), time.Hour, 20*time.Hour, 10*time.Minute)
	s.close()
	s = open(t, s.dir)
	s.roll()
	s.compare(exact("10m"), 12*time.Hour, 20*time.Hour, 10*time.Minute)
}

// A process that dies between writing a block and removing those it replaces
// leaves both; one that dies while it writes leaves half.
func TestCrash(t *testing.T) {
	s := open(t, t.TempDir())
	newHost("a").append(t, s.db, 0, 30*time.Hour, 20*time.Second)
	s.roll()
	replaced := s.sources()
	kept := t.TempDir()
	if err := os.CopyFS(kept, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	newHost("a").append(t, s.db, 30*time.Hour, 34*time.Hour, 20*time.Second)
	s.roll()
	want := s.sources()
	for _, name := range replaced {
		below, err := filepath.Rel(s.dir, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(name); os.IsNotExist(err) {
			if err := os.CopyFS(name, os.DirFS(filepath.Join(kept, below))); err != nil {
				t.Fatal(err)
			}
		}
	}
	half := filepath.Join(s.dir, "rollup-1m", filepath.Base(replaced[0])+".tmp")
	if err := os.Mkdir(half, 0o750); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(s.dir, "rollup-1m", "01HG0000000000000000000000")
	if err := os.Mkdir(damaged, 0o750); err != nil {
		t.Fatal(err)
	}
	s.close()
	s = open(t, s.dir)
	s.roll()
	want = append(want, filepath.Join(s.dir, "rollup-1m", "damaged"))
	slices.Sort(want)
	if diff := cmp.Diff(want, s.sources()); diff != "" {
		t.Errorf("blocks after the crash:\n%s", diff)
	}
	s.compare(exact("10m"), 20*time.Minute, 34*time.Hour, 10*time.Minute)
}

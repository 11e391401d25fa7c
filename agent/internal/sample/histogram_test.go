package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/histogram"
)

// bound returns the upper bound of a bucket as Prometheus computes it.
func bound(t testing.TB, bucket int) float64 {
	t.Helper()
	h := histogram.Histogram{
		Schema:          Resolution,
		Count:           1,
		PositiveSpans:   []histogram.Span{{Offset: int32(bucket), Length: 1}},
		PositiveBuckets: []int64{1},
	}
	it := h.PositiveBucketIterator()
	if !it.Next() {
		t.Fatal("no bucket")
	}
	return it.At().Upper
}

func TestBucketBounds(t *testing.T) {
	for bucket := firstBucket; bucket <= lastBucket; bucket++ {
		upper := bound(t, bucket)
		for _, c := range []struct {
			name  string
			value float64
			want  int
		}{
			{"at the bound", upper, bucket},
			{"just below", math.Nextafter(upper, 0), bucket},
			{"just above", math.Nextafter(upper, math.Inf(1)), bucket + 1},
		} {
			if got := bucketOf(c.value); got != c.want {
				t.Errorf("bucket of %v (%s of %d) = %d, want %d", c.value, c.name, bucket, got, c.want)
			}
		}
	}
	if got := bound(t, firstBucket-1); got != ZeroThreshold {
		t.Errorf("lower bound of the first bucket is %v, want %v", got, ZeroThreshold)
	}
	if got := bound(t, lastBucket); got != MaxValue {
		t.Errorf("upper bound of the last bucket is %v, want %v", got, MaxValue)
	}
}

// random returns n values spread over many orders of magnitude.
func random(n int) []float64 {
	r := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, n)
	for i := range values {
		values[i] = math.Exp2(r.Float64()*48 - 32)
	}
	return values
}

// TestAgainstClient compares the counts with those of Prometheus' own client.
func TestAgainstClient(t *testing.T) {
	client := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:                         "reference",
		NativeHistogramBucketFactor:  1.05,
		NativeHistogramZeroThreshold: ZeroThreshold,
	})
	var h Histogram
	for _, v := range append(random(20_000), 0, ZeroThreshold, math.Nextafter(ZeroThreshold, 1), MaxValue) {
		client.Observe(v)
		if !h.Record(v) {
			t.Fatalf("Record(%v) was refused", v)
		}
	}
	var m dto.Metric
	if err := client.Write(&m); err != nil {
		t.Fatal(err)
	}
	ref := m.GetHistogram()
	if ref.GetSchema() != Resolution {
		t.Fatalf("reference has schema %d", ref.GetSchema())
	}
	want := map[int32]uint64{}
	bucket, count, next := int32(0), int64(0), 0
	for _, span := range ref.PositiveSpan {
		bucket += span.GetOffset()
		for range span.GetLength() {
			count += ref.PositiveDelta[next]
			next++
			want[bucket] = uint64(count)
			bucket++
		}
	}
	s := h.Snapshot()
	got := map[int32]uint64{}
	for i, n := range s.Buckets {
		if n > 0 {
			got[s.First+int32(i)] = n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("buckets (-want +got):\n%s", diff)
	}
	// Each value is rounded to a nanosecond, and the reference rounds its sum.
	tolerance := 1e-9*float64(s.Count) + 1e-12*s.Sum
	if s.Count != ref.GetSampleCount() || s.Zero != ref.GetZeroCount() || math.Abs(s.Sum-ref.GetSampleSum()) > tolerance {
		t.Errorf("count %d, zero %d, sum %v; want %d, %d, %v",
			s.Count, s.Zero, s.Sum, ref.GetSampleCount(), ref.GetZeroCount(), ref.GetSampleSum())
	}
}

func TestRecordRefuses(t *testing.T) {
	var h Histogram
	for _, v := range []float64{-1, -math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1),
		math.Nextafter(MaxValue, math.Inf(1))} {
		if h.Record(v) {
			t.Errorf("Record(%v) was taken", v)
		}
	}
	if diff := cmp.Diff(Snapshot{}, h.Snapshot()); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
}

func TestSnapshot(t *testing.T) {
	var h Histogram
	h.Record(0)
	if diff := cmp.Diff(Snapshot{Count: 1, Zero: 1}, h.Snapshot()); diff != "" {
		t.Errorf("only zeros (-want +got):\n%s", diff)
	}
	h.Record(1) // bucket 0
	first := h.Snapshot()
	want := Snapshot{Count: 2, Sum: 1, Zero: 1, First: 0, Buckets: []uint64{1}}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("one value (-want +got):\n%s", diff)
	}
	h.Record(1)
	h.Record(0.9) // bucket -2
	h.Record(1.1) // bucket 3
	second := h.Snapshot()
	want2 := Snapshot{Count: 5, Sum: 1 + 1 + 0.9 + 1.1, Zero: 1, First: -2, Buckets: []uint64{1, 0, 2, 0, 0, 1}}
	if diff := cmp.Diff(want2, second); diff != "" {
		t.Errorf("several values (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("the first snapshot changed (-want +got):\n%s", diff)
	}
}

// quantile returns the geometric middle of the bucket that holds rank n.
func quantile(t testing.TB, s Snapshot, rank uint64) float64 {
	seen := s.Zero
	for i, n := range s.Buckets {
		if seen += n; seen > rank {
			upper := bound(t, int(s.First)+i)
			return upper / math.Exp2(1.0/(2*perOctave))
		}
	}
	return 0
}

func TestQuantileError(t *testing.T) {
	values := slices.DeleteFunc(random(50_000), func(v float64) bool { return v <= ZeroThreshold })
	var h Histogram
	for _, v := range values {
		h.Record(v)
	}
	s := h.Snapshot()
	slices.Sort(values)
	for _, q := range []float64{0, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999} {
		rank := uint64(q * float64(len(values)))
		exact, estimate := values[rank], quantile(t, s, rank)
		if e := math.Abs(estimate/exact - 1); e > 0.025 {
			t.Errorf("quantile %v is %v, exactly %v: off by %.2f %%", q, estimate, exact, e*100)
		}
	}
}

func TestSum(t *testing.T) {
	var h Histogram
	for range 10 {
		h.Record(0.1)
	}
	h.Record(0.4e-9)
	h.Record(1.6e-9)
	if got := h.Snapshot().Sum; got != 1.000000002 {
		t.Errorf("sum is %v, want 1.000000002", got)
	}
	h.sum = math.MaxUint64 - 5
	h.Record(1)
	if h.sum != math.MaxUint64 {
		t.Errorf("a sum beyond its bound is %d, want %d", h.sum, uint64(math.MaxUint64))
	}
}

// TestMerge adds the counts of two halves and expects those of the whole.
func TestMerge(t *testing.T) {
	var halves [2]Histogram
	var whole Histogram
	for i, v := range random(10_000) {
		halves[i%2].Record(v)
		whole.Record(v)
	}
	counts := map[int32]uint64{}
	var count, zero uint64
	for i := range halves {
		s := halves[i].Snapshot()
		count, zero = count+s.Count, zero+s.Zero
		for j, n := range s.Buckets {
			counts[s.First+int32(j)] += n
		}
	}
	s := whole.Snapshot()
	if count != s.Count || zero != s.Zero {
		t.Errorf("count %d, zero %d; want %d, %d", count, zero, s.Count, s.Zero)
	}
	for j, n := range s.Buckets {
		if got := counts[s.First+int32(j)]; got != n {
			t.Errorf("bucket %d holds %d, want %d", s.First+int32(j), got, n)
		}
	}
}

func TestConcurrentRecord(t *testing.T) {
	values := random(5_000)
	var h Histogram
	check := func(s Snapshot) {
		total := s.Zero
		for _, n := range s.Buckets {
			total += n
		}
		if total != s.Count {
			t.Errorf("count is %d, zero and buckets have %d", s.Count, total)
		}
		if n := len(s.Buckets); n > 0 && (s.Buckets[0] == 0 || s.Buckets[n-1] == 0) {
			t.Errorf("buckets %v are not trimmed", s.Buckets)
		}
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, v := range values {
				h.Record(v)
			}
		})
	}
	for range 100 {
		check(h.Snapshot())
	}
	wg.Wait()
	s := h.Snapshot()
	check(s)
	if want := uint64(4 * len(values)); s.Count != want {
		t.Errorf("count is %d, want %d", s.Count, want)
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	var h Histogram
	if n := testing.AllocsPerRun(1000, func() { h.Record(0.001) }); n != 0 {
		t.Errorf("Record allocates %v times", n)
	}
	h.Snapshot()
	if n := testing.AllocsPerRun(1000, func() { h.Snapshot() }); n != 0 {
		t.Errorf("an unchanged Snapshot allocates %v times", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	values := random(1024)
	var h Histogram
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		h.Record(values[i&1023])
		i++
	}
}

func BenchmarkSnapshot(b *testing.B) {
	var h Histogram
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		h.Record(0.001 * math.Exp(r.NormFloat64()))
	}
	b.ReportAllocs()
	for b.Loop() {
		h.Record(0.001)
		h.Snapshot()
	}
}

package remote

import (
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"sonde.dev/sonde/internal/wire"
)

const (
	// schema is the resolution that agents record with: 16 buckets a power of 2.
	schema = 4
	// zeroThreshold is the width of the zero bucket: 2^-30 s is less than 1 ns.
	zeroThreshold = 1.0 / (1 << 30)
)

// encode returns the body of a request of remote write 2.0.
func encode(runs []run) ([]byte, error) {
	symbols := writev2.NewSymbolTable()
	req := writev2.Request{Timeseries: make([]writev2.TimeSeries, len(runs))}
	for i := range runs {
		r, ts := &runs[i], &req.Timeseries[i]
		ts.LabelsRefs = symbols.SymbolizeLabels(r.labels, nil)
		for j, v := range r.floats {
			ts.Samples = append(ts.Samples, writev2.Sample{Value: v, Timestamp: r.times[j]})
		}
		for j := range r.histograms {
			h := &r.histograms[j]
			out := writev2.Histogram{
				Count: &writev2.Histogram_CountInt{CountInt: h.Count}, Sum: h.Sum,
				Schema: schema, ZeroThreshold: zeroThreshold,
				ZeroCount: &writev2.Histogram_ZeroCountInt{ZeroCountInt: h.Zero},
				Timestamp: r.times[j], PositiveDeltas: deltas(h),
			}
			if len(h.Buckets) > 0 {
				out.PositiveSpans = []writev2.BucketSpan{{Offset: h.First, Length: uint32(len(h.Buckets))}}
			}
			ts.Histograms = append(ts.Histograms, out)
		}
		ts.Metadata.Type = writev2.Metadata_METRIC_TYPE_UNSPECIFIED
	}
	req.Symbols = symbols.Symbols()
	b, err := req.Marshal()
	return snappy.Encode(nil, b), err
}

// encodeV1 returns the body of a request of remote write 1.0.
func encodeV1(runs []run) ([]byte, error) {
	req := prompb.WriteRequest{Timeseries: make([]prompb.TimeSeries, len(runs))}
	for i := range runs {
		r, ts := &runs[i], &req.Timeseries[i]
		r.labels.Range(func(l labels.Label) {
			ts.Labels = append(ts.Labels, prompb.Label{Name: l.Name, Value: l.Value})
		})
		for j, v := range r.floats {
			ts.Samples = append(ts.Samples, prompb.Sample{Value: v, Timestamp: r.times[j]})
		}
		for j := range r.histograms {
			h := &r.histograms[j]
			out := prompb.Histogram{
				Count: &prompb.Histogram_CountInt{CountInt: h.Count}, Sum: h.Sum,
				Schema: schema, ZeroThreshold: zeroThreshold,
				ZeroCount: &prompb.Histogram_ZeroCountInt{ZeroCountInt: h.Zero},
				Timestamp: r.times[j], PositiveDeltas: deltas(h),
			}
			if len(h.Buckets) > 0 {
				out.PositiveSpans = []prompb.BucketSpan{{Offset: h.First, Length: uint32(len(h.Buckets))}}
			}
			ts.Histograms = append(ts.Histograms, out)
		}
	}
	b, err := req.Marshal()
	return snappy.Encode(nil, b), err
}

// deltas are the buckets, each as the difference to the one before.
func deltas(h *wire.Histogram) []int64 {
	out := make([]int64, len(h.Buckets))
	var before int64
	for i, n := range h.Buckets {
		out[i] = int64(n) - before
		before = int64(n)
	}
	return out
}

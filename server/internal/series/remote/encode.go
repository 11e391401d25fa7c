package remote

import (
	"bytes"
	"slices"

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

// encoder makes the bodies of requests. A message takes the memory of the one
// before.
type encoder struct {
	v1       bool // of remote write 1.0, not 2.0
	symbols  writev2.SymbolsTable
	request  writev2.Request
	request1 prompb.WriteRequest
	message  []byte
	packed   []byte
}

func newEncoder(v1 bool) encoder { return encoder{v1: v1, symbols: writev2.NewSymbolTable()} }

// encode returns a body of its own: net/http may be reading it when its answer has
// come.
func (e *encoder) encode(runs []run) (body []byte, version string, err error) {
	var m interface {
		Size() int
		MarshalToSizedBuffer(b []byte) (int, error)
	}
	if e.v1 {
		m, version = e.message1(runs), "0.1.0"
	} else {
		m, version = e.message2(runs), "2.0.0"
	}
	size := m.Size()
	e.message = slices.Grow(e.message[:0], size)[:size]
	if _, err := m.MarshalToSizedBuffer(e.message); err != nil {
		return nil, "", err
	}
	e.packed = snappy.Encode(e.packed[:cap(e.packed)], e.message)
	return bytes.Clone(e.packed), version, nil
}

func (e *encoder) message2(runs []run) *writev2.Request {
	e.symbols.Reset()
	req := &e.request
	req.Timeseries = slices.Grow(req.Timeseries[:0], len(runs))[:len(runs)]
	for i := range runs {
		r, ts := &runs[i], &req.Timeseries[i]
		ts.LabelsRefs = e.symbols.SymbolizeLabels(r.labels, ts.LabelsRefs)
		ts.Samples, ts.Histograms = ts.Samples[:0], ts.Histograms[:0]
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
	req.Symbols = e.symbols.Symbols()
	return req
}

func (e *encoder) message1(runs []run) *prompb.WriteRequest {
	req := &e.request1
	req.Timeseries = slices.Grow(req.Timeseries[:0], len(runs))[:len(runs)]
	for i := range runs {
		r, ts := &runs[i], &req.Timeseries[i]
		ts.Labels, ts.Samples, ts.Histograms = ts.Labels[:0], ts.Samples[:0], ts.Histograms[:0]
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
	return req
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

package promapi

import (
	"encoding/json"
	"io"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/jsonutil"
	"github.com/prometheus/prometheus/util/stats"

	"sonde.dev/sonde/server/internal/series/query"
)

// flushBytes is how much of an answer is encoded before it is sent.
const flushBytes = 64 << 10

// writeResult writes the answer to a query. It is written as it is encoded:
// when the client goes away, the rest is encoded for nobody.
func writeResult(w io.Writer, res *query.Result, withStats bool, warnings, infos []string) {
	s := jsoniter.NewStream(jsoniter.ConfigDefault, w, flushBytes)
	s.WriteRaw(`{"status":"success","data":{"resultType":`)
	s.WriteString(string(res.Value.Type()))
	s.WriteRaw(`,"result":`)
	switch v := res.Value.(type) {
	case promql.Matrix:
		writeList(s, v, writeMatrixSeries)
	case promql.Vector:
		writeList(s, v, writeSample)
	case promql.Scalar:
		writeFloat(s, promql.FPoint{T: v.T, F: v.V})
	case promql.String:
		s.WriteRaw(`[`)
		jsonutil.MarshalTimestamp(v.T, s)
		s.WriteRaw(`,`)
		s.WriteString(v.V)
		s.WriteRaw(`]`)
	}
	if withStats {
		s.WriteRaw(`,"stats":`)
		// It is a struct of numbers.
		encoded, _ := json.Marshal(stats.NewQueryStats(res.Stats()))
		_, _ = s.Write(encoded)
	}
	s.WriteRaw(`}`)
	writeStrings(s, `,"warnings":`, warnings)
	writeStrings(s, `,"infos":`, infos)
	s.WriteRaw(`}`)
	_ = s.Flush()
}

// writeSeries writes the answer to a look-up of series.
func writeSeries(w io.Writer, series []labels.Labels, warnings []string) {
	s := jsoniter.NewStream(jsoniter.ConfigDefault, w, flushBytes)
	s.WriteRaw(`{"status":"success","data":`)
	writeList(s, series, writeLabels)
	writeStrings(s, `,"warnings":`, warnings)
	s.WriteRaw(`}`)
	_ = s.Flush()
}

func writeList[T any](s *jsoniter.Stream, list []T, write func(*jsoniter.Stream, T)) {
	s.WriteRaw(`[`)
	for i, v := range list {
		if i > 0 {
			s.WriteRaw(`,`)
		}
		write(s, v)
		if s.Buffered() >= flushBytes/2 {
			_ = s.Flush()
		}
	}
	s.WriteRaw(`]`)
}

func writeStrings(s *jsoniter.Stream, field string, list []string) {
	if len(list) > 0 {
		s.WriteRaw(field)
		writeList(s, list, (*jsoniter.Stream).WriteString)
	}
}

func writeMatrixSeries(s *jsoniter.Stream, series promql.Series) {
	s.WriteRaw(`{"metric":`)
	writeLabels(s, series.Metric)
	if len(series.Floats) > 0 {
		s.WriteRaw(`,"values":`)
		writeList(s, series.Floats, writeFloat)
	}
	if len(series.Histograms) > 0 {
		s.WriteRaw(`,"histograms":`)
		writeList(s, series.Histograms, writeHistogram)
	}
	s.WriteRaw(`}`)
}

func writeSample(s *jsoniter.Stream, sample promql.Sample) {
	s.WriteRaw(`{"metric":`)
	writeLabels(s, sample.Metric)
	if sample.H != nil {
		s.WriteRaw(`,"histogram":`)
		writeHistogram(s, promql.HPoint{T: sample.T, H: sample.H})
	} else {
		s.WriteRaw(`,"value":`)
		writeFloat(s, promql.FPoint{T: sample.T, F: sample.F})
	}
	s.WriteRaw(`}`)
}

func writeFloat(s *jsoniter.Stream, p promql.FPoint) {
	s.WriteRaw(`[`)
	jsonutil.MarshalTimestamp(p.T, s)
	s.WriteRaw(`,`)
	jsonutil.MarshalFloat(p.F, s)
	s.WriteRaw(`]`)
}

func writeHistogram(s *jsoniter.Stream, p promql.HPoint) {
	s.WriteRaw(`[`)
	jsonutil.MarshalTimestamp(p.T, s)
	s.WriteRaw(`,`)
	jsonutil.MarshalHistogram(p.H, s)
	s.WriteRaw(`]`)
}

func writeLabels(s *jsoniter.Stream, ls labels.Labels) {
	s.WriteRaw(`{`)
	first := true
	ls.Range(func(l labels.Label) {
		if !first {
			s.WriteRaw(`,`)
		}
		first = false
		s.WriteString(l.Name)
		s.WriteRaw(`:`)
		s.WriteString(l.Value)
	})
	s.WriteRaw(`}`)
}

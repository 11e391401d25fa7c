package wire

import (
	"fmt"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// FromProto returns the schema that p carries. The error is a *[LimitError] for
// more series than limits allow, else a *[SchemaError], also when the hash is
// not that of the series.
func FromProto(p *sondev1.Schema, limits Limits) (*Schema, error) {
	defs := p.GetSeries()
	if len(defs) > limits.Series {
		return nil, &LimitError{What: "series of a schema", Got: uint64(len(defs)), Limit: uint64(limits.Series)}
	}
	series := make([]Series, len(defs))
	for i, def := range defs {
		if n := len(def.GetLabels()); n > maxLabels {
			return nil, &SchemaError{Series: i, Reason: fmt.Sprintf("%d labels, the limit is %d", n, maxLabels)}
		}
		labels := make([]Label, len(def.GetLabels()))
		for j, l := range def.GetLabels() {
			labels[j] = Label{Name: l.GetName(), Value: l.GetValue()}
		}
		series[i] = Series{Name: def.GetName(), Labels: labels}
		switch def.GetKind() {
		case sondev1.SeriesKind_SERIES_KIND_FLOAT:
			series[i].Kind = Float
		case sondev1.SeriesKind_SERIES_KIND_HISTOGRAM:
			series[i].Kind = Distribution
		}
	}
	s, err := NewSchema(series)
	if err != nil {
		return nil, err
	}
	if p.GetHash() != s.hash {
		return nil, &SchemaError{Series: -1, Reason: fmt.Sprintf("hash is %016x, that of its series %016x", p.GetHash(), s.hash)}
	}
	return s, nil
}

// Proto returns the message that carries s.
func (s *Schema) Proto() *sondev1.Schema {
	defs := make([]*sondev1.SeriesDef, len(s.series))
	for i := range s.series {
		def := &sondev1.SeriesDef{Name: s.series[i].Name, Kind: sondev1.SeriesKind_SERIES_KIND_FLOAT}
		if s.series[i].Kind == Distribution {
			def.Kind = sondev1.SeriesKind_SERIES_KIND_HISTOGRAM
		}
		def.Labels = make([]*sondev1.Label, len(s.series[i].Labels))
		for j, l := range s.series[i].Labels {
			def.Labels[j] = &sondev1.Label{Name: l.Name, Value: l.Value}
		}
		defs[i] = def
	}
	return &sondev1.Schema{Hash: s.hash, Series: defs}
}

package uplink

import (
	"fmt"
	"log/slog"

	"sonde.dev/sonde/agent/internal/sample"
	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// blockEncoder turns ticks, which are rows, into payloads, which are columns.
// It holds the state of one stream.
type blockEncoder struct {
	wire      *wire.Encoder
	maxSeries int
	log       *slog.Logger
	series    int // of all schemas in use
	// schemas has nil for a schema that cannot be sent on this stream.
	schemas map[*sample.Schema]*wire.Schema

	// Reused from batch to batch.
	places map[*sample.Schema]int
	runs   [][]sample.Tick
	blocks []wire.Block
	buf    []byte
}

// newBlockEncoder returns the encoder for a stream on which the server takes
// maxSeries series.
func newBlockEncoder(maxSeries int, log *slog.Logger) *blockEncoder {
	return &blockEncoder{
		wire:      wire.NewEncoder(),
		maxSeries: maxSeries,
		log:       log,
		schemas:   make(map[*sample.Schema]*wire.Schema),
		places:    make(map[*sample.Schema]int),
	}
}

// encode returns the payload for ticks and the schemas that have to be sent
// before it. Ticks whose schema the server would not take are left out; their
// samples are counted in skipped. The payload is valid until the next call.
func (e *blockEncoder) encode(ticks []sample.Tick) (payload []byte, added []*sondev1.Schema, skipped uint64, err error) {
	clear(e.places)
	e.runs = e.runs[:0]
	for _, t := range ticks {
		schema, known := e.schemas[t.Schema]
		if !known {
			if schema = e.add(t.Schema); schema != nil {
				added = append(added, schema.Proto())
			}
		}
		if schema == nil {
			skipped += uint64(len(t.Floats) + len(t.Distributions))
			continue
		}
		place, ok := e.places[t.Schema]
		if ok && e.runs[place][len(e.runs[place])-1].Time >= t.Time {
			ok = false // a clock that was set back begins a new block
		}
		if !ok {
			place = len(e.runs)
			e.places[t.Schema] = place
			if place < cap(e.runs) {
				e.runs = e.runs[:place+1]
				e.runs[place] = e.runs[place][:0]
			} else {
				e.runs = append(e.runs, nil)
			}
		}
		e.runs[place] = append(e.runs[place], t)
	}
	for len(e.blocks) < len(e.runs) {
		e.blocks = append(e.blocks, wire.Block{})
	}
	for i, run := range e.runs {
		fill(&e.blocks[i], e.schemas[run[0].Schema], run)
	}
	e.buf, err = e.wire.Encode(e.buf[:0], e.blocks[:len(e.runs)])
	return e.buf, added, skipped, err
}

// add takes a schema into the stream. It returns nil, once it has logged why,
// when the server would not take it: that must not cost the other collectors
// their stream.
func (e *blockEncoder) add(from *sample.Schema) *wire.Schema {
	schema, err := newSchema(from)
	if err == nil && e.series+len(from.Series) > e.maxSeries {
		err = fmt.Errorf("%d series and %d more are beyond the server's limit of %d", e.series, len(from.Series), e.maxSeries)
	}
	e.schemas[from] = schema
	if err != nil {
		e.schemas[from] = nil
		e.log.Error("series cannot be sent", "first", from.Series[0].Name, "series", len(from.Series), "error", err)
		return nil
	}
	e.series += len(from.Series)
	return schema
}

func newSchema(s *sample.Schema) (*wire.Schema, error) {
	series := make([]wire.Series, len(s.Series))
	for i, from := range s.Series {
		labels := make([]wire.Label, len(from.Labels))
		for j, l := range from.Labels {
			labels[j] = wire.Label(l)
		}
		series[i] = wire.Series{Name: from.Name, Labels: labels, Kind: wire.Kind(from.Kind)}
	}
	return wire.NewSchema(series)
}

// fill transposes the rows of run into b, whose slices it reuses.
func fill(b *wire.Block, schema *wire.Schema, run []sample.Tick) {
	k := len(run)
	b.Schema = schema
	b.Times = resize(b.Times, k)
	b.Floats = resize(b.Floats, k*schema.Floats())
	b.Distributions = resize(b.Distributions, k*schema.Distributions())
	for i, t := range run {
		b.Times[i] = t.Time
		for c, v := range t.Floats {
			b.Floats[c*k+i] = v
		}
		for c, h := range t.Distributions {
			b.Distributions[c*k+i] = wire.Histogram(h)
		}
	}
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

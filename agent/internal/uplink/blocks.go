package uplink

import (
	"sonde.dev/sonde/agent/internal/sample"
	"sonde.dev/sonde/internal/wire"
)

// maxRun bounds the ticks of one block; the server takes 6,000.
const maxRun = 4096

// blocks turns ticks, which are rows, into blocks, which are columns. Its memory
// is used again from payload to payload.
type blocks struct {
	places map[*sample.Schema]int
	runs   []run
	list   []wire.Block
}

// run is ticks of one schema with times that rise.
type run struct {
	schema *wire.Schema
	ticks  []sample.Tick
}

func newBlocks() blocks { return blocks{places: make(map[*sample.Schema]int)} }

func (b *blocks) reset() {
	clear(b.places)
	b.runs = b.runs[:0]
}

// add puts a tick, whose schema is known to the server as schema, behind those
// of the same one.
func (b *blocks) add(schema *wire.Schema, t sample.Tick) {
	place, ok := b.places[t.Schema]
	if ok {
		ticks := b.runs[place].ticks
		// A clock that was set back begins a new block.
		ok = len(ticks) < maxRun && ticks[len(ticks)-1].Time < t.Time
	}
	if !ok {
		place = len(b.runs)
		b.places[t.Schema] = place
		if place < cap(b.runs) {
			b.runs = b.runs[:place+1]
			b.runs[place].ticks = b.runs[place].ticks[:0]
		} else {
			b.runs = append(b.runs, run{})
		}
		b.runs[place].schema = schema
	}
	b.runs[place].ticks = append(b.runs[place].ticks, t)
}

// columns returns the blocks of what was added. They are valid until the next
// call.
func (b *blocks) columns() []wire.Block {
	for len(b.list) < len(b.runs) {
		b.list = append(b.list, wire.Block{})
	}
	for i, r := range b.runs {
		fill(&b.list[i], r.schema, r.ticks)
	}
	return b.list[:len(b.runs)]
}

// fill transposes rows into b, whose slices it reuses.
func fill(b *wire.Block, schema *wire.Schema, rows []sample.Tick) {
	k := len(rows)
	b.Schema = schema
	b.Times = resize(b.Times, k)
	b.Floats = resize(b.Floats, k*schema.Floats())
	b.Distributions = resize(b.Distributions, k*schema.Distributions())
	for i, t := range rows {
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

package uplink

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/agent/internal/sample"
	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

var loadSchema = sample.NewSchema([]sample.Series{{Name: "node_load1", Kind: sample.Float}})

func tickAt(ms int64) sample.Tick {
	return sample.Tick{Schema: loadSchema, Time: ms, Floats: []float64{float64(ms)}}
}

// decode returns what a server makes of a payload.
func decode(t *testing.T, d *wire.Decoder, payload []byte, schemas []*sondev1.Schema) []wire.Block {
	t.Helper()
	for _, p := range schemas {
		s, err := wire.FromProto(p, wire.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.AddSchema(s); err != nil {
			t.Fatal(err)
		}
	}
	var batch wire.Batch
	if err := d.Decode(payload, &batch); err != nil {
		t.Fatal(err)
	}
	return batch.Blocks
}

func TestTicksBecomeColumns(t *testing.T) {
	var h sample.Histogram
	h.Record(0.5)
	two := sample.NewSchema([]sample.Series{
		{Name: "a", Kind: sample.Float}, {Name: "h", Kind: sample.Distribution}, {Name: "b", Kind: sample.Float},
	})
	row := func(ms int64, a, b float64) sample.Tick {
		return sample.Tick{Schema: two, Time: ms, Floats: []float64{a, b}, Distributions: []sample.Snapshot{h.Snapshot()}}
	}
	e := newBlockEncoder(newSchemaSet(100), slog.New(slog.DiscardHandler))
	d := wire.NewDecoder(wire.DefaultLimits)
	// The ticks of two collectors come mixed, and the clock is set back once.
	payload, schemas, skipped, err := e.encode([]sample.Tick{
		row(1000, 1, 10), tickAt(1000), row(2000, 2, 20), tickAt(2000), row(1500, 3, 30),
	})
	if err != nil || skipped != 0 || len(schemas) != 2 {
		t.Fatalf("%d schemas, %d skipped, %v", len(schemas), skipped, err)
	}
	blocks := decode(t, d, payload, schemas)
	type columns struct {
		Times  []int64
		Floats []float64
		Counts int
	}
	var got []columns
	for _, b := range blocks {
		got = append(got, columns{b.Times, b.Floats, len(b.Distributions)})
	}
	want := []columns{
		{[]int64{1000, 2000}, []float64{1, 2, 10, 20}, 2},
		{[]int64{1000, 2000}, []float64{1000, 2000}, 0},
		{[]int64{1500}, []float64{3, 30}, 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// The schemas are known now.
	payload, schemas, _, err = e.encode([]sample.Tick{row(3000, 4, 40)})
	if err != nil || len(schemas) != 0 {
		t.Fatalf("%d schemas, %v", len(schemas), err)
	}
	if blocks := decode(t, d, payload, nil); len(blocks) != 1 || blocks[0].Floats[1] != 40 {
		t.Errorf("blocks are %+v", blocks)
	}
}

func TestUnsendableSeriesCostOnlyThemselves(t *testing.T) {
	var log strings.Builder
	e := newBlockEncoder(newSchemaSet(3), slog.New(slog.NewTextHandler(&log, nil)))
	bad := sample.NewSchema([]sample.Series{{Name: "bad", Labels: []sample.Label{{Name: "x", Value: "\xff"}}, Kind: sample.Float}})
	many := sample.NewSchema([]sample.Series{
		{Name: "m", Kind: sample.Float}, {Name: "n", Kind: sample.Float}, {Name: "o", Kind: sample.Float},
	})
	ticks := []sample.Tick{
		{Schema: bad, Time: 1, Floats: []float64{1}},
		tickAt(1),
		{Schema: many, Time: 1, Floats: []float64{1, 2, 3}},
	}
	d := wire.NewDecoder(wire.DefaultLimits)
	for round := range 2 {
		payload, schemas, skipped, err := e.encode(ticks)
		if err != nil || skipped != 4 {
			t.Fatalf("%d samples skipped, %v; want 4", skipped, err)
		}
		if blocks := decode(t, d, payload, schemas); len(blocks) != 1 {
			t.Errorf("%d blocks in round %d, want 1", len(blocks), round)
		}
		for i := range ticks {
			ticks[i].Time++
		}
	}
	if n := strings.Count(log.String(), "series cannot be sent"); n != 2 {
		t.Errorf("%d log lines, want one for each schema:\n%s", n, &log)
	}
}

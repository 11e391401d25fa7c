package wire

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

func TestNewSchemaRefuses(t *testing.T) {
	float := func(name string, labels ...Label) Series { return Series{Name: name, Labels: labels, Kind: Float} }
	many := make([]Label, maxLabels+1)
	for i := range many {
		many[i] = Label{Name: "l" + strings.Repeat("x", i), Value: "v"}
	}
	tests := []struct {
		name   string
		series []Series
		at     int
		reason string
	}{
		{"none", nil, -1, "no series"},
		{"no name", []Series{float("")}, 0, "is not a metric name"},
		{"digit first", []Series{float("1up")}, 0, "is not a metric name"},
		{"name of other letters", []Series{float("température")}, 0, "is not a metric name"},
		{"long name", []Series{float(strings.Repeat("n", maxNameBytes+1))}, 0, "name of 257 bytes"},
		{"unknown kind", []Series{{Name: "up"}}, 0, "kind 0"},
		{"label name with a colon", []Series{float("up", Label{"a:b", "v"})}, 0, "is not a label name"},
		{"empty label name", []Series{float("up", Label{"", "v"})}, 0, "is not a label name"},
		{"long label name", []Series{float("up", Label{strings.Repeat("n", maxLabelNameBytes+1), "v"})}, 0, "label name of 129 bytes"},
		{"long label value", []Series{float("up", Label{"a", strings.Repeat("v", maxLabelValueBytes+1)})}, 0, "has 1025 bytes"},
		{"value not UTF-8", []Series{float("up", Label{"a", "\xff"})}, 0, "not valid UTF-8"},
		{"reserved agent", []Series{float("up", Label{"agent", "v"})}, 0, "belongs to the server"},
		{"reserved instance", []Series{float("up", Label{"instance", "v"})}, 0, "belongs to the server"},
		{"reserved job", []Series{float("up", Label{"job", "v"})}, 0, "belongs to the server"},
		{"reserved underscores", []Series{float("up", Label{"__name__", "v"})}, 0, "belongs to the server"},
		{"unsorted", []Series{float("up", Label{"b", ""}, Label{"a", ""})}, 0, "sorted by name"},
		{"label twice", []Series{float("up", Label{"a", "1"}, Label{"a", "2"})}, 0, `label "a" twice`},
		{"too many labels", []Series{float("up", many...)}, 0, "33 labels"},
		{"twice", []Series{float("up"), float("down"), float("up")}, 2, "twice"},
		{"twice by an empty label", []Series{float("up"), float("up", Label{"a", ""})}, 1, "twice"},
		{"twice by kind", []Series{float("up"), {Name: "up", Kind: Distribution}}, 1, "twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewSchema(tt.series)
			var schemaErr *SchemaError
			if !errors.As(err, &schemaErr) {
				t.Fatalf("error %v, want a *SchemaError", err)
			}
			if schemaErr.Series != tt.at || !strings.Contains(schemaErr.Reason, tt.reason) {
				t.Errorf("error %v, want %q of series %d", err, tt.reason, tt.at)
			}
		})
	}
}

func TestNewSchemaTakesWhatIsJustAllowed(t *testing.T) {
	labels := make([]Label, maxLabels)
	for i := range labels {
		labels[i] = Label{Name: strings.Repeat("x", maxLabelNameBytes-maxLabels+i), Value: strings.Repeat("é", maxLabelValueBytes/2)}
	}
	s, err := NewSchema([]Series{
		{Name: strings.Repeat("n", maxNameBytes), Labels: labels, Kind: Float},
		{Name: "a:b_9", Labels: []Label{{"_x", ""}}, Kind: Distribution},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Floats() != 1 || s.Distributions() != 1 {
		t.Errorf("%d floats and %d distributions, want 1 and 1", s.Floats(), s.Distributions())
	}
}

// The hash is part of the format: it must never change. FORMAT.md has this
// schema as its example.
func TestSchemaHash(t *testing.T) {
	s, err := NewSchema([]Series{
		{Name: "up", Kind: Float},
		{Name: "lag", Labels: []Label{{"to", "x"}}, Kind: Distribution},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := uint64(0x8f9612d79f32f66c); s.Hash() != want {
		t.Errorf("hash %016x, want %016x", s.Hash(), want)
	}
}

// Everything that makes a schema another one changes its hash.
func TestSchemaHashTellsApart(t *testing.T) {
	up := Series{Name: "up", Kind: Float}
	seen := make(map[uint64]int)
	for i, series := range [][]Series{
		{up},
		{{Name: "up", Kind: Distribution}},
		{{Name: "ups", Kind: Float}},
		{{Name: "up", Labels: []Label{{"a", ""}}, Kind: Float}},
		{{Name: "up", Labels: []Label{{"a", "b"}}, Kind: Float}},
		{{Name: "up", Labels: []Label{{"ab", ""}}, Kind: Float}},
		{up, {Name: "down", Kind: Float}},
		{{Name: "down", Kind: Float}, up},
	} {
		s, err := NewSchema(series)
		if err != nil {
			t.Fatal(err)
		}
		if j, twice := seen[s.Hash()]; twice {
			t.Errorf("schemas %d and %d have the same hash", i, j)
		}
		seen[s.Hash()] = i
	}
}

func TestProto(t *testing.T) {
	s, err := NewSchema([]Series{
		{Name: "up", Labels: []Label{}, Kind: Float},
		{Name: "lag", Labels: []Label{{"from", ""}, {"to", "x"}}, Kind: Distribution},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := FromProto(s.Proto(), DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.Series(), got.Series()); diff != "" || got.Hash() != s.Hash() {
		t.Errorf("hash %016x, want %016x; (-want +got)\n%s", got.Hash(), s.Hash(), diff)
	}
}

func TestFromProtoRefuses(t *testing.T) {
	valid := func() *sondev1.Schema { return newSchema(t, "up", 3, 1).Proto() }
	tests := []struct {
		name   string
		change func(p *sondev1.Schema)
		want   string
	}{
		{"wrong hash", func(p *sondev1.Schema) { p.Hash++ }, "hash is"},
		{"changed series", func(p *sondev1.Schema) { p.Series[1].Name = "down" }, "hash is"},
		{"no kind", func(p *sondev1.Schema) { p.Series[0].Kind = 0 }, "kind 0"},
		{"kind of another version", func(p *sondev1.Schema) { p.Series[0].Kind = 9 }, "kind 0"},
		{"nil series", func(p *sondev1.Schema) { p.Series[2] = nil }, "kind 0"},
		{"empty", func(p *sondev1.Schema) { p.Series = nil }, "no series"},
		{"many labels", func(p *sondev1.Schema) { p.Series[0].Labels = make([]*sondev1.Label, 1<<20) }, "labels, the limit is 32"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := valid()
			tt.change(p)
			_, err := FromProto(p, DefaultLimits)
			var schemaErr *SchemaError
			if !errors.As(err, &schemaErr) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want a *SchemaError with %q", err, tt.want)
			}
		})
	}
	limits := DefaultLimits
	limits.Series = 3
	if _, err := FromProto(valid(), limits); !errors.Is(err, ErrTooLarge) {
		t.Errorf("4 series of 3: error %v, want ErrTooLarge", err)
	}
}

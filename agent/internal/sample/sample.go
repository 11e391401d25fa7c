// Package sample holds the agent's own types for what it measures: series, the
// ticks that carry their values, and the histogram in which latencies are
// recorded. It knows nothing of how they are gathered, sent or stored.
package sample

// Kind says what the samples of a series are.
type Kind uint8

const (
	// Float samples are one float64 each.
	Float Kind = 1 + iota
	// Distribution samples are cumulative histograms; see [Histogram].
	Distribution
)

// Label is one name and value of a series.
type Label struct {
	Name, Value string
}

// Series names one series. Labels are sorted by name.
type Series struct {
	Name   string
	Labels []Label
	Kind   Kind
}

// Schema is an ordered list of series. It is immutable, and its address is its
// identity: whoever makes ticks keeps one Schema for as long as its series stay
// the same, so that everything behind can cache by pointer.
type Schema struct {
	Series []Series

	floats, distributions int
}

// NewSchema returns the schema of series, which it keeps.
func NewSchema(series []Series) *Schema {
	s := &Schema{Series: series}
	for i := range series {
		if series[i].Kind == Distribution {
			s.distributions++
		} else {
			s.floats++
		}
	}
	return s
}

// Floats returns how many series of the schema are of kind [Float].
func (s *Schema) Floats() int { return s.floats }

// Distributions returns how many series of the schema are of kind [Distribution].
func (s *Schema) Distributions() int { return s.distributions }

// Tick is one run of one collector: one value for every series of its schema.
// A Tick that was handed on is immutable.
type Tick struct {
	Schema *Schema
	// Time is milliseconds since 1970.
	Time int64
	// Floats has the values of the float series, in the order of the schema.
	Floats []float64
	// Distributions has those of the histograms, in the order of the schema.
	Distributions []Snapshot
}

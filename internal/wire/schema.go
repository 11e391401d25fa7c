package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Kind says what the samples of a series are.
type Kind uint8

const (
	// Float samples are one float64 each.
	Float Kind = 1 + iota
	// Distribution samples are a [Histogram] each.
	Distribution
)

// Label is one name and value of a series.
type Label struct {
	Name, Value string
}

// Series names one series.
type Series struct {
	// Name matches [a-zA-Z_:][a-zA-Z0-9_:]*, at most 256 bytes.
	Name string
	// Labels are sorted by name, no name twice, at most 32. A name matches
	// [a-zA-Z_][a-zA-Z0-9_]*, at most 128 bytes, begins with at most one
	// underscore and is none of agent, instance and job. A value is valid
	// UTF-8, at most 1,024 bytes; an empty one means the same as no label.
	Labels []Label
	Kind   Kind
}

const (
	maxNameBytes       = 256
	maxLabels          = 32
	maxLabelNameBytes  = 128
	maxLabelValueBytes = 1024
)

// Schema is an ordered list of series, no series twice. It is immutable and
// safe for concurrent use.
type Schema struct {
	series                []Series
	hash                  uint64
	floats, distributions int
}

// NewSchema returns the schema of series, which it keeps and which must not
// change any more. The error is a *[SchemaError].
func NewSchema(series []Series) (*Schema, error) {
	if len(series) == 0 {
		return nil, &SchemaError{Series: -1, Reason: "no series"}
	}
	s := &Schema{series: series}
	seen := make(map[string]struct{}, len(series))
	h := sha256.New()
	canonical := binary.AppendUvarint([]byte("sonde schema 1\n"), uint64(len(series)))
	var identity []byte
	for i := range series {
		if reason := series[i].invalid(); reason != "" {
			return nil, &SchemaError{Series: i, Reason: reason}
		}
		identity = series[i].appendIdentity(identity[:0])
		if _, twice := seen[string(identity)]; twice {
			return nil, &SchemaError{Series: i, Reason: "stands in the schema twice"}
		}
		seen[string(identity)] = struct{}{}
		canonical = series[i].appendCanonical(canonical)
		h.Write(canonical)
		canonical = canonical[:0]
		if series[i].Kind == Float {
			s.floats++
		} else {
			s.distributions++
		}
	}
	s.hash = binary.BigEndian.Uint64(h.Sum(nil))
	return s, nil
}

// Hash names the schema: the first 8 bytes, big-endian, of the SHA-256 over its
// canonical form.
func (s *Schema) Hash() uint64 { return s.hash }

// Series returns the series in order. The caller must not change them.
func (s *Schema) Series() []Series { return s.series }

// Floats returns how many series are of kind [Float].
func (s *Schema) Floats() int { return s.floats }

// Distributions returns how many series are of kind [Distribution].
func (s *Schema) Distributions() int { return s.distributions }

// invalid says what is wrong with s, or nothing.
func (s *Series) invalid() string {
	switch {
	case s.Kind != Float && s.Kind != Distribution:
		return fmt.Sprintf("kind %d is unknown", s.Kind)
	case len(s.Name) > maxNameBytes:
		return fmt.Sprintf("name of %d bytes, the limit is %d", len(s.Name), maxNameBytes)
	case !validName(s.Name, true):
		return fmt.Sprintf("name %q is not a metric name", s.Name)
	case len(s.Labels) > maxLabels:
		return fmt.Sprintf("%d labels, the limit is %d", len(s.Labels), maxLabels)
	}
	for i := range s.Labels {
		l := &s.Labels[i]
		switch {
		case len(l.Name) > maxLabelNameBytes:
			return fmt.Sprintf("label name of %d bytes, the limit is %d", len(l.Name), maxLabelNameBytes)
		case !validName(l.Name, false):
			return fmt.Sprintf("%q is not a label name", l.Name)
		case reserved(l.Name):
			return fmt.Sprintf("label %q belongs to the server", l.Name)
		case len(l.Value) > maxLabelValueBytes:
			return fmt.Sprintf("value of label %q has %d bytes, the limit is %d", l.Name, len(l.Value), maxLabelValueBytes)
		case !utf8.ValidString(l.Value):
			return fmt.Sprintf("value of label %q is not valid UTF-8", l.Name)
		case i > 0 && l.Name == s.Labels[i-1].Name:
			return fmt.Sprintf("label %q twice", l.Name)
		case i > 0 && l.Name < s.Labels[i-1].Name:
			return fmt.Sprintf("label %q after %q: labels are sorted by name", l.Name, s.Labels[i-1].Name)
		}
	}
	return ""
}

// appendCanonical appends the form of s over which schemas are hashed.
func (s *Series) appendCanonical(b []byte) []byte {
	b = appendString(append(b, byte(s.Kind)), s.Name)
	b = binary.AppendUvarint(b, uint64(len(s.Labels)))
	for i := range s.Labels {
		b = appendString(appendString(b, s.Labels[i].Name), s.Labels[i].Value)
	}
	return b
}

// appendIdentity appends what tells s from other series in a store: its name
// and its labels that are not empty.
func (s *Series) appendIdentity(b []byte) []byte {
	b = appendString(b, s.Name)
	for i := range s.Labels {
		if s.Labels[i].Value != "" {
			b = appendString(appendString(b, s.Labels[i].Name), s.Labels[i].Value)
		}
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// validName reports whether s is the name of a label, or of a metric, which may
// have colons.
func validName(s string, colon bool) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case '0' <= c && c <= '9' && i > 0:
		case c == ':' && colon:
		default:
			return false
		}
	}
	return s != ""
}

// reserved reports whether only the server gives labels of this name.
func reserved(name string) bool {
	return name == "agent" || name == "instance" || name == "job" ||
		len(name) >= 2 && name[:2] == "__"
}

package procfs

import (
	"bytes"
	"fmt"
	"math"
)

// ParseError says which line of which kernel file was not understood.
type ParseError struct {
	File   string
	Line   int // from 1; 0 when the file as a whole is meant
	Reason string
}

func (e *ParseError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("parsing %s: %s", e.File, e.Reason)
	}
	return fmt.Sprintf("parsing %s: line %d: %s", e.File, e.Line, e.Reason)
}

// lines walks over the lines of a text and knows where it is.
type lines struct {
	rest []byte
	n    int
}

func (l *lines) next() ([]byte, bool) {
	if len(l.rest) == 0 {
		return nil, false
	}
	l.n++
	i := bytes.IndexByte(l.rest, '\n')
	if i < 0 {
		line := l.rest
		l.rest = nil
		return line, true
	}
	line := l.rest[:i]
	l.rest = l.rest[i+1:]
	return line, true
}

// malformed returns the error for the present line.
func (l *lines) malformed(format string, args ...any) error {
	return &ParseError{Line: l.n, Reason: fmt.Sprintf(format, args...)}
}

func incomplete(what string) error {
	return &ParseError{Reason: "no " + what}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// field cuts the first word off b. The word is empty when there is none.
func field(b []byte) (word, rest []byte) {
	i := 0
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	j := i
	for j < len(b) && !isSpace(b[j]) {
		j++
	}
	return b[i:j], b[j:]
}

// uints reads as many unsigned numbers as dst has room for, and returns how many
// there were before the line ended; ok is false when a word is not a number.
func uints(b []byte, dst []uint64) (n int, ok bool) {
	for n < len(dst) {
		var word []byte
		word, b = field(b)
		if len(word) == 0 {
			return n, true
		}
		if dst[n], ok = parseUint(word); !ok {
			return n, false
		}
		n++
	}
	return n, true
}

func parseUint(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	var v uint64
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 || v > (math.MaxUint64-d)/10 {
			return 0, false
		}
		v = v*10 + d
	}
	return v, true
}

// parseNumber reads an integer with an optional minus.
func parseNumber(b []byte) (float64, bool) {
	if len(b) > 0 && b[0] == '-' {
		v, ok := parseUint(b[1:])
		return -float64(v), ok
	}
	v, ok := parseUint(b)
	return float64(v), ok
}

// parseDecimal reads digits with an optional fraction, as in "0.42".
func parseDecimal(b []byte) (float64, bool) {
	whole, fraction, found := b, []byte(nil), false
	if i := bytes.IndexByte(b, '.'); i >= 0 {
		whole, fraction, found = b[:i], b[i+1:], true
	}
	v, ok := parseUint(whole)
	if !ok {
		return 0, false
	}
	if !found {
		return float64(v), true
	}
	f, ok := parseUint(fraction)
	if !ok || len(fraction) > 9 {
		return 0, false
	}
	return float64(v) + float64(f)/pow10[len(fraction)], true
}

var pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

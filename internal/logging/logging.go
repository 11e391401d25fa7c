// Package logging makes the one logger of a process: text for a person at a
// terminal, JSON lines for everything else.
package logging

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// Format is how log lines are written.
type Format string

const (
	// Auto is Text on a terminal and JSON otherwise.
	Auto Format = "auto"
	Text Format = "text"
	JSON Format = "json"
)

// ParseFormat returns the format named s.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case Auto, Text, JSON:
		return f, nil
	}
	return "", fmt.Errorf("log format %q is none of auto, text and json", s)
}

// ParseLevel returns the level named s: debug, info, warn or error.
func ParseLevel(s string) (slog.Level, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(s)); err != nil {
		return 0, fmt.Errorf("log level %q is none of debug, info, warn and error", s)
	}
	return l, nil
}

// New returns a logger that writes to w. level may be changed while the logger
// is in use by passing a [slog.LevelVar].
func New(w io.Writer, format Format, level slog.Leveler) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if format == Auto {
		format = JSON
		if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			format = Text
		}
	}
	if format == Text {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	opts.ReplaceAttr = readableDurations
	return slog.New(slog.NewJSONHandler(w, opts))
}

// readableDurations writes durations as text with a unit, as the text handler
// does, where JSON would have bare nanoseconds.
func readableDurations(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

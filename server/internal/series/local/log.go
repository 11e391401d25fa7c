package local

import (
	"context"
	"log/slog"
)

// quiet returns a logger for the TSDB. What it says at Info, such as each step of
// a compaction, is for those who look into the store: here it is Debug.
func quiet(l *slog.Logger) *slog.Logger {
	return slog.New(quietHandler{l.Handler()}).With("component", "tsdb")
}

type quietHandler struct{ slog.Handler }

func lowered(l slog.Level) slog.Level {
	if l == slog.LevelInfo {
		return slog.LevelDebug
	}
	return l
}

func (h quietHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.Handler.Enabled(ctx, lowered(l))
}

func (h quietHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Level = lowered(r.Level)
	return h.Handler.Handle(ctx, r)
}

func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs)}
}

func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name)}
}

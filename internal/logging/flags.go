package logging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

// Flags are the flags by which a command's log is chosen.
type Flags struct {
	level, format string
	variable      slog.LevelVar
	chosen        slog.Level
}

// Add adds --log-level and --log-format to fs.
func (f *Flags) Add(fs *pflag.FlagSet) {
	fs.StringVar(&f.level, "log-level", "info", "debug, info, warn or error; SIGUSR1 switches to debug and back")
	fs.StringVar(&f.format, "log-format", string(Auto), "text, json, or auto: text on a terminal")
}

// Logger returns the logger that the flags ask for, or all that is wrong with
// them.
func (f *Flags) Logger(w io.Writer) (*slog.Logger, error) {
	level, lerr := ParseLevel(f.level)
	if lerr != nil {
		lerr = fmt.Errorf("log-level: %w", lerr)
	}
	format, ferr := ParseFormat(f.format)
	if ferr != nil {
		ferr = fmt.Errorf("log-format: %w", ferr)
	}
	f.chosen = level
	f.variable.Set(level)
	return New(w, format, &f.variable), errors.Join(lerr, ferr)
}

// ToggleOnSignal switches the level to debug and back at every SIGUSR1, until
// ctx ends.
func (f *Flags) ToggleOnSignal(ctx context.Context) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	defer signal.Stop(signals)
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			if f.variable.Level() == slog.LevelDebug {
				f.variable.Set(f.chosen)
			} else {
				f.variable.Set(slog.LevelDebug)
			}
		}
	}
}

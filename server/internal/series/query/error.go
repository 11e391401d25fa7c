package query

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

// ErrUnavailable is wrapped by the errors of a storage that cannot answer now
// and may later.
var ErrUnavailable = errors.New("storage is unavailable")

// Kind says what is wrong with a query, so that callers know what to do.
type Kind uint8

const (
	// Internal: the storage or the engine failed.
	Internal Kind = iota
	// BadExpr: the expression does not parse, or yields another type than asked
	// for. Start and End say where, when that is known.
	BadExpr
	// BadRange: times, steps, numbers or limits out of bounds.
	BadRange
	// Evaluation: the expression parses, and cannot be evaluated over the samples
	// there are (such as a match of many series to many).
	Evaluation
	// TooManySamples: it would hold more than MaxSamples.
	TooManySamples
	// TooLarge: its answer would have more than MaxValues.
	TooLarge
	// Busy: too many queries wait already.
	Busy
	// Timeout: it took longer than Timeout or than the caller's deadline.
	Timeout
	// Canceled: the caller went away.
	Canceled
	// Unavailable: the storage cannot answer now.
	Unavailable
)

var kindNames = [...]string{
	"internal", "bad_expr", "bad_range", "evaluation", "too_many_samples",
	"too_large", "busy", "timeout", "canceled", "unavailable",
}

// String returns the kind as metrics and logs name it.
func (k Kind) String() string { return kindNames[k] }

// Error is the error of every method of [Engine].
type Error struct {
	Kind Kind
	// Err says what is wrong, in words for the one who wrote the query unless
	// Kind is Internal.
	Err error
	// Start and End are where in the expression, in bytes; both 0 when unknown.
	Start, End int
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// errorf makes an error of a kind.
func errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// storageError marks errors of the storage, which the engine passes on among
// its own.
type storageError struct{ err error }

func (e storageError) Error() string { return e.err.Error() }
func (e storageError) Unwrap() error { return e.err }

// parseError turns what the parser and the checks before evaluation say into an
// Error.
func parseError(err error) *Error {
	out := &Error{Kind: BadExpr, Err: err}
	var list parser.ParseErrors
	var one *parser.ParseErr
	switch {
	case errors.As(err, &list) && len(list) > 0:
		one = &list[0]
	case errors.As(err, &one):
	default:
		return out
	}
	out.Start, out.End = int(one.PositionRange.Start), int(one.PositionRange.End)
	return out
}

// evaluationError turns what evaluation says into an Error.
func evaluationError(err error) *Error {
	return &Error{Kind: kindOf(err), Err: err}
}

func kindOf(err error) Kind {
	var (
		own       *Error
		tooMany   promql.ErrTooManySamples
		timedOut  promql.ErrQueryTimeout
		cancelled promql.ErrQueryCanceled
		stored    storageError
		panicked  runtime.Error
	)
	switch {
	case errors.As(err, &own):
		return own.Kind
	case errors.As(err, &tooMany):
		return TooManySamples
	case errors.As(err, &timedOut), errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.As(err, &cancelled), errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, ErrUnavailable), errors.Is(err, tsdb.ErrNotReady), errors.Is(err, tsdb.ErrClosed):
		return Unavailable
	case errors.As(err, &stored), errors.As(err, &panicked):
		return Internal
	default:
		return Evaluation
	}
}

package rpc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"connectrpc.com/connect"

	"sonde.dev/sonde/server/internal/fleet"
)

// requestIDHeader carries the id of a request, both ways.
const requestIDHeader = "X-Request-Id"

// call is what becomes known of a call while it is served. It belongs to the
// goroutine that serves the call.
type call struct {
	requestID string
	peer      string
	control   *http.ResponseController

	// audit takes what was changed; nil for none.
	audit *fleet.Audit
	// caller is the principal, the agent or the join token; empty when nobody is
	// known.
	caller string
	// target and detail are for the audit log, see describe.
	target, detail string
	// reads says that the method has no side effects.
	reads bool
	// handled says that the call reached its handler, whose outcome is err.
	handled bool
	err     error
	// logged says that the handler logged the call itself.
	logged bool
}

type callKey struct{}

func callFrom(ctx context.Context) (*call, bool) {
	c, ok := ctx.Value(callKey{}).(*call)
	return c, ok
}

// Observe logs each call of next once, and gives it a request id: the header
// X-Request-Id of the request when that is 1 to 64 letters, digits, '.', '_' or
// '-', else a new one. The response has it too. It stands outside of package
// access, so that what is refused there is logged as well.
//
// Calls that only read are logged at Debug, others at Info; a caller's mistake
// at Info, a refusal at Warn, a failure of the server's at Error. Calls that do
// not only read are put into the audit log, nil for none.
func Observe(log *slog.Logger, audit *fleet.Audit, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		c := &call{
			requestID: requestID(r),
			peer:      r.RemoteAddr,
			control:   http.NewResponseController(w),
			audit:     audit,
		}
		w.Header().Set(requestIDHeader, c.requestID)
		status := &statusWriter{ResponseWriter: w}
		defer func() {
			if c.logged {
				return
			}
			level, code := c.outcome(status)
			attrs := []slog.Attr{
				slog.String("method", r.URL.Path),
				slog.String("request_id", c.requestID),
				slog.String("peer", c.peer),
				slog.String("code", code),
				slog.Duration("duration", time.Since(start)),
			}
			if c.caller != "" {
				attrs = append(attrs, slog.String("caller", c.caller))
			}
			if c.err != nil {
				attrs = append(attrs, slog.Any("error", c.err))
			}
			log.LogAttrs(r.Context(), level, "rpc", attrs...)
		}()
		next.ServeHTTP(status, r.WithContext(context.WithValue(r.Context(), callKey{}, c)))
	})
}

// outcome returns the code of a call and how loudly to log it.
func (c *call) outcome(w *statusWriter) (slog.Level, string) {
	switch {
	case !c.handled:
		return slog.LevelWarn, w.code()
	case c.err != nil:
		code := Error(c.err, c.requestID).Code()
		return level(code), code.String()
	case c.reads:
		return slog.LevelDebug, "ok"
	}
	return slog.LevelInfo, "ok"
}

func level(code connect.Code) slog.Level {
	switch code {
	case connect.CodeCanceled:
		return slog.LevelDebug
	case connect.CodeInternal, connect.CodeUnknown, connect.CodeDataLoss:
		return slog.LevelError
	case connect.CodeUnauthenticated, connect.CodePermissionDenied, connect.CodeResourceExhausted,
		connect.CodeUnavailable, connect.CodeDeadlineExceeded:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func requestID(r *http.Request) string {
	id := r.Header.Get(requestIDHeader)
	sane := len(id) >= 1 && len(id) <= 64
	for i := range len(id) {
		c := id[i]
		sane = sane && (c == '.' || c == '_' || c == '-' ||
			'0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z')
	}
	if sane {
		return id
	}
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// statusWriter remembers the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements [http.Flusher], which streams need.
func (w *statusWriter) Flush() {
	// A connection that cannot flush is one that is gone: the next write says so.
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// code says what is known of a call that never reached its handler: a message
// that cannot be decoded, a method that does not exist, a caller who was not
// let in.
func (w *statusWriter) code() string {
	for _, name := range []string{"Grpc-Status", http.TrailerPrefix + "Grpc-Status"} {
		if n, err := strconv.ParseUint(w.Header().Get(name), 10, 32); err == nil {
			return connect.Code(n).String()
		}
	}
	if w.status >= http.StatusBadRequest {
		return fmt.Sprintf("http_%d", w.status)
	}
	return "unread"
}

// interceptor is what stands around every handler.
type interceptor struct{}

var _ connect.Interceptor = interceptor{}

// WrapUnary implements [connect.Interceptor].
func (interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (res connect.AnyResponse, err error) {
		err = handle(ctx, req.Spec(), func(ctx context.Context) error {
			var err error
			res, err = next(ctx, req)
			return err
		})
		if err != nil {
			return nil, err
		}
		return res, nil
	}
}

// WrapStreamingHandler implements [connect.Interceptor].
func (interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		if c, ok := callFrom(ctx); ok {
			// A stream lives longer than the server gives one request. Writers
			// that cannot have deadlines, in tests, have none to clear.
			_ = c.control.SetReadDeadline(time.Time{})
			_ = c.control.SetWriteDeadline(time.Time{})
		}
		return handle(ctx, conn.Spec(), func(ctx context.Context) error { return next(ctx, conn) })
	}
}

// WrapStreamingClient implements [connect.Interceptor]; there are no clients.
func (interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// handle runs a handler and turns its error or panic into one that may leave.
func handle(ctx context.Context, spec connect.Spec, run func(context.Context) error) (err error) {
	c, ok := callFrom(ctx)
	if !ok {
		c = &call{}
	}
	c.handled = true
	c.reads = spec.IdempotencyLevel == connect.IdempotencyNoSideEffects
	p, known := fleet.PrincipalFrom(ctx)
	c.caller = p.ID
	defer func() {
		if r := recover(); r != nil {
			if r == http.ErrAbortHandler {
				panic(r)
			}
			c.err, c.logged = fmt.Errorf("panic: %v\n%s", r, debug.Stack()), false
			err = Error(c.err, c.requestID)
		}
	}()
	if c.err = allowed(spec.Procedure, p, known); c.err == nil {
		c.err = run(ctx)
	}
	if errors.Is(c.err, context.Canceled) {
		// A stream that is ended because its caller may not go on says so.
		if lost, ok := errors.AsType[*fleet.Error](context.Cause(ctx)); ok {
			c.err = lost
		}
	}
	if err := c.record(ctx, spec); err != nil {
		// Done, and known to nobody: the log has the call, at Error.
		c.err = errors.Join(c.err, fmt.Errorf("writing the audit log: %w", err))
	}
	if c.err != nil {
		return Error(c.err, c.requestID)
	}
	return nil
}

package rpc

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/series/query"
)

// fleetCodes and queryCodes are the table from what went wrong to codes. What is
// not in it is Internal, whose text says nothing but the request id.
var fleetCodes = map[fleet.Code]connect.Code{
	fleet.Invalid:          connect.CodeInvalidArgument,
	fleet.Unauthenticated:  connect.CodeUnauthenticated,
	fleet.PermissionDenied: connect.CodePermissionDenied,
	fleet.NotFound:         connect.CodeNotFound,
	fleet.Exists:           connect.CodeAlreadyExists,
	fleet.State:            connect.CodeFailedPrecondition,
	fleet.Conflict:         connect.CodeAborted,
	fleet.Limit:            connect.CodeResourceExhausted,
	fleet.Unavailable:      connect.CodeUnavailable,
}

// Error returns the error that leaves the server in the place of err, which is
// not nil.
func Error(err error, requestID string) *connect.Error {
	var (
		f *fleet.Error
		q *query.Error
		c *connect.Error
	)
	switch {
	case errors.As(err, &f):
		if code, ok := fleetCodes[f.Code]; ok {
			return connect.NewError(code, errors.New(f.Message))
		}
	case errors.As(err, &q):
		if q.Kind != query.Internal {
			return connect.NewError(queryCodes[q.Kind], errors.New(q.Error()))
		}
	case errors.As(err, &c):
		// From the transport itself (a message too large, a stream cut off), or
		// from a handler that has chosen the code.
		if c.Code() != connect.CodeInternal && c.Code() != connect.CodeUnknown {
			return c
		}
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, errors.New("the call was cancelled"))
	case errors.Is(err, context.DeadlineExceeded):
		return connect.NewError(connect.CodeDeadlineExceeded, errors.New("the call took longer than it may"))
	}
	return connect.NewError(connect.CodeInternal,
		fmt.Errorf("the server failed: its log says why under request id %s", requestID))
}

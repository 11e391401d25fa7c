package rpc

import (
	"errors"
	"fmt"

	"connectrpc.com/connect"

	"sonde.dev/sonde/server/internal/series/query"
)

// queryCodes are the part of the table in error.go that is about queries.
var queryCodes = map[query.Kind]connect.Code{
	query.Internal:       connect.CodeInternal,
	query.BadExpr:        connect.CodeInvalidArgument,
	query.BadRange:       connect.CodeInvalidArgument,
	query.Evaluation:     connect.CodeInvalidArgument,
	query.TooManySamples: connect.CodeResourceExhausted,
	query.TooLarge:       connect.CodeResourceExhausted,
	query.Busy:           connect.CodeResourceExhausted,
	query.Timeout:        connect.CodeDeadlineExceeded,
	query.Canceled:       connect.CodeCanceled,
	query.Unavailable:    connect.CodeUnavailable,
}

// atExpr says which of several expressions an error of the query engine is
// about.
func atExpr(err error, i, of int) error {
	var e *query.Error
	if of == 1 || !errors.As(err, &e) {
		return err
	}
	return &query.Error{Kind: e.Kind, Err: fmt.Errorf("expression %d: %w", i+1, err), Start: e.Start, End: e.End}
}

// exprError is what people may read of an error of one expression in an answer
// that goes on without it. The query log has the whole of it.
func exprError(err error) string {
	var e *query.Error
	if errors.As(err, &e) && e.Kind != query.Internal {
		return e.Error()
	}
	return "the query failed inside the server; its log says why"
}

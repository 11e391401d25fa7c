package fleet

import (
	"errors"
	"fmt"
)

// Code says what kind of failure an [Error] is, so that callers and transports
// can branch without reading texts.
type Code uint8

const (
	// Internal is a failure of the server's own; its text is not for people
	// outside. The zero value, so that a forgotten code never says too much.
	Internal Code = iota
	// Invalid is an argument that breaks a stated rule.
	Invalid
	// Unauthenticated is a missing, unknown, revoked or expired secret.
	Unauthenticated
	// PermissionDenied is a known caller who may not do this.
	PermissionDenied
	// NotFound is a thing that does not exist.
	NotFound
	// Exists is a thing that must be unique and exists already.
	Exists
	// State is an operation that does not fit the state of its object.
	State
	// Conflict is an operation that lost against a concurrent one.
	Conflict
	// Limit is a stated bound that was reached.
	Limit
	// Unavailable is a failure that passes: try again later, or elsewhere.
	Unavailable
)

var codeNames = [...]string{
	Internal:         "internal",
	Invalid:          "invalid",
	Unauthenticated:  "unauthenticated",
	PermissionDenied: "permission_denied",
	NotFound:         "not_found",
	Exists:           "exists",
	State:            "state",
	Conflict:         "conflict",
	Limit:            "limit",
	Unavailable:      "unavailable",
}

// String returns the code's name as logs show it.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// Error is a failure with a code. Message is safe to show to whoever made the
// request, unless the code is [Internal]; Err is the cause, for logs only.
type Error struct {
	Code    Code
	Message string
	Err     error
}

// Error returns message and cause: it is for logs.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error whose message people may read. It takes no %w: a cause
// is not for people, see [Wrapf].
func Errorf(code Code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrapf makes an error with a message that people may read and a cause that
// only logs show.
func Wrapf(code Code, cause error, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Err: cause}
}

// ErrorCode returns the code of the outermost [Error] in the chain of err, and
// [Internal] when there is none.
func ErrorCode(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

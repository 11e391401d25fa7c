package probe

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// Outcome is how an attempt ended.
type Outcome uint8

const (
	// Success is an attempt that got what it asked for. It alone has durations.
	Success Outcome = iota
	// Timeout is an attempt without an answer in time.
	Timeout
	// Refused is a target that is there and does not listen.
	Refused
	// Unreachable is a target that the network says it cannot reach, or a stream
	// that is not connected.
	Unreachable
	// DNS is a target whose name could not be resolved.
	DNS
	// TLS is a handshake or a certificate that failed.
	TLS
	// Status is an answer with a status other than the expected one.
	Status
	// Protocol is an answer that breaks its protocol or a limit.
	Protocol
	// Permission is an attempt that the operating system does not allow.
	Permission
	// Error is any other failure, one of the agent itself included.
	Error
	// Skipped is an attempt that was due and not made, because too many earlier
	// ones were still waiting or the agent did not run in time.
	Skipped
	outcomeCount
)

var outcomeNames = [outcomeCount]string{
	"success", "timeout", "refused", "unreachable", "dns", "tls",
	"status", "protocol", "permission", "error", "skipped",
}

// String returns the value of the label "outcome".
func (o Outcome) String() string { return outcomeNames[o] }

// outcomeOf classifies an error of the network or of a file.
func outcomeOf(err error) Outcome {
	if err == nil {
		return Success
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return DNS
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return Timeout
	}
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return Error
	}
	switch errno {
	case syscall.ECONNREFUSED:
		return Refused
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN, syscall.ENONET:
		return Unreachable
	case syscall.EPERM, syscall.EACCES, syscall.EROFS:
		return Permission
	case syscall.ETIMEDOUT:
		return Timeout
	}
	return Error
}

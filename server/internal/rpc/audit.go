package rpc

import (
	"context"
	"net"
	"strings"

	"connectrpc.com/connect"

	"sonde.dev/sonde/server/internal/fleet"
)

// describe says for the audit log what a call changes, and what else is worth
// knowing of it. Handlers call it; the last call counts.
func describe(ctx context.Context, target, detail string) {
	if c, ok := callFrom(ctx); ok {
		c.target, c.detail = target, detail
	}
}

// record puts a call that may change something into the audit log, done or
// refused. Streams are not in it: they are sessions, which the log has.
func (c *call) record(ctx context.Context, spec connect.Spec) error {
	if c.audit == nil || c.reads || spec.StreamType != connect.StreamTypeUnary {
		return nil
	}
	entry := fleet.AuditEntry{
		Actor:     c.caller,
		Address:   peerHost(c.peer),
		Action:    strings.Replace(strings.TrimPrefix(spec.Procedure, "/sonde.v1."), "/", ".", 1),
		Target:    c.target,
		Detail:    c.detail,
		RequestID: c.requestID,
	}
	if c.err != nil {
		entry.ErrorCode = Error(c.err, c.requestID).Code().String()
		if entry.Actor == "" {
			// A stranger's failure is in the log. Here it would push out what was
			// done: there is no end of strangers.
			return nil
		}
	}
	return c.audit.Add(ctx, entry)
}

// peerHost returns the address of a peer without its port.
func peerHost(peer string) string {
	host, _, err := net.SplitHostPort(peer)
	if err != nil {
		return peer
	}
	return host
}

package rpc

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// agentKeepAlive has the kernels find out that an agent's machine is gone, or the
// way to it, within four seconds: it costs neither process anything, and a probe
// is sent only where the stream is idle.
var agentKeepAlive = net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: 2}

type connKey struct{}

// WithConn is for [http.Server.ConnContext]: it lets a handler know the
// connection that its calls come on.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// keepAlive sets the keep-alive of the connection that a call came on, if that is
// TCP. Where it cannot be set, the limits of package ingest still hold.
func keepAlive(ctx context.Context, config net.KeepAliveConfig) {
	c, _ := ctx.Value(connKey{}).(net.Conn)
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	// Of a proxy that speaks the PROXY protocol it is the way to the proxy.
	if wrapped, ok := c.(interface{ Raw() net.Conn }); ok {
		c = wrapped.Raw()
	}
	if c, ok := c.(*net.TCPConn); ok {
		_ = c.SetKeepAliveConfig(config)
	}
}

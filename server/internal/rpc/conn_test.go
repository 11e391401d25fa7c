package rpc

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKeepAliveReachesTheSocket sets the keep-alive from within a call and asks
// the kernel, in the clear and through TLS.
func TestKeepAliveReachesTheSocket(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){
		"clear": (*httptest.Server).Start,
		"TLS":   (*httptest.Server).StartTLS,
	} {
		t.Run(name, func(t *testing.T) {
			var accepted net.Conn
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor != 2 {
					t.Errorf("the call is %s", r.Proto)
				}
				keepAlive(r.Context(), agentKeepAlive)
			}))
			server.Config.Protocols = new(http.Protocols)
			server.Config.Protocols.SetHTTP2(true)
			server.Config.Protocols.SetUnencryptedHTTP2(true)
			server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
				accepted = c
				return WithConn(ctx, c)
			}
			server.EnableHTTP2 = true
			start(server)
			defer server.Close()
			client := &http.Client{Transport: &http.Transport{
				Protocols:       server.Config.Protocols,
				TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			}}
			defer client.CloseIdleConnections()
			res, err := client.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if over, ok := accepted.(*tls.Conn); ok {
				accepted = over.NetConn()
			}
			raw, err := accepted.(*net.TCPConn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			if err := raw.Control(func(fd uintptr) {
				for option, want := range map[int]int{unix.TCP_KEEPIDLE: 2, unix.TCP_KEEPINTVL: 1, unix.TCP_KEEPCNT: 2} {
					if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option); err != nil || got != want {
						t.Errorf("option %d is %d, %v; want %d", option, got, err, want)
					}
				}
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

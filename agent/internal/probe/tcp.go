package probe

import (
	"context"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

func checkTCP(s *Spec) error {
	_, _, err := splitHostPort(s.Target)
	return err
}

// tcpProber makes connections and closes them.
type tcpProber struct {
	host   *host
	port   uint16
	dialer net.Dialer
}

func newTCPProber(s Spec, cfg *Config) prober {
	name, port, _ := splitHostPort(s.Target) // Validate has seen it
	return &tcpProber{
		host:   newHost(name, cfg.Resolver),
		port:   port,
		dialer: net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1},
	}
}

func (p *tcpProber) attempt(ctx context.Context, a *attempt) (Outcome, error) {
	addr, err := p.host.lookup(ctx)
	if err != nil {
		return DNS, err
	}
	begin := time.Now()
	conn, err := p.dialer.DialTCP(ctx, "tcp", netip.AddrPort{}, netip.AddrPortFrom(addr, p.port))
	took := time.Since(begin)
	if err != nil {
		return outcomeOf(err), err
	}
	defer conn.Close()
	a.add(phaseTotal, handshake(conn, took))
	return Success, nil
}

func (p *tcpProber) close() error { return nil }

// handshake returns how long the handshake of conn took: as the kernel measured
// it, or as the caller did when the kernel has no measurement, which is so when
// a packet had to be sent again.
func handshake(conn *net.TCPConn, measured time.Duration) time.Duration {
	raw, err := conn.SyscallConn()
	if err != nil {
		return measured
	}
	var info *unix.TCPInfo
	if err := raw.Control(func(fd uintptr) {
		info, _ = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); err != nil || info == nil || info.Total_retrans > 0 || info.Rtt == 0 {
		return measured
	}
	return min(measured, time.Duration(info.Rtt)*time.Microsecond)
}

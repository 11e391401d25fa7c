package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	icmpHeader      = 8
	defaultICMPSize = 56
	minICMPSize     = 16
	maxICMPSize     = 1400

	echoReply4, echoRequest4 = 0, 8
	echoReply6, echoRequest6 = 129, 128
)

// errICMPPermission says what to do about it.
var errICMPPermission = fmt.Errorf("opening an ICMP socket: %w: allow this group with "+
	"`sysctl net.ipv4.ping_group_range=\"0 2147483647\"` or give the agent CAP_NET_RAW", syscall.EPERM)

func checkICMP(s *Spec) error {
	if err := checkRange("icmp.size", s.ICMP.Size, minICMPSize, maxICMPSize); err != nil {
		return err
	}
	return checkHost(s.Target)
}

// icmpProber sends echo requests. Each attempt has a socket of its own, a
// random token in its payload, and so never takes the late reply to another.
type icmpProber struct {
	host   *host
	size   int
	seq    atomic.Uint32
	keeper timestampKeeper
}

func newICMPProber(s Spec, cfg *Config) prober {
	size := s.ICMP.Size
	if size == 0 {
		size = defaultICMPSize
	}
	return &icmpProber{host: newHost(s.Target, cfg.Resolver), size: size}
}

func (p *icmpProber) attempt(ctx context.Context, a *attempt) (Outcome, error) {
	addr, err := p.host.lookup(ctx)
	if err != nil {
		return DNS, err
	}
	if err := p.keeper.open(); err != nil {
		return outcomeOf(err), err
	}
	fd, rawIPv4, err := openICMP(addr)
	if err != nil {
		return outcomeOf(err), err
	}
	d, err := connectDatagram(fd, netip.AddrPortFrom(addr, 0))
	if err != nil {
		return outcomeOf(err), err
	}
	defer d.close()

	e := newEcho(addr, uint16(p.seq.Add(1)), p.size)
	buf := make([]byte, 128+p.size) // an IPv4 header with all options, and the packet
	took, err := d.exchange(ctx, e.request, buf, func(packet []byte) bool {
		if rawIPv4 {
			packet = trimIPv4(packet)
		}
		return e.answeredBy(packet)
	}, e.quotedIn)
	switch outcome := outcomeOf(err); outcome {
	case Success:
		a.add(phaseTotal, took)
		return Success, nil
	case Refused:
		// No such thing in ICMP: the host does not take the protocol.
		return Unreachable, err
	default:
		return outcome, err
	}
}

func (p *icmpProber) close() error { return p.keeper.close() }

// openICMP opens a socket for echo requests: one for which no capability is
// needed, if the group may have it, else a raw one. It tries both each time,
// for the permission can change while the agent runs. A raw socket of IPv4
// delivers packets with their IP header.
func openICMP(to netip.Addr) (fd int, rawIPv4 bool, err error) {
	family, proto := familyOf(to), unix.IPPROTO_ICMP
	if family == unix.AF_INET6 {
		proto = unix.IPPROTO_ICMPV6
	}
	const flags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|flags, proto)
	if err == nil {
		return fd, false, nil
	}
	if !errors.Is(err, os.ErrPermission) {
		return -1, false, os.NewSyscallError("socket", err)
	}
	fd, err = unix.Socket(family, unix.SOCK_RAW|flags, proto)
	if errors.Is(err, os.ErrPermission) {
		return -1, false, errICMPPermission
	}
	if err != nil {
		return -1, false, os.NewSyscallError("socket", err)
	}
	// The kernel hands all ICMP of the host to a raw socket, so let it drop at
	// once what is no reply.
	if family == unix.AF_INET6 {
		var pass unix.ICMPv6Filter
		for i := range pass.Data {
			pass.Data[i] = ^uint32(0)
		}
		pass.Data[echoReply6/32] &^= 1 << (echoReply6 % 32)
		err = unix.SetsockoptICMPv6Filter(fd, unix.SOL_ICMPV6, unix.ICMPV6_FILTER, &pass)
	} else {
		blocked := ^uint32(1 << echoReply4)
		err = unix.SetsockoptInt(fd, unix.SOL_RAW, unix.ICMP_FILTER, int(int32(blocked)))
	}
	if err != nil {
		unix.Close(fd)
		return -1, false, os.NewSyscallError("setsockopt ICMP_FILTER", err)
	}
	return fd, family == unix.AF_INET, nil
}

// echo is a request and what tells its reply from others.
type echo struct {
	request []byte
	reply   byte // type of the reply
}

// newEcho returns a request with a random id and a random token. The kernel
// replaces the id where it manages ids, and computes ICMPv6's checksum.
func newEcho(to netip.Addr, seq uint16, size int) *echo {
	e := &echo{request: make([]byte, icmpHeader+size)}
	b := e.request
	binary.BigEndian.PutUint16(b[4:], uint16(rand.Uint32()))
	binary.BigEndian.PutUint16(b[6:], seq)
	binary.NativeEndian.PutUint64(b[8:], rand.Uint64())
	binary.NativeEndian.PutUint64(b[16:], rand.Uint64())
	if to.Is4() {
		b[0], e.reply = echoRequest4, echoReply4
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	} else {
		b[0], e.reply = echoRequest6, echoReply6
	}
	return e
}

// answeredBy reports whether packet, which begins with the header of ICMP, is
// the reply.
func (e *echo) answeredBy(packet []byte) bool {
	return len(packet) == len(e.request) && packet[0] == e.reply && packet[1] == 0 &&
		string(packet[6:]) == string(e.request[6:])
}

// quotedIn reports whether an error that quotes packet is about the request. It
// has at least the header of ICMP, but behind the one of IPv6 on raw sockets,
// and the id is the kernel's on others; the type and the number remain.
func (e *echo) quotedIn(packet []byte) bool {
	const ipv6Header = 40
	if e.reply == echoReply6 && len(packet) >= ipv6Header+icmpHeader && packet[0]>>4 == 6 {
		packet = packet[ipv6Header:]
	}
	if len(packet) < icmpHeader || packet[0] != e.request[0] || string(packet[6:8]) != string(e.request[6:8]) {
		return false
	}
	n := min(len(packet), len(e.request), icmpHeader+minICMPSize)
	return string(packet[icmpHeader:n]) == string(e.request[icmpHeader:n])
}

// trimIPv4 returns what follows the IP header of packet; nil if it is short.
func trimIPv4(packet []byte) []byte {
	if len(packet) == 0 {
		return nil
	}
	header := int(packet[0]&0xf) * 4
	if header > len(packet) {
		return nil
	}
	return packet[header:]
}

// checksum is the one of RFC 1071.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// datagram is a connected socket of datagrams for one question and its answer.
// The kernel takes the time of both: of the question when it enters the queue
// of the interface, of the answer when it comes from the driver.
type datagram struct {
	file *os.File
	raw  syscall.RawConn
	v6   bool
	// sent is when the kernel says that the question left; zero until it has.
	sent time.Time
	oob  [256]byte
}

// timestamping asks for software timestamps: of what comes, and of what goes
// without a copy of it.
const timestamping = unix.SOF_TIMESTAMPING_SOFTWARE | unix.SOF_TIMESTAMPING_RX_SOFTWARE |
	unix.SOF_TIMESTAMPING_TX_SCHED | unix.SOF_TIMESTAMPING_OPT_TSONLY

// timestampKeeper holds a socket that only exists. The kernel takes timestamps
// as long as any socket asks for them, and begins a moment after the first does:
// too late for the answer to a socket that was just made. Safe for concurrent use.
type timestampKeeper struct {
	mu   sync.Mutex
	file *os.File
}

// open opens the socket unless it is open.
func (k *timestampKeeper) open() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file != nil {
		return nil
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == unix.EAFNOSUPPORT {
		fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	}
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, timestamping); err != nil {
		unix.Close(fd)
		return os.NewSyscallError("setsockopt SO_TIMESTAMPING", err)
	}
	k.file = os.NewFile(uintptr(fd), "timestamps")
	return nil
}

func (k *timestampKeeper) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil {
		return nil
	}
	err := k.file.Close()
	k.file = nil
	return err
}

// familyOf returns the address family of the socket for to.
func familyOf(to netip.Addr) int {
	if to.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// connectDatagram takes the socket fd, which must not block, and connects it.
// The socket is closed on error.
func connectDatagram(fd int, to netip.AddrPort) (*datagram, error) {
	d := &datagram{v6: !to.Addr().Is4()}
	if err := d.setup(fd, to); err != nil {
		unix.Close(fd)
		return nil, err
	}
	d.file = os.NewFile(uintptr(fd), "datagram")
	raw, err := d.file.SyscallConn()
	if err != nil {
		d.file.Close()
		return nil, err
	}
	d.raw = raw
	return d, nil
}

func (d *datagram) setup(fd int, to netip.AddrPort) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, timestamping); err != nil {
		return os.NewSyscallError("setsockopt SO_TIMESTAMPING", err)
	}
	level, option := unix.SOL_IP, unix.IP_RECVERR
	if d.v6 {
		level, option = unix.SOL_IPV6, unix.IPV6_RECVERR
	}
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		return os.NewSyscallError("setsockopt RECVERR", err)
	}
	var sa unix.Sockaddr
	if d.v6 {
		sa6 := &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
		if zone := to.Addr().Zone(); zone != "" {
			ifi, err := net.InterfaceByName(zone)
			if err != nil {
				return fmt.Errorf("zone of %v: %w", to.Addr(), syscall.ENETUNREACH)
			}
			sa6.ZoneId = uint32(ifi.Index)
		}
		sa = sa6
	} else {
		sa = &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	return os.NewSyscallError("connect", unix.Connect(fd, sa))
}

// exchange sends the question and returns how long it took until answered took
// a datagram for the answer; the datagrams it does not take are dropped. An
// error that the network reports ends the exchange if concerns takes what is
// quoted of the datagram that it is about. buf is where datagrams are read.
func (d *datagram) exchange(ctx context.Context, question, buf []byte, answered, concerns func([]byte) bool) (time.Duration, error) {
	// One timer, that of ctx, is cheaper than a second one for the socket.
	stop := context.AfterFunc(ctx, func() { d.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()

	begin := time.Now()
	if _, err := d.file.Write(question); err != nil {
		return 0, err
	}
	var (
		received time.Time
		failure  error
	)
	if err := d.raw.Control(func(fd uintptr) { _, failure = d.readErrors(int(fd), buf, concerns) }); err != nil {
		return 0, err
	}
	if failure != nil {
		return 0, failure
	}
	err := d.raw.Read(func(fd uintptr) bool {
		for {
			n, oobn, _, _, err := unix.Recvmsg(int(fd), buf, d.oob[:], unix.MSG_DONTWAIT)
			switch err {
			case nil:
				if answered(buf[:n]) {
					received = receivedAt(d.oob[:oobn])
					return true
				}
			case unix.EINTR:
			case unix.EAGAIN:
				// Woken for the queue of errors, or not at all.
				_, failure = d.readErrors(int(fd), buf, concerns)
				return failure != nil
			default:
				// What the network reports is in the queue as well, with what it is
				// about; it may be about the question of another.
				var queued bool
				queued, failure = d.readErrors(int(fd), buf, concerns)
				if !queued {
					failure = os.NewSyscallError("recvmsg", err)
				}
				if failure != nil {
					return true
				}
			}
		}
	})
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return 0, err
	}
	if failure != nil {
		return 0, failure
	}
	return d.elapsed(begin, time.Now(), received), nil
}

// elapsed returns the time between the kernel's timestamps, and between begin
// and end where one is missing. The kernel's are of the wall clock: when it is
// set meanwhile, they lie outside of what the monotonic clock has measured
// around them, and are not used.
func (d *datagram) elapsed(begin, end, received time.Time) time.Duration {
	around := end.Sub(begin)
	sent := d.sent
	if sent.IsZero() {
		sent = begin.Round(0)
	}
	if received.IsZero() {
		received = end.Round(0)
	}
	if took := received.Sub(sent); took > 0 && took < around {
		return took
	}
	return around
}

// readErrors empties the socket's queue of errors up to the first that concerns
// the question, and returns that. queued tells whether there was any. The kernel
// also puts the time there when the question left.
func (d *datagram) readErrors(fd int, buf []byte, concerns func([]byte) bool) (queued bool, failure error) {
	for {
		n, oobn, _, _, err := unix.Recvmsg(fd, buf, d.oob[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return queued, nil // empty
		}
		queued = true
		var stamp time.Time
		var report *unix.SockExtendedErr
		for oob := d.oob[:oobn]; len(oob) > 0; {
			header, data, rest, err := unix.ParseOneSocketControlMessage(oob)
			if err != nil {
				break
			}
			oob = rest
			switch {
			case header.Level == unix.SOL_SOCKET && header.Type == unix.SCM_TIMESTAMPING:
				stamp = timestamp(data)
			case header.Level == unix.SOL_IP && header.Type == unix.IP_RECVERR,
				header.Level == unix.SOL_IPV6 && header.Type == unix.IPV6_RECVERR:
				if len(data) >= int(unsafe.Sizeof(unix.SockExtendedErr{})) {
					report = (*unix.SockExtendedErr)(unsafe.Pointer(&data[0]))
				}
			}
		}
		switch {
		case report == nil:
		case report.Origin == unix.SO_EE_ORIGIN_TIMESTAMPING:
			d.sent = stamp
		case report.Errno != 0 && concerns(buf[:n]):
			return queued, fmt.Errorf("reported by the network: %w", syscall.Errno(report.Errno))
		}
	}
}

// receivedAt returns the timestamp among the control messages of a datagram;
// zero if there is none.
func receivedAt(oob []byte) time.Time {
	for len(oob) > 0 {
		header, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		if header.Level == unix.SOL_SOCKET && header.Type == unix.SCM_TIMESTAMPING {
			return timestamp(data)
		}
		oob = rest
	}
	return time.Time{}
}

// timestamp reads the software timestamp of an SCM_TIMESTAMPING message; zero
// if there is none.
func timestamp(data []byte) time.Time {
	if len(data) < int(unsafe.Sizeof(unix.ScmTimestamping{})) {
		return time.Time{}
	}
	ts := (*unix.ScmTimestamping)(unsafe.Pointer(&data[0])).Ts[0]
	if ts.Sec == 0 && ts.Nsec == 0 {
		return time.Time{}
	}
	return time.Unix(ts.Unix())
}

func (d *datagram) close() error { return d.file.Close() }

package probe

import (
	"encoding/binary"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	wireEnv = "SONDE_TEST_WIRE"

	// near is this end of the wire, far the address at which the other end sends
	// everything back.
	near, far   = "198.18.0.1", "198.18.0.2"
	near6, far6 = "2001:db8::1", "2001:db8::2"
)

// layWire makes an interface whose other end sends every packet back after
// delay, with source and destination exchanged: what is sent to far reaches the
// servers of this namespace, their answers come from far, and a round trip is
// delayed twice. A query for port 53 is delayed once: the wire itself answers it,
// without records. Of each drop packets the first is lost; none is if drop
// is 0. The wire is a process of its own with a real-time priority,
// so that it keeps its times while the machine is busy.
func layWire(t testing.TB, delay time.Duration, drop int) {
	t.Helper()
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		t.Skip("needs a tunnel device: ", err)
	}
	defer tun.Close()
	request := struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: unix.IFF_TUN | unix.IFF_NO_PI}
	copy(request.name[:], "wire")
	raw, err := tun.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var errno syscall.Errno
	if err := raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, unix.TUNSETIFF, uintptr(unsafe.Pointer(&request)))
	}); err != nil || errno != 0 {
		t.Skip("may not make an interface: ", err, errno)
	}
	ip(t, "addr", "add", near+"/24", "dev", "wire")
	ip(t, "addr", "add", near6+"/64", "dev", "wire", "nodad")
	ip(t, "link", "set", "wire", "up")
	cmd := exec.Command(os.Args[0], "-test.run=^TestWireProcess$")
	cmd.Env = append(os.Environ(), wireEnv+"=1", "DELAY="+delay.String(), "DROP="+strconv.Itoa(drop), "GOGC=off")
	cmd.ExtraFiles = []*os.File{tun}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// TestWireProcess is the process behind layWire.
func TestWireProcess(t *testing.T) {
	if os.Getenv(wireEnv) == "" {
		t.Skip("is run by other tests")
	}
	delay, err := time.ParseDuration(os.Getenv("DELAY"))
	if err != nil {
		t.Fatal(err)
	}
	drop, err := strconv.Atoi(os.Getenv("DROP"))
	if err != nil {
		t.Fatal(err)
	}
	const fd = 3
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	// New threads inherit the priority of those that there are.
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		// Without the right to it, times are less exact.
		priority := int32(50)
		unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(id), unix.SCHED_FIFO, uintptr(unsafe.Pointer(&priority)))
	}

	// A queue is enough, as all wait equally long. Only raw system calls: the
	// runtime is not to put anything between two packets.
	type held struct {
		due  time.Duration
		size int
		data [2048]byte
	}
	queue := make([]held, 1024)
	first, last, seen := 0, 0, 0
	fds := []unix.PollFd{{Fd: fd, Events: unix.POLLIN}}
	// It takes a CPU a while to awake, so it stays awake when it has little to wait.
	const awake = 300 * time.Microsecond
	var wrote time.Duration
	for {
		now, _ := monotonic()
		var wait *unix.Timespec
		if first != last {
			ts := unix.NsecToTimespec(int64(max(0, queue[first%len(queue)].due-now-awake)))
			wait = &ts
		}
		if now-wrote < awake {
			wait = &unix.Timespec{}
		}
		fds[0].Revents = 0
		unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), 1, uintptr(unsafe.Pointer(wait)), 0, 0, 0)
		now, _ = monotonic()
		for ; first != last && queue[first%len(queue)].due <= now; first++ {
			h := &queue[first%len(queue)]
			unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&h.data[0])), uintptr(h.size))
			wrote = now
		}
		for last-first < len(queue) {
			h := &queue[last%len(queue)]
			n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&h.data[0])), uintptr(len(h.data)))
			if errno != 0 {
				break
			}
			if !exchangeAddresses(h.data[:n]) {
				continue
			}
			answerQuery(h.data[:n])
			seen++
			if drop > 0 && (seen-1)%drop == 0 {
				continue
			}
			now, _ := monotonic()
			h.due, h.size = now+delay, int(n)
			last++
		}
	}
}

// exchangeAddresses exchanges source and destination of a packet, which leaves
// all checksums as they are. It reports false for what only the interface sends
// by itself, such as router solicitations.
func exchangeAddresses(b []byte) bool {
	begin, size := 12, 4
	switch {
	case len(b) >= 40 && b[0]>>4 == 6:
		begin, size = 8, 16
		if b[24] == 0xff { // multicast
			return false
		}
	case len(b) < 20 || b[0]>>4 != 4:
		return false
	}
	var source [16]byte
	copy(source[:], b[begin:begin+size])
	copy(b[begin:], b[begin+size:begin+2*size])
	copy(b[begin+size:], source[:size])
	return true
}

// answerQuery makes a query of IPv4 the answer to itself.
func answerQuery(b []byte) {
	const udp, protocol = 20, 17 // the header of IPv4 has no options here
	if len(b) < udp+8+12 || b[0] != 0x45 || b[9] != protocol || binary.BigEndian.Uint16(b[udp+2:]) != 53 {
		return
	}
	copy(b[udp+2:udp+4], b[udp:udp+2])
	binary.BigEndian.PutUint16(b[udp:], 53)
	b[udp+8+2] |= 0x80
	binary.BigEndian.PutUint16(b[udp+6:], 0) // no checksum
}

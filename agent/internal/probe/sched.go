package probe

import (
	"context"
	"math/rand/v2"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	defaultWakeups = 4
	maxWakeups     = 100
	maxNap         = 4 * time.Millisecond
)

func checkSched(s *Spec) error {
	if s.Target != "" {
		return &FieldError{"target", s.Target, "must be empty: the kind measures the machine it runs on"}
	}
	return checkRange("sched.wakeups", s.Sched.Wakeups, 1, maxWakeups)
}

// schedProber sleeps until a timer of the kernel expires and measures how much
// later it runs: the interrupt, the wait for a CPU, and the runtime's part.
// Each attempt does so several times, with naps of random length so that they
// do not keep step with what else is periodic.
type schedProber struct {
	wakeups int
	nap     time.Duration // the longest

	// Of the one attempt that runs, and of close after it.
	timer *os.File
	raw   syscall.RawConn // timer's
	fd    int             // timer's, which timer.Fd would make a blocking one
}

func newSchedProber(s Spec, _ *Config) prober {
	wakeups := s.Sched.Wakeups
	if wakeups == 0 {
		wakeups = defaultWakeups
	}
	// All naps together take at most half of the interval, and of the timeout.
	half := min(time.Duration(s.Interval), s.timeout()) / 2
	return &schedProber{wakeups: wakeups, nap: min(maxNap, half/time.Duration(wakeups))}
}

func (p *schedProber) attempt(ctx context.Context, a *attempt) (Outcome, error) {
	if p.timer == nil {
		fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
		if err != nil {
			return Error, os.NewSyscallError("timerfd_create", err)
		}
		timer := os.NewFile(uintptr(fd), "timer")
		raw, err := timer.SyscallConn()
		if err != nil {
			timer.Close()
			return Error, err
		}
		p.timer, p.raw, p.fd = timer, raw, fd
	}
	for range p.wakeups {
		// A nap is short enough not to be interrupted.
		if err := ctx.Err(); err != nil {
			return outcomeOf(err), err
		}
		late, err := p.wake(p.nap/4 + rand.N(p.nap*3/4+1))
		if err != nil {
			return outcomeOf(err), err
		}
		a.add(phaseTotal, late)
	}
	return Success, nil
}

// wake sleeps and returns how late it awoke. What the timer has to say is not
// read, since to set it anew clears it.
func (p *schedProber) wake(nap time.Duration) (time.Duration, error) {
	now, err := monotonic()
	if err != nil {
		return 0, err
	}
	target := now + nap
	if err := unix.TimerfdSettime(p.fd, unix.TFD_TIMER_ABSTIME, &unix.ItimerSpec{
		Value: unix.NsecToTimespec(int64(target)),
	}, nil); err != nil {
		return 0, os.NewSyscallError("timerfd_settime", err)
	}
	// Called at first, and then whenever the timer has expired.
	rerr := p.raw.Read(func(uintptr) bool {
		now, err = monotonic()
		return err != nil || now >= target
	})
	if err == nil {
		err = rerr
	}
	return now - target, err
}

// monotonic returns the clock of the timer. The call is raw because the runtime,
// told of a system call, wakes its monitor, which costs more than the nap.
func monotonic() (time.Duration, error) {
	var ts unix.Timespec
	_, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		return 0, os.NewSyscallError("clock_gettime", errno)
	}
	return time.Duration(ts.Nano()), nil
}

func (p *schedProber) close() error {
	if p.timer == nil {
		return nil
	}
	return p.timer.Close()
}

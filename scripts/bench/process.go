package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a program that was started here.
type process struct {
	cmd    *exec.Cmd
	output output
	exited chan struct{}
	err    error // once exited is closed
}

// start runs a program until it ends or ctx does, which kills it.
func start(ctx context.Context, path string, args ...string) (*process, error) {
	return startCommand(exec.CommandContext(ctx, path, args...))
}

func startCommand(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	// Dies with this program, however that ends.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// stop asks the program to end and waits until it has.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(15 * time.Second):
		p.kill()
	}
}

// kill ends the program by SIGKILL.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// awaitLimit is how long anything may take.
const awaitLimit = 5 * time.Minute

// await polls until done, or the program ends, or the limit is over.
func (p *process) await(what string, done func() bool) error {
	timeout := time.After(awaitLimit)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !done() {
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended (%v) before %s:\n%s", p.cmd.Path, p.err, what, p.output.String())
		case <-timeout:
			return fmt.Errorf("waited in vain for %s:\n%s", what, p.output.String())
		case <-poll.C:
		}
	}
	return nil
}

// cpu is the CPU time that the program has taken, of all its threads, in user
// and kernel mode, to the nanosecond.
func (p *process) cpu() (time.Duration, error) {
	const schedClock = 2
	var ts unix.Timespec
	clock := int32(^p.cmd.Process.Pid)<<3 | schedClock
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0, fmt.Errorf("reading the CPU clock of %d: %w", p.cmd.Process.Pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

var (
	memoryLine = regexp.MustCompile(`(?m)^(VmRSS|RssAnon):\s+(\d+) kB$`)
	peakLine   = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)
)

// peak is the most memory in bytes that was resident at a time.
func (p *process) peak() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	m := peakLine.FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("the status of process %d has no VmHWM", p.cmd.Process.Pid)
	}
	kb, err := strconv.ParseFloat(string(m[1]), 64)
	return kb * 1024, err
}

// memory returns the resident memory in bytes, and how much of it is no file's.
func (p *process) memory() (rss, anon float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for _, m := range memoryLine.FindAllSubmatch(text, -1) {
		kb, _ := strconv.ParseFloat(string(m[2]), 64) // \d+
		if string(m[1]) == "VmRSS" {
			rss = kb * 1024
		} else {
			anon = kb * 1024
		}
	}
	return rss, anon, nil
}

// output collects what a program prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// answers waits until the program answers at url.
func (p *process) answers(url string) error {
	return p.await(url, func() bool {
		res, err := http.Get(url)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// freeAddress is one of this machine on which nothing listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

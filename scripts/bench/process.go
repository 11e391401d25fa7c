package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
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
	p := &process{cmd: exec.CommandContext(ctx, path, args...), exited: make(chan struct{})}
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

// await polls until done, or the program ends, or half a minute is over.
func (p *process) await(what string, done func() bool) error {
	timeout := time.After(30 * time.Second)
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

// server is a sonde server with data of its own.
type server struct {
	*process
	dir, url, address string
}

// startServer runs a server over a new folder in dir.
func startServer(ctx context.Context, dir string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	data, err := os.MkdirTemp(dir, "server-*")
	if err != nil {
		return nil, err
	}
	s := &server{dir: data, url: "http://" + address, address: address}
	if err := s.start(ctx, dir); err != nil {
		os.RemoveAll(data)
		return nil, err
	}
	return s, nil
}

// start runs the program in dir over the server's folder and waits until it
// answers.
func (s *server) start(ctx context.Context, dir string) (err error) {
	s.process, err = start(ctx, filepath.Join(dir, "sonde"), "server", "--data-dir", s.dir, "--listen", s.address, "--log-level", "warn")
	if err != nil {
		return err
	}
	err = s.await("the server", func() bool {
		res, err := http.Get(s.url + "/healthz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	if err != nil {
		s.stop()
	}
	return err
}

func (s *server) close() {
	s.stop()
	os.RemoveAll(s.dir)
}

func (s *server) joinToken() string { return filepath.Join(s.dir, "join-token") }

func (s *server) adminToken() string { return filepath.Join(s.dir, "admin-token") }

// get asks the server as its admin.
func (s *server) get(path string) ([]byte, error) {
	token, err := os.ReadFile(s.adminToken())
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodGet, s.url+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", path, res.Status, body)
	}
	return body, err
}

// counter finds a counter without labels in what /metrics answers.
func counter(text []byte, name string) (float64, error) {
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("/metrics lacks %s", name)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

package procfs

import (
	"bytes"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// ProcessStates are the states of [Processes.States]: running, sleeping, waiting
// for I/O, zombie, stopped, traced, idle (kernel threads), dead.
const ProcessStates = "RSDZTtIX"

// Processes counts what runs in the process namespace of PROC.
type Processes struct {
	Count int
	// HasStates is false when there were more processes than the limit given:
	// then States and Threads were not counted.
	HasStates bool
	States    [len(ProcessStates)]int
	Threads   int
}

// Processes counts processes, and by reading PROC/PID/stat of each their states
// and threads. That costs some 5 µs of CPU a process, so it is done only when
// there are at most limit. Processes that end meanwhile are not counted.
func (fs FS) Processes(limit int) (Processes, error) {
	dir, err := os.Open(fs.Proc)
	if err != nil {
		return Processes{}, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return Processes{}, err
	}
	pids := names[:0]
	for _, name := range names {
		if name[0] >= '0' && name[0] <= '9' {
			pids = append(pids, name)
		}
	}
	if len(pids) > limit {
		return Processes{Count: len(pids)}, nil
	}
	p := Processes{HasStates: true}
	buf := make([]byte, 1024)
	for _, pid := range pids {
		b, ok := readAt(dir, pid+"/stat", buf)
		if !ok {
			continue
		}
		if err := parseProcess(b, &p); err != nil {
			err.File = fs.proc(pid + "/stat")
			return Processes{}, err
		}
	}
	return p, nil
}

// readAt reads a file beneath dir in one go; ok is false when it is gone.
func readAt(dir *os.File, name string, buf []byte) (b []byte, ok bool) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	runtime.KeepAlive(dir)
	if err != nil {
		return nil, false
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, buf)
	if err != nil || n <= 0 {
		return nil, false
	}
	return buf[:n], true
}

func parseProcess(b []byte, p *Processes) *ParseError {
	// The command's name, in parentheses, may hold parentheses and spaces.
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return &ParseError{Line: 1, Reason: "no command name"}
	}
	state, rest := field(b[end+1:])
	if len(state) != 1 {
		return &ParseError{Line: 1, Reason: "no state"}
	}
	var word []byte
	for range 17 { // num_threads is the 20th field, the state the third
		word, rest = field(rest)
	}
	threads, ok := parseUint(word)
	if !ok || threads > 1<<30 {
		return &ParseError{Line: 1, Reason: "the number of threads is not a number"}
	}
	p.Count++
	p.Threads += int(threads)
	for i := range len(ProcessStates) {
		if ProcessStates[i] == state[0] {
			p.States[i]++
		}
	}
	return nil
}

package procfs

import "bytes"

// Modes are the CPU modes of [CPU.Seconds], in the kernel's order.
var Modes = [...]string{"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"}

// userHZ is the unit of CPU times in /proc/stat: USER_HZ, which is 100 on every
// architecture that Go compiles for.
const userHZ = 100

// CPU is what one logical CPU has spent its time on since boot. CPUs that are
// offline do not appear, so numbers may have holes.
type CPU struct {
	ID      int
	Seconds [len(Modes)]float64
}

// Stat is /proc/stat.
type Stat struct {
	CPUs            []CPU
	Interrupts      uint64 // serviced since boot
	ContextSwitches uint64
	Forks           uint64
	BootTime        uint64 // seconds since 1970
	Running         uint64 // tasks
	Blocked         uint64 // tasks that wait for I/O
}

// Stat opens /proc/stat.
func (fs FS) Stat() *Source[Stat] { return newSource(parseStat, fs.proc("stat")) }

func parseStat(b []byte, s *Stat) error {
	*s = Stat{CPUs: s.CPUs[:0]}
	l := lines{rest: b}
	seen := 0
	for {
		line, ok := l.next()
		if !ok {
			break
		}
		name, rest := field(line)
		var dst *uint64
		switch string(name) {
		case "cpu", "softirq", "":
			continue
		case "intr":
			dst = &s.Interrupts
		case "ctxt":
			dst = &s.ContextSwitches
		case "processes":
			dst = &s.Forks
		case "btime":
			dst = &s.BootTime
		case "procs_running":
			dst = &s.Running
		case "procs_blocked":
			dst = &s.Blocked
		default:
			if id, found := bytes.CutPrefix(name, []byte("cpu")); found {
				if err := s.addCPU(&l, id, rest); err != nil {
					return err
				}
			}
			continue
		}
		word, _ := field(rest)
		if *dst, ok = parseUint(word); !ok {
			return l.malformed("%s is %q, not a number", name, word)
		}
		seen++
	}
	if len(s.CPUs) == 0 {
		return incomplete("CPU lines")
	}
	if seen < 6 {
		return incomplete("complete list of intr, ctxt, btime, processes, procs_running and procs_blocked")
	}
	return nil
}

func (s *Stat) addCPU(l *lines, id, rest []byte) error {
	number, ok := parseUint(id)
	if !ok || number > 1<<20 {
		return l.malformed("CPU number %q", id)
	}
	var ticks [len(Modes)]uint64
	n, ok := uints(rest, ticks[:])
	if !ok {
		return l.malformed("CPU time %d of cpu%d is not a number", n+1, number)
	}
	if n < len(ticks) {
		return l.malformed("%d CPU times, not %d", n, len(ticks))
	}
	cpu := CPU{ID: int(number)}
	for i, t := range ticks {
		cpu.Seconds[i] = float64(t) / userHZ
	}
	s.CPUs = append(s.CPUs, cpu)
	return nil
}

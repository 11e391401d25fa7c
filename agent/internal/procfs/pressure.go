package procfs

import "bytes"

// Pressure is one file of /proc/pressure: for how long tasks stood still for
// want of a resource since boot.
type Pressure struct {
	WaitingSeconds float64 // at least one task
	StalledSeconds float64 // all tasks at once
	// HasStalled is false when the kernel does not tell of all tasks, which for
	// the CPU it does only since 5.13.
	HasStalled bool
}

// Pressure opens /proc/pressure/RESOURCE, where the resource is cpu, memory or
// io. The files are missing when the kernel was built without them; when it was
// started without them, reading gives [golang.org/x/sys/unix.EOPNOTSUPP].
func (fs FS) Pressure(resource string) *Source[Pressure] {
	return newSource(parsePressure, fs.proc("pressure/"+resource))
}

func parsePressure(b []byte, s *Pressure) error {
	*s = Pressure{}
	l := lines{rest: b}
	some := false
	for {
		line, ok := l.next()
		if !ok {
			break
		}
		kind, rest := field(line)
		_, total, found := bytes.Cut(rest, []byte("total="))
		if !found {
			return l.malformed("no total in %q", line)
		}
		word, _ := field(total)
		micros, ok := parseUint(word)
		if !ok {
			return l.malformed("total is %q, not a number", word)
		}
		switch string(kind) {
		case "some":
			s.WaitingSeconds, some = float64(micros)/1e6, true
		case "full":
			s.StalledSeconds, s.HasStalled = float64(micros)/1e6, true
		}
	}
	if !some {
		return incomplete(`line "some"`)
	}
	return nil
}

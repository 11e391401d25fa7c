package procfs

import "bytes"

// Meminfo is /proc/meminfo, in its own order and with its own names. Values that
// the kernel gives in kB (1,024 bytes) are in bytes; others are plain counts.
type Meminfo struct {
	Entries []Entry
}

// Meminfo opens /proc/meminfo.
func (fs FS) Meminfo() *Source[Meminfo] { return newSource(parseMeminfo, fs.proc("meminfo")) }

func parseMeminfo(b []byte, s *Meminfo) error {
	s.Entries = s.Entries[:0]
	l := lines{rest: b}
	for {
		line, ok := l.next()
		if !ok {
			break
		}
		if len(line) == 0 {
			continue
		}
		name, rest, found := bytes.Cut(line, []byte(":"))
		if !found {
			return l.malformed("no colon in %q", line)
		}
		word, rest := field(rest)
		value, ok := parseUint(word)
		if !ok {
			return l.malformed("%s is %q, not a number", name, word)
		}
		unit, _ := field(rest)
		switch string(unit) {
		case "kB":
			s.Entries = append(s.Entries, Entry{Name: name, Value: float64(value) * 1024})
		case "":
			s.Entries = append(s.Entries, Entry{Name: name, Value: float64(value)})
		default:
			return l.malformed("%s has the unit %q", name, unit)
		}
	}
	if len(s.Entries) == 0 {
		return incomplete("values")
	}
	return nil
}

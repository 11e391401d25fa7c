package procfs

// Vmstat is /proc/vmstat, in its own order and with its own names.
type Vmstat struct {
	Entries []Entry
}

// Vmstat opens /proc/vmstat.
func (fs FS) Vmstat() *Source[Vmstat] { return newSource(parseVmstat, fs.proc("vmstat")) }

func parseVmstat(b []byte, s *Vmstat) error {
	s.Entries = s.Entries[:0]
	l := lines{rest: b}
	for {
		line, ok := l.next()
		if !ok {
			break
		}
		name, rest := field(line)
		if len(name) == 0 {
			continue
		}
		word, _ := field(rest)
		// Some gauges of this file may be shown as negative for a moment.
		value, ok := parseNumber(word)
		if !ok {
			return l.malformed("%s is %q, not a number", name, word)
		}
		s.Entries = append(s.Entries, Entry{Name: name, Value: value})
	}
	if len(s.Entries) == 0 {
		return incomplete("values")
	}
	return nil
}

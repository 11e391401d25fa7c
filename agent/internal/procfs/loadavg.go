package procfs

// Loadavg is /proc/loadavg: the mean number of tasks that run or wait over the
// last 1, 5 and 15 minutes.
type Loadavg struct {
	Load1, Load5, Load15 float64
}

// Loadavg opens /proc/loadavg.
func (fs FS) Loadavg() *Source[Loadavg] { return newSource(parseLoadavg, fs.proc("loadavg")) }

func parseLoadavg(b []byte, s *Loadavg) error {
	l := lines{rest: b}
	line, _ := l.next()
	for i, dst := range []*float64{&s.Load1, &s.Load5, &s.Load15} {
		var word []byte
		word, line = field(line)
		var ok bool
		if *dst, ok = parseDecimal(word); !ok {
			return l.malformed("load %d is %q, not a number", i+1, word)
		}
	}
	return nil
}

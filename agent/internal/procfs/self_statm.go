package procfs

import "os"

// Memory is what a process has in memory.
type Memory struct {
	ResidentBytes float64
}

// SelfMemory opens PROC/self/statm.
func (fs FS) SelfMemory() *Source[Memory] { return newSource(parseStatm, fs.proc("self/statm")) }

var pageSize = float64(os.Getpagesize())

func parseStatm(b []byte, s *Memory) error {
	l := lines{rest: b}
	line, _ := l.next()
	_, rest := field(line)
	word, _ := field(rest)
	pages, ok := parseUint(word)
	if !ok {
		return l.malformed("resident size is %q, not a number", word)
	}
	s.ResidentBytes = float64(pages) * pageSize
	return nil
}

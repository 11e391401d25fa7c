package procfs

import (
	"bytes"
)

// Mount is one mounted file system. Its bytes belong to the [Source].
type Mount struct {
	Device, Mountpoint, Type []byte
	ReadOnly                 bool
}

// Mounts is the table of mounts of process 1, in the order of mounting: where a
// mountpoint stands twice, the later mount hides the earlier.
type Mounts struct {
	Mounts []Mount

	unescaped []byte
}

// Mounts opens PROC/1/mounts, or PROC/self/mounts where that is not readable.
func (fs FS) Mounts() *Source[Mounts] {
	return newSource(parseMounts, fs.proc("1/mounts"), fs.proc("self/mounts"))
}

func parseMounts(b []byte, s *Mounts) error {
	s.Mounts, s.unescaped = s.Mounts[:0], s.unescaped[:0]
	l := lines{rest: b}
	for {
		line, ok := l.next()
		if !ok {
			return nil
		}
		device, rest := field(line)
		mountpoint, rest := field(rest)
		kind, rest := field(rest)
		options, _ := field(rest)
		if len(options) == 0 {
			return l.malformed("fewer than 4 fields in %q", line)
		}
		s.Mounts = append(s.Mounts, Mount{
			Device:     s.unescape(device),
			Mountpoint: s.unescape(mountpoint),
			Type:       kind,
			ReadOnly:   bytes.Equal(options, []byte("ro")) || bytes.HasPrefix(options, []byte("ro,")),
		})
	}
}

// unescape undoes the kernel's \ooo for space, tab, newline and backslash.
func (s *Mounts) unescape(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	start := len(s.unescaped)
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+3 < len(b) && isOctal(b[i+1:i+4]) {
			s.unescaped = append(s.unescaped, (b[i+1]-'0')<<6|(b[i+2]-'0')<<3|(b[i+3]-'0'))
			i += 3
			continue
		}
		s.unescaped = append(s.unescaped, b[i])
	}
	return s.unescaped[start:len(s.unescaped):len(s.unescaped)]
}

func isOctal(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '7' {
			return false
		}
	}
	return b[0] <= '3'
}

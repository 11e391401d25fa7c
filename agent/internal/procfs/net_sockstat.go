package procfs

import "bytes"

// NetSockstat opens net/sockstat of the host's network namespace: sockets in use
// by protocol. The group of an entry is the protocol; "mem" is in pages.
func (fs FS) NetSockstat() *Source[NetCounters] {
	return newSource(parseNetSockstat, fs.net("sockstat")...)
}

// NetSockstat6 opens net/sockstat6, which is missing where IPv6 is off.
func (fs FS) NetSockstat6() *Source[NetCounters] {
	return newSource(parseNetSockstat, fs.net("sockstat6")...)
}

func parseNetSockstat(b []byte, s *NetCounters) error {
	s.Entries = s.Entries[:0]
	l := lines{rest: b}
	for {
		line, ok := l.next()
		if !ok {
			break
		}
		group, rest, found := bytes.Cut(line, []byte(":"))
		if !found {
			return l.malformed("no protocol in %q", line)
		}
		for {
			var name, word []byte
			name, rest = field(rest)
			if len(name) == 0 {
				break
			}
			word, rest = field(rest)
			value, ok := parseUint(word)
			if !ok {
				return l.malformed("%s %s is %q, not a number", group, name, word)
			}
			s.Entries = append(s.Entries, Entry{Group: group, Name: name, Value: float64(value)})
		}
	}
	if len(s.Entries) == 0 {
		return incomplete("counters")
	}
	return nil
}

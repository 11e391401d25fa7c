package procfs

import "bytes"

// NetCounters is a file of counters by protocol, in which each line of names is
// followed by a line of values.
type NetCounters struct {
	Entries []Entry
}

// NetSNMP opens net/snmp of the host's network namespace: IP, ICMP, TCP and UDP.
func (fs FS) NetSNMP() *Source[NetCounters] { return newSource(parseNetCounters, fs.net("snmp")...) }

func parseNetCounters(b []byte, s *NetCounters) error {
	s.Entries = s.Entries[:0]
	l := lines{rest: b}
	for {
		names, ok := l.next()
		if !ok {
			break
		}
		group, names, found := bytes.Cut(names, []byte(":"))
		if !found {
			return l.malformed("no protocol")
		}
		values, _ := l.next()
		again, values, _ := bytes.Cut(values, []byte(":"))
		if !bytes.Equal(group, again) {
			return l.malformed("values of %q after names of %q", again, group)
		}
		for {
			var name, word []byte
			name, names = field(names)
			word, values = field(values)
			if len(name) == 0 && len(word) == 0 {
				break
			}
			if len(name) == 0 || len(word) == 0 {
				return l.malformed("%s has not as many values as names", group)
			}
			value, ok := parseNumber(word)
			if !ok {
				return l.malformed("%s %s is %q, not a number", group, name, word)
			}
			s.Entries = append(s.Entries, Entry{Group: group, Name: name, Value: value})
		}
	}
	if len(s.Entries) == 0 {
		return incomplete("counters")
	}
	return nil
}

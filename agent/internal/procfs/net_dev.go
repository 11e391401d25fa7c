package procfs

import "bytes"

// The columns of /proc/net/dev.
const (
	ReceiveBytes = iota
	ReceivePackets
	ReceiveErrs
	ReceiveDrop
	ReceiveFIFO
	ReceiveFrame
	ReceiveCompressed
	ReceiveMulticast
	TransmitBytes
	TransmitPackets
	TransmitErrs
	TransmitDrop
	TransmitFIFO
	TransmitColls
	TransmitCarrier
	TransmitCompressed
	netDevColumns
)

// NetDevice is what a network device has counted. The bytes of its name belong
// to the [Source].
type NetDevice struct {
	Name     []byte
	Counters [netDevColumns]uint64
}

// NetDev is /proc/net/dev.
type NetDev struct {
	Devices []NetDevice
}

// NetDev opens net/dev of the host's network namespace.
func (fs FS) NetDev() *Source[NetDev] { return newSource(parseNetDev, fs.net("dev")...) }

func parseNetDev(b []byte, s *NetDev) error {
	s.Devices = s.Devices[:0]
	l := lines{rest: b}
	for {
		line, ok := l.next()
		if !ok {
			break
		}
		if l.n <= 2 { // headings
			continue
		}
		// The last colon: the name of an alias has one of its own.
		colon := bytes.LastIndexByte(line, ':')
		if colon < 0 {
			return l.malformed("no colon in %q", line)
		}
		device := NetDevice{Name: trimSpace(line[:colon])}
		if len(device.Name) == 0 {
			return l.malformed("no device name in %q", line)
		}
		n, ok := uints(line[colon+1:], device.Counters[:])
		if !ok {
			return l.malformed("counter %d of %s is not a number", n+1, device.Name)
		}
		if n < netDevColumns {
			return l.malformed("%s has %d counters, not %d", device.Name, n, netDevColumns)
		}
		s.Devices = append(s.Devices, device)
	}
	if l.n < 2 {
		return incomplete("headings")
	}
	return nil
}

package procfs

// sectorSize is the unit of /proc/diskstats, whatever the device's own is.
const sectorSize = 512

// Disk is what a block device has done since boot. The bytes of its name belong
// to the [Source].
type Disk struct {
	Name []byte

	Reads, ReadsMerged   uint64
	ReadBytes            float64
	ReadSeconds          float64
	Writes, WritesMerged uint64
	WrittenBytes         float64
	WriteSeconds         float64
	InFlight             uint64  // requests now
	BusySeconds          float64 // with at least one request in flight
	WeightedSeconds      float64 // each request's time, added up

	HasDiscards              bool // since Linux 4.18
	Discards, DiscardsMerged uint64
	DiscardedSectors         uint64
	DiscardSeconds           float64

	HasFlushes   bool // since Linux 5.5
	Flushes      uint64
	FlushSeconds float64
}

// Diskstats is /proc/diskstats.
type Diskstats struct {
	Disks []Disk
}

// Diskstats opens /proc/diskstats.
func (fs FS) Diskstats() *Source[Diskstats] {
	return newSource(parseDiskstats, fs.proc("diskstats"))
}

func parseDiskstats(b []byte, s *Diskstats) error {
	s.Disks = s.Disks[:0]
	l := lines{rest: b}
	for {
		line, ok := l.next()
		if !ok {
			return nil
		}
		_, rest := field(line)
		_, rest = field(rest)
		name, rest := field(rest)
		if len(name) == 0 {
			return l.malformed("no device name in %q", line)
		}
		var v [17]uint64
		n, ok := uints(rest, v[:])
		if !ok {
			return l.malformed("value %d of %s is not a number", n+1, name)
		}
		// Kernels before 2.6.25 give 4 values for a partition, later ones 11, 15, 17.
		if n != 11 && n != 15 && n != 17 {
			return l.malformed("%s has %d values, not 11, 15 or 17", name, n)
		}
		s.Disks = append(s.Disks, Disk{
			Name:  name,
			Reads: v[0], ReadsMerged: v[1], ReadBytes: float64(v[2]) * sectorSize, ReadSeconds: millis(v[3]),
			Writes: v[4], WritesMerged: v[5], WrittenBytes: float64(v[6]) * sectorSize, WriteSeconds: millis(v[7]),
			InFlight: v[8], BusySeconds: millis(v[9]), WeightedSeconds: millis(v[10]),
			HasDiscards: n >= 15,
			Discards:    v[11], DiscardsMerged: v[12], DiscardedSectors: v[13], DiscardSeconds: millis(v[14]),
			HasFlushes: n >= 17,
			Flushes:    v[15], FlushSeconds: millis(v[16]),
		})
	}
}

func millis(v uint64) float64 { return float64(v) / 1000 }

package collect

import (
	"regexp"
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

// virtualDisk matches block devices that are never a disk: files mounted as
// disks, memory, floppies. node_exporter leaves out the same.
var virtualDisk = regexp.MustCompile(`^(z?ram|loop|fd)\d+$`)

// partition matches partitions, for where /sys/block does not tell; their counts
// are in those of their disk.
var partition = regexp.MustCompile(`^((h|s|v|xv)d[a-z]+|nvme\d+n\d+p|mmcblk\d+p)\d+$`)

type disk struct {
	every
	fs     procfs.FS
	source *procfs.Source[procfs.Diskstats]

	wanted map[string]bool // by device, of all that were ever seen
	shapes []diskShape     // of the devices in the schema
	schema *sample.Schema
}

// diskShape is what decides which series a disk has.
type diskShape struct {
	name             string
	discard, flushes bool
}

func newDisk(fs procfs.FS) *disk {
	return &disk{every: every{"disk", time.Second}, fs: fs, source: fs.Diskstats(), wanted: make(map[string]bool)}
}

func (c *disk) Collect(_ time.Time, row *Row) error {
	stats, err := c.source.Read()
	if err != nil {
		return err
	}
	disks := stats.Disks[:0]
	ignored := 0
	for _, d := range stats.Disks {
		switch {
		case !c.wants(d.Name):
		case len(disks) == maxDevices || !labelable(d.Name):
			ignored++
		default:
			disks = append(disks, d)
		}
	}
	if !c.fits(disks) {
		c.fit(disks)
	}
	row.Begin(c.schema)
	row.Ignore(ignored)
	for i := range disks {
		writeDisk(row, &disks[i])
	}
	return nil
}

// wants decides once a device. Names come from a small set that the kernel
// reuses, but where one does not, the decisions do not pile up.
func (c *disk) wants(name []byte) bool {
	want, known := c.wanted[string(name)]
	if known {
		return want
	}
	s := string(name)
	if !virtualDisk.MatchString(s) {
		whole, told := c.fs.IsDisk(s)
		want = whole || !told && !partition.MatchString(s)
	}
	if len(c.wanted) > 16*maxDevices {
		clear(c.wanted)
	}
	c.wanted[s] = want
	return want
}

func (c *disk) fits(disks []procfs.Disk) bool {
	if c.schema == nil || len(disks) != len(c.shapes) {
		return false
	}
	for i := range disks {
		d, shape := &disks[i], &c.shapes[i]
		if string(d.Name) != shape.name || d.HasDiscards != shape.discard || d.HasFlushes != shape.flushes {
			return false
		}
	}
	return true
}

func (c *disk) fit(disks []procfs.Disk) {
	c.shapes = c.shapes[:0]
	var all []sample.Series
	for i := range disks {
		d := &disks[i]
		name := string(d.Name)
		c.shapes = append(c.shapes, diskShape{name: name, discard: d.HasDiscards, flushes: d.HasFlushes})
		add := func(metrics ...string) {
			for _, metric := range metrics {
				all = append(all, series("node_disk_"+metric, "device", name))
			}
		}
		add("reads_completed_total", "reads_merged_total", "read_bytes_total", "read_time_seconds_total",
			"writes_completed_total", "writes_merged_total", "written_bytes_total", "write_time_seconds_total",
			"io_now", "io_time_seconds_total", "io_time_weighted_seconds_total")
		if d.HasDiscards {
			add("discards_completed_total", "discards_merged_total", "discarded_sectors_total", "discard_time_seconds_total")
		}
		if d.HasFlushes {
			add("flush_requests_total", "flush_requests_time_seconds_total")
		}
	}
	c.schema = sample.NewSchema(all)
}

func writeDisk(row *Row, d *procfs.Disk) {
	row.Float(float64(d.Reads))
	row.Float(float64(d.ReadsMerged))
	row.Float(d.ReadBytes)
	row.Float(d.ReadSeconds)
	row.Float(float64(d.Writes))
	row.Float(float64(d.WritesMerged))
	row.Float(d.WrittenBytes)
	row.Float(d.WriteSeconds)
	row.Float(float64(d.InFlight))
	row.Float(d.BusySeconds)
	row.Float(d.WeightedSeconds)
	if d.HasDiscards {
		row.Float(float64(d.Discards))
		row.Float(float64(d.DiscardsMerged))
		row.Float(float64(d.DiscardedSectors))
		row.Float(d.DiscardSeconds)
	}
	if d.HasFlushes {
		row.Float(float64(d.Flushes))
		row.Float(d.FlushSeconds)
	}
}

package collect

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

// excludedTypes are file systems that hold no files of people, or whose space is
// that of another one: overlay and squashfs are those of containers and snaps.
// node_exporter leaves out the same.
var excludedTypes = map[string]bool{
	"autofs": true, "binfmt_misc": true, "bpf": true, "cgroup": true, "cgroup2": true,
	"configfs": true, "debugfs": true, "devpts": true, "devtmpfs": true, "erofs": true,
	"fusectl": true, "hugetlbfs": true, "iso9660": true, "mqueue": true, "nsfs": true,
	"overlay": true, "proc": true, "procfs": true, "pstore": true, "rpc_pipefs": true,
	"securityfs": true, "selinuxfs": true, "squashfs": true, "sysfs": true, "tracefs": true,
}

// excludedTrees are folders beneath which containers and services have mounts of
// their own, that come and go with them. node_exporter leaves out all but the last
// two, which are those of Kubernetes' pods.
var excludedTrees = [][]byte{
	[]byte("/run/credentials/"), []byte("/var/lib/docker/"), []byte("/var/lib/containers/storage/"),
	[]byte("/run/containerd/"), []byte("/var/lib/kubelet/pods/"),
}

func excludedMountpoint(mountpoint []byte) bool {
	for _, tree := range excludedTrees {
		if bytes.HasPrefix(mountpoint, tree) {
			return true
		}
	}
	for _, tree := range []string{"/dev", "/proc", "/sys"} {
		rest, found := bytes.CutPrefix(mountpoint, []byte(tree))
		if found && (len(rest) == 0 || rest[0] == '/') {
			return true
		}
	}
	return false
}

const (
	// statTimeout is how long a file system has to say how full it is.
	statTimeout = time.Second
	// maxPending bounds the goroutines that hang in statfs at once. A mount that
	// hangs is not asked again before it has answered.
	maxPending = 16
)

var errHangs = errors.New("file system does not answer")

// filesystem runs every 10 s: how full a file system is changes slowly.
type filesystem struct {
	every
	source *procfs.Source[procfs.Mounts]
	statfs func(mountpoint string) (procfs.Filesystem, error)

	pending map[string]chan stated // of mounts that hang, by mountpoint
	timer   *time.Timer

	mounts []mount // in the schema
	schema *sample.Schema
}

// mount is what decides which series a mounted file system has.
type mount struct {
	device, mountpoint, kind string
	failed                   bool
}

type stated struct {
	fs  procfs.Filesystem
	err error
}

func newFilesystem(fs procfs.FS) *filesystem {
	timer := time.NewTimer(statTimeout)
	timer.Stop()
	return &filesystem{
		every:   every{"filesystem", 10 * time.Second},
		source:  fs.Mounts(),
		statfs:  fs.Statfs,
		pending: make(map[string]chan stated),
		timer:   timer,
	}
}

func (c *filesystem) Collect(_ time.Time, row *Row) error {
	table, err := c.source.Read()
	if err != nil {
		return err
	}
	mounts, readOnly, ignored := visible(table.Mounts)
	for mountpoint, answer := range c.pending {
		select {
		case <-answer:
			delete(c.pending, mountpoint)
		default:
		}
	}
	stats := make([]procfs.Filesystem, len(mounts))
	for i := range mounts {
		stats[i], err = c.stat(mounts[i].mountpoint)
		mounts[i].failed = err != nil
	}
	if c.schema == nil || !slices.Equal(mounts, c.mounts) {
		c.fit(mounts)
	}
	row.Begin(c.schema)
	row.Ignore(ignored)
	for i, m := range mounts {
		if !m.failed {
			row.Float(stats[i].SizeBytes)
			row.Float(stats[i].FreeBytes)
			row.Float(stats[i].AvailableBytes)
			row.Float(stats[i].Files)
			row.Float(stats[i].FilesFree)
		}
		row.Float(truth(readOnly[i]))
		row.Float(truth(m.failed))
	}
	return nil
}

// visible returns the mounts that are worth a series: of those on one mountpoint
// the last, which hides the others.
func visible(table []procfs.Mount) (mounts []mount, readOnly []bool, ignored int) {
	seen := make(map[string]bool)
	for _, m := range slices.Backward(table) {
		if seen[string(m.Mountpoint)] {
			continue
		}
		seen[string(m.Mountpoint)] = true
		if excludedTypes[string(m.Type)] || excludedMountpoint(m.Mountpoint) {
			continue
		}
		if !labelable(m.Device) || !labelable(m.Mountpoint) || !labelable(m.Type) {
			ignored++
			continue
		}
		mounts = append(mounts, mount{
			device: string(m.Device), mountpoint: string(m.Mountpoint), kind: string(m.Type),
		})
		readOnly = append(readOnly, m.ReadOnly)
	}
	slices.Reverse(mounts)
	slices.Reverse(readOnly)
	if len(mounts) > maxDevices {
		ignored += len(mounts) - maxDevices
		mounts, readOnly = mounts[:maxDevices], readOnly[:maxDevices]
	}
	return mounts, readOnly, ignored
}

// stat asks a file system how full it is, but waits no longer than statTimeout.
func (c *filesystem) stat(mountpoint string) (procfs.Filesystem, error) {
	if _, hangs := c.pending[mountpoint]; hangs || len(c.pending) == maxPending {
		return procfs.Filesystem{}, errHangs
	}
	answer := make(chan stated, 1)
	go func() {
		fs, err := c.statfs(mountpoint)
		answer <- stated{fs, err}
	}()
	c.timer.Reset(statTimeout)
	defer c.timer.Stop()
	select {
	case s := <-answer:
		return s.fs, s.err
	case <-c.timer.C:
		c.pending[mountpoint] = answer
		return procfs.Filesystem{}, errHangs
	}
}

func (c *filesystem) fit(mounts []mount) {
	c.mounts = mounts
	var all []sample.Series
	for _, m := range mounts {
		add := func(metrics ...string) {
			for _, metric := range metrics {
				all = append(all, series("node_filesystem_"+metric,
					"device", m.device, "fstype", m.kind, "mountpoint", m.mountpoint))
			}
		}
		if !m.failed {
			add("size_bytes", "free_bytes", "avail_bytes", "files", "files_free")
		}
		add("readonly", "device_error")
	}
	c.schema = sample.NewSchema(all)
}

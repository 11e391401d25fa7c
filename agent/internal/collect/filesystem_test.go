package collect

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/agent/internal/procfs"
)

func TestExcludedMountpoint(t *testing.T) {
	for mountpoint, want := range map[string]bool{
		"/": false, "/dev": true, "/dev/shm": true, "/devices": false, "/proc/sys": true, "/system": false,
		"/var/lib/docker": false, "/var/lib/docker/x": true, "/run/credentials": false, "/run/credentials/a": true,
	} {
		if got := excludedMountpoint([]byte(mountpoint)); got != want {
			t.Errorf("%s: %v", mountpoint, got)
		}
	}
}

// A mount that hangs takes its timeout once, is not asked again before it has
// answered, and leaves the others alone.
func TestHangingMount(t *testing.T) {
	dir := files(t, map[string]string{"1/mounts": "a:/x /nfs nfs4 rw 0 0\n/dev/sda1 / ext4 rw 0 0\n"})
	synctest.Test(t, func(t *testing.T) {
		c := newFilesystem(procfs.FS{Proc: dir})
		release := make(chan struct{})
		var asked atomic.Int32
		c.statfs = func(mountpoint string) (procfs.Filesystem, error) {
			if mountpoint == "/nfs" {
				asked.Add(1)
				<-release
			}
			return procfs.Filesystem{SizeBytes: 8}, nil
		}
		hung := []string{
			`node_filesystem_readonly{device="a:/x",fstype="nfs4",mountpoint="/nfs"} 0`,
			`node_filesystem_device_error{device="a:/x",fstype="nfs4",mountpoint="/nfs"} 1`,
		}
		began := time.Now()
		for i := range 3 {
			tick, _ := collect(t, c)
			lines := render(tick)
			if diff := cmp.Diff(hung, lines[:2]); diff != "" || len(lines) != 9 {
				t.Errorf("tick %d: %d lines (-want +got):\n%s", i, len(lines), diff)
			}
		}
		if took := time.Since(began); took != statTimeout {
			t.Errorf("took %v in all, not one timeout", took)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		close(release)
		synctest.Wait()
		tick, _ := collect(t, c)
		if lines := render(tick); len(lines) != 14 || !strings.Contains(lines[0], "size_bytes") {
			t.Errorf("after it has answered:\n%s", strings.Join(lines, "\n"))
		}
	})
}

func TestManyHangingMounts(t *testing.T) {
	var mounts strings.Builder
	for i := range maxPending + 10 {
		fmt.Fprintf(&mounts, "a:/%d /nfs%d nfs4 rw 0 0\n", i, i)
	}
	dir := files(t, map[string]string{"1/mounts": mounts.String()})
	synctest.Test(t, func(t *testing.T) {
		c := newFilesystem(procfs.FS{Proc: dir})
		release := make(chan struct{})
		var asked atomic.Int32
		c.statfs = func(string) (procfs.Filesystem, error) {
			asked.Add(1)
			<-release
			return procfs.Filesystem{}, nil
		}
		collect(t, c)
		collect(t, c)
		if n := asked.Load(); n != maxPending {
			t.Errorf("%d goroutines hang, want %d", n, maxPending)
		}
		close(release)
	})
}

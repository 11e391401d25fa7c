package procfs

import (
	"golang.org/x/sys/unix"
)

// Filesystem is how full a mounted file system is.
type Filesystem struct {
	SizeBytes      float64
	FreeBytes      float64
	AvailableBytes float64 // to those who are not root
	Files          float64 // inodes in all; 0 where a file system has no such number
	FilesFree      float64
}

// Statfs asks the file system mounted at mountpoint, as the host names it, how
// full it is. It may block for good when that is on a network which is gone.
func (fs FS) Statfs(mountpoint string) (Filesystem, error) {
	var st unix.Statfs_t
	for {
		err := unix.Statfs(fs.root(mountpoint), &st)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return Filesystem{}, err
		}
		size := float64(st.Bsize)
		return Filesystem{
			SizeBytes:      float64(st.Blocks) * size,
			FreeBytes:      float64(st.Bfree) * size,
			AvailableBytes: float64(st.Bavail) * size,
			Files:          float64(st.Files),
			FilesFree:      float64(st.Ffree),
		}, nil
	}
}

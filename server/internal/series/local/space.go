package local

import (
	"fmt"

	"golang.org/x/sys/unix"

	"sonde.dev/sonde/server/internal/series"
)

// freeSpace returns the bytes of a file system that this process may still
// fill, and all it has.
func freeSpace(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, fmt.Errorf("reading the free space of %s: %w", dir, err)
	}
	size := uint64(st.Bsize)
	return uint64(st.Bavail) * size, st.Blocks * size, nil
}

// checkSpace returns series.ErrNoSpace when too little is free to go on safely.
func (s *Store) checkSpace() error { return checkSpace(s.options.Dir, s.options.MinFree) }

func checkSpace(dir string, minFree int64) error {
	free, total, err := freeSpace(dir)
	if err != nil {
		return err
	}
	need := uint64(minFree)
	if minFree == 0 {
		need = min(256<<20, total/20)
	}
	if free < need {
		return fmt.Errorf("%w: %s has %d MiB free and needs %d MiB; free some space or lower the retention",
			series.ErrNoSpace, dir, free>>20, need>>20)
	}
	return nil
}

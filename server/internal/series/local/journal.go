package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/prometheus/prometheus/tsdb/wlog"

	"sonde.dev/sonde/internal/durable"
)

// journal flushes one log of the TSDB, a directory of numbered segments that
// the library writes. It belongs to the committer.
//
// It holds the newest segment it knows open. A sync goes on from there through
// the segments that were begun since, flushes each that grew, and flushes the
// directory when there are new ones. Why nothing that the library wrote before
// the call can escape: it writes only to the newest segment, and a segment is
// the newest as long as the next number does not exist. The next number could
// also be missing because it was begun and removed again, but segments are
// removed from the lowest up, so then the one held is gone as well, which its
// link count tells.
type journal struct {
	dir    string
	flush  func(*os.File) error
	file   *os.File
	index  int
	synced int64 // size of file when it was last flushed
	stale  bool  // the directory has entries that are not flushed
}

// openJournal opens the log in dir, which has at least one segment, and flushes
// all of it: a former process may have died between writing and flushing.
func openJournal(dir string, flush func(*os.File) error) (*journal, error) {
	first, last, err := wlog.Segments(dir)
	if err != nil {
		return nil, fmt.Errorf("listing the segments of %s: %w", dir, err)
	}
	if last < 0 {
		return nil, fmt.Errorf("log %s has no segment", dir)
	}
	j := &journal{dir: dir, flush: flush, index: first - 1, stale: true}
	if err := j.sync(); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return j, nil
}

// sync flushes all that was written to the log before the call. After an error
// nothing is known about the log any more.
func (j *journal) sync() error {
	for {
		next, err := os.Open(wlog.SegmentName(j.dir, j.index+1))
		if errors.Is(err, fs.ErrNotExist) {
			if j.file == nil || j.held() {
				break
			}
			if err := j.skipRemoved(); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("opening a log segment: %w", err)
		}
		if err := j.advance(next); err != nil {
			return err
		}
	}
	if err := j.syncFile(); err != nil {
		return err
	}
	if j.stale {
		if err := durable.SyncDir(j.dir); err != nil {
			return fmt.Errorf("flushing the log directory %s: %w", j.dir, err)
		}
		j.stale = false
	}
	return nil
}

// advance flushes the segment held and goes on to the next.
func (j *journal) advance(next *os.File) error {
	err := j.syncFile()
	if j.file != nil {
		_ = j.file.Close() // opened for reading: nothing can be lost
	}
	j.file, j.synced, j.stale = next, 0, true
	j.index++
	return err
}

// skipRemoved goes to just before the first segment there is.
func (j *journal) skipRemoved() error {
	first, _, err := wlog.Segments(j.dir)
	if err != nil {
		return fmt.Errorf("listing the segments of %s: %w", j.dir, err)
	}
	if first <= j.index {
		return fmt.Errorf("log %s lost its newest segment %d", j.dir, j.index)
	}
	j.index = first - 1
	return nil
}

// held reports whether the segment held still has its name.
func (j *journal) held() bool {
	info, err := j.file.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink > 0
}

func (j *journal) syncFile() error {
	if j.file == nil {
		return nil
	}
	info, err := j.file.Stat()
	if err != nil {
		return fmt.Errorf("reading the size of a log segment: %w", err)
	}
	if info.Size() == j.synced {
		return nil
	}
	if err := j.flush(j.file); err != nil {
		return fmt.Errorf("flushing a log segment: %w", err)
	}
	j.synced = info.Size()
	return nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

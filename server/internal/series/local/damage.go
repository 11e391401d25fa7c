package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/wlog"

	"sonde.dev/sonde/internal/durable"
)

// logNames are the directories of the library's logs: all samples, and those
// out of order.
var logNames = []string{"wal", wlog.WblDirName}

// setDamagedAside makes a store that was damaged one that the library opens as
// it is, and returns how many blocks and pieces of logs it has put into the
// directory "damaged".
//
// The library would refuse to start for one damaged block. Of a damaged log it
// would delete everything behind the damage, in later segments too, and would
// not read the other log at all in that run. Here a log loses the rest of the
// one segment; records further on are whole, and the library skips samples of
// series that it then does not know.
func setDamagedAside(dir string, logger *slog.Logger) (int, error) {
	damaged, err := checkBlocks(dir, logger)
	if err != nil {
		return damaged, err
	}
	for _, name := range logNames {
		n, err := checkLog(dir, name, logger)
		damaged += n
		if err != nil {
			return damaged, err
		}
	}
	return damaged, nil
}

func checkBlocks(dir string, logger *slog.Logger) (damaged int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err != nil || !e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		block, err := tsdb.OpenBlock(logger, path, nil, nil)
		if err == nil {
			if err := block.Close(); err != nil {
				return damaged, fmt.Errorf("closing block %s: %w", path, err)
			}
			continue
		}
		if errors.Is(err, fs.ErrPermission) {
			return damaged, err
		}
		aside, err := makeAside(dir, e.Name())
		if err != nil {
			return damaged, err
		}
		if err := os.Rename(path, aside); err != nil {
			return damaged, fmt.Errorf("setting the damaged block %s aside: %w", path, err)
		}
		logger.Error("a block is damaged and was set aside: its samples are missing from queries",
			"block", path, "moved_to", aside, "err", err)
		damaged++
	}
	return damaged, nil
}

// makeAside returns a path in the directory "damaged", which it makes.
func makeAside(dir, name string) (string, error) {
	aside := filepath.Join(dir, "damaged")
	if err := os.MkdirAll(aside, 0o750); err != nil {
		return "", err
	}
	return filepath.Join(aside, name), nil
}

// checkLog reads every record of a log and cuts off what cannot be read from
// each segment.
func checkLog(dir, name string, logger *slog.Logger) (damaged int, err error) {
	log := filepath.Join(dir, name)
	first, last, err := wlog.Segments(log)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%w: listing the segments of %s: %w", ErrCorrupt, log, err)
	}
	if last < 0 {
		return 0, nil
	}
	newest := true
	for i := last; i >= first; i-- {
		segment := wlog.SegmentName(log, i)
		r, err := readSegment(segment)
		if err != nil {
			return damaged, err
		}
		if r.damage != nil {
			if newest && r.toEnd {
				logger.Warn("cut an unfinished write off the end of a log; samples that were acknowledged come before it",
					"segment", segment, "offset", r.whole, "bytes", r.size-r.whole)
			} else {
				aside, err := makeAside(dir, fmt.Sprintf("%s-%08d-%d", name, i, r.whole))
				if err != nil {
					return damaged, err
				}
				if err := copyTail(segment, r.whole, aside); err != nil {
					return damaged, fmt.Errorf("setting a damaged piece of %s aside: %w", segment, err)
				}
				logger.Error("a log is damaged: samples that were acknowledged may be missing; the rest of the segment was set aside",
					"segment", segment, "offset", r.whole, "bytes", r.size-r.whole, "copied_to", aside, "err", r.damage)
				damaged++
			}
			if err := truncate(segment, r.whole); err != nil {
				return damaged, err
			}
		}
		if r.markers {
			if err := dropMarkers(segment, logger); err != nil {
				return damaged, fmt.Errorf("dropping the chunk markers of %s: %w", segment, err)
			}
		}
		if r.size > 0 {
			newest = false
		}
	}
	return damaged, nil
}

// reading is what can be read of a segment.
type reading struct {
	size   int64 // of the file
	whole  int64 // how far records are whole
	damage error // why not further; nil when all is whole
	toEnd  bool  // the first record that is not whole reaches the end of the file
	// markers tells that there are records that name chunks of the head.
	markers bool
}

func readSegment(path string) (reading, error) {
	segment, err := wlog.OpenReadSegment(path)
	if err != nil {
		return reading{}, fmt.Errorf("opening a log segment: %w", err)
	}
	rc := wlog.NewSegmentBufReader(segment)
	defer rc.Close()
	info, err := segment.Stat()
	if err != nil {
		return reading{}, fmt.Errorf("reading the size of %s: %w", path, err)
	}
	out := reading{size: info.Size()}
	r := wlog.NewReader(rc)
	var records record.Decoder
	for r.Next() {
		out.whole = r.Offset()
		out.markers = out.markers || records.Type(r.Record()) == record.MmapMarkers
	}
	// The reader sees a short last page filled up with zeros, so it may have
	// gone beyond the end of the file.
	out.damage, out.toEnd = r.Err(), r.Offset() >= out.size
	if errno := syscall.Errno(0); errors.As(out.damage, &errno) {
		// The disk would not give the bytes; they may still be there.
		return reading{}, fmt.Errorf("reading %s: %w", path, out.damage)
	}
	return out, nil
}

// copyTail copies what path holds from offset on to the file aside.
func copyTail(path string, offset int64, aside string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	if _, err := from.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	to, err := os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err == nil {
		err = durable.SyncData(to)
	}
	return errors.Join(err, to.Close())
}

// truncate cuts path off at size. What stays is not touched, so that a crash
// at any moment leaves it whole.
func truncate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cutting %s off at %d: %w", path, size, err)
	}
	return nil
}

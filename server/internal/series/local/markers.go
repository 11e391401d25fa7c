package local

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"

	"sonde.dev/sonde/internal/durable"
)

// dropMarkers rewrites a segment of the log of samples out of order without its
// markers.
//
// A marker says that the samples of a series up to here are in a chunk of the
// head, and replay forgets them. But such chunks are buffered in memory, and
// are in no file when the process is killed. Replay knows that only as long as
// no chunk was written later: after a second crash it would take the marker for
// good and lose the samples. Without markers replay keeps all the samples that
// the log holds; those that are in a chunk as well are the same sample twice,
// which queries and compaction merge.
//
// The segment is replaced whole or not at all.
func dropMarkers(segment string, logger *slog.Logger) (err error) {
	dir := filepath.Join(filepath.Dir(segment), "rewrite.tmp")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// Fewer records than before cannot need more than one segment.
	to, err := wlog.New(logger, nil, dir, compression.None)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = to.Close() // a second Close does nothing
		}
	}()
	from, err := wlog.OpenReadSegment(segment)
	if err != nil {
		return err
	}
	rc := wlog.NewSegmentBufReader(from)
	defer rc.Close()
	var records record.Decoder
	r := wlog.NewReader(rc)
	for r.Next() {
		if records.Type(r.Record()) == record.MmapMarkers {
			continue
		}
		if err := to.Log(r.Record()); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil {
		return err
	}
	// Close flushes too, but keeps a failure to itself.
	if err := syncPath(wlog.SegmentName(dir, 0)); err != nil {
		return err
	}
	if err := to.Close(); err != nil {
		return err
	}
	if err := os.Rename(wlog.SegmentName(dir, 0), segment); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(segment))
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(durable.SyncData(f), f.Close())
}

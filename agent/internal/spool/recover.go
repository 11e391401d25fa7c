package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// prepare makes and locks the folder unless it is. It needs disk.
func (s *Spool) prepare() error {
	if s.lock != nil {
		return nil
	}
	if err := s.fs.MkdirAll(s.opts.Dir); err != nil {
		return fmt.Errorf("making the spool's folder: %w", err)
	}
	if s.opts.Unlocked {
		s.lock = io.NopCloser(nil)
		return nil
	}
	lock, err := s.fs.Lock(filepath.Join(s.opts.Dir, "lock"))
	if err != nil {
		return fmt.Errorf("locking the spool: %w", err)
	}
	s.lock = lock
	return nil
}

// recover takes in the segments that earlier processes left. Nothing else uses
// the spool yet.
func (s *Spool) recover() error {
	names, err := s.fs.List(s.opts.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // and cannot be made now
	}
	if err != nil {
		return fmt.Errorf("listing the spool: %w", err)
	}
	var numbers []uint64
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, ".segment")
		n, err := strconv.ParseUint(digits, 16, 64)
		if ok && err == nil && segmentName(n) == name {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	acked := s.readProgress()
	lanes := make(map[LaneID]*lane)
	for _, n := range numbers {
		s.next = n + 1
		id, seg, err := s.openSegment(filepath.Join(s.opts.Dir, segmentName(n)))
		if err != nil {
			return fmt.Errorf("opening spool segment %x: %w", n, err)
		}
		if seg == nil {
			continue
		}
		l := lanes[id]
		if l == nil {
			l = &lane{id: id, acked: acked[id]}
			lanes[id] = l
			s.lanes = append(s.lanes, l)
		}
		seg.lane = l
		s.diskUsed += seg.used()
		// A write that failed may have left a second copy of what comes later.
		l.lastSeq = max(l.lastSeq, seg.lastSeq)
		if seg.batches == 0 || seg.lastSeq <= l.acked {
			s.trash = append(s.trash, seg)
			continue
		}
		l.segments = append(l.segments, seg)
	}
	s.lanes = slices.DeleteFunc(s.lanes, (*lane).empty)
	// What cannot be removed now is tried again.
	_ = s.makeRoom(0)
	return nil
}

// openSegment reads the end of a segment or, where a process did not get to
// write one, all of it. It returns nil for a file that is none, or of a newer
// format, which is left alone.
func (s *Spool) openSegment(path string) (id LaneID, seg *segment, err error) {
	f, err := s.fs.Open(path)
	if err != nil {
		return id, nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return id, nil, err
	}
	seg = &segment{path: path, size: size}
	header := make([]byte, min(size, headerSize))
	if _, err = f.ReadAt(header, 0); err == nil || err == io.EOF {
		id, err = parseHeader(header)
	}
	switch {
	case errors.Is(err, errVersion):
		s.log.Warn("a file of the spool is left alone", "file", path, "error", err)
		return id, nil, nil
	case err != nil:
		if !errors.Is(err, errTorn) && !zeros(f, 0, size) {
			s.lose(id, seg, err)
		}
		return id, seg, nil // without batches: to be removed
	}
	if size >= headerSize+endSize {
		end := make([]byte, endSize)
		if _, err := f.ReadAt(end, size-endSize); err == nil {
			if all, ok := parseEnd(end, size); ok {
				seg.span, seg.size = all, size-endSize
				return id, seg, nil
			}
		}
	}
	var sc scanner
	sc.begin(f, size)
	for {
		_, b, err := sc.next()
		if err == nil {
			seg.add(b)
			continue
		}
		seg.size = sc.offset
		if err != io.EOF && !torn(err, f, &sc) {
			s.lose(id, seg, err)
			seg.damaged = true
		} else if seg.size < size {
			// Where the disk refuses, the same is cut off next time.
			_ = s.fs.Truncate(path, seg.size)
		}
		return id, seg, nil
	}
}

// torn reports whether err, which ended sc, is what a write that never finished
// leaves: a record that is the last, or a tail that has no content.
func torn(err error, f io.ReaderAt, sc *scanner) bool {
	if errors.Is(err, errTorn) {
		return true
	}
	var corrupt *corruptError
	if !errors.As(err, &corrupt) || corrupt.reason != badChecksum {
		return false
	}
	last := sc.offset+frameHeaderSize+int64(len(sc.body)) == sc.size
	return last || zeros(f, sc.offset, sc.size)
}

// zeros reports whether f has only zeros from one offset to another.
func zeros(f io.ReaderAt, from, to int64) bool {
	buf := make([]byte, 32<<10)
	for from < to {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), to-from)], from)
		for _, b := range buf[:n] {
			if b != 0 {
				return false
			}
		}
		if err != nil && err != io.EOF || n == 0 {
			return false
		}
		from += int64(n)
	}
	return true
}

// lose counts damage found at Open, which hides how much it cost: one batch at
// least.
func (s *Spool) lose(id LaneID, seg *segment, why error) {
	lost := span{batches: 1}
	s.drops.add(Corrupt, id, lost)
	s.logDamage(seg.path, lost, why)
}

package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// writer is the segment that is being written. Spool.disk guards it.
type writer struct {
	seg     *segment // nil for none
	file    file
	schemas map[SchemaHash]bool // those that the segment has
	buf     []byte
}

// write makes entries durable at the end of the lane's segment, or of a new
// one. It needs disk.
func (s *Spool) write(l *lane, entries []*entry) error {
	if err := s.prepare(); err != nil {
		return err
	}
	w := &s.writer
	if w.seg != nil && (w.seg.lane != l || !s.writable(w.seg)) {
		s.seal()
	}
	created := w.seg == nil
	w.buf = w.buf[:0]
	if created {
		w.schemas = make(map[SchemaHash]bool)
		w.buf = appendHeader(w.buf, l.id)
	}
	var all span
	for _, e := range entries {
		for _, schema := range e.payload.Schemas {
			if !w.schemas[schema.Hash] {
				w.schemas[schema.Hash] = true
				w.buf = appendSchema(w.buf, schema)
			}
		}
		w.buf = appendBatch(w.buf, e)
		all.add(e.span())
	}
	if err := s.makeRoom(int64(len(w.buf)) + endSize); err != nil {
		s.abandon()
		return err
	}
	if created {
		if err := s.create(l); err != nil {
			return err
		}
	} else if w.seg == nil { // dropped to make room
		return s.write(l, entries)
	}
	if err := s.commit(created); err != nil {
		s.abandon()
		return err
	}
	s.mu.Lock()
	if !created && (w.seg.damaged || !slices.Contains(l.segments, w.seg)) {
		// While it was written to, all that it had was acknowledged, or it was
		// found damaged: nobody would read there.
		s.mu.Unlock()
		if err := s.empty(); err != nil {
			return err
		}
		s.seal()
		return s.write(l, entries)
	}
	if !created {
		s.diskUsed -= w.seg.used()
	}
	w.seg.size += int64(len(w.buf))
	s.diskUsed += w.seg.used()
	w.seg.add(all)
	if created {
		l.segments = append(l.segments, w.seg)
	}
	s.mu.Unlock()
	return nil
}

// writable reports whether a segment takes more.
func (s *Spool) writable(seg *segment) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return seg.size < s.segment && !seg.damaged
}

// create opens the next segment. It needs disk.
func (s *Spool) create(l *lane) error {
	for {
		path := filepath.Join(s.opts.Dir, segmentName(s.next))
		s.next++
		f, err := s.fs.Create(path)
		if errors.Is(err, fs.ErrExist) {
			continue // left by a process that wrote here meanwhile
		}
		if err != nil {
			return err
		}
		s.writer.seg, s.writer.file = &segment{path: path, lane: l}, f
		return nil
	}
}

// commit makes the writer's buffer durable. It needs disk.
func (s *Spool) commit(created bool) error {
	w := &s.writer
	if _, err := w.file.WriteAt(w.buf, w.seg.size); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	if created {
		return s.fs.SyncDir(s.opts.Dir)
	}
	return nil
}

// abandon ends the writer's segment after what is durable in it. What a failed
// write or flush left behind that is cut off, or, where the disk refuses even
// that, read as torn or as a second copy by the next process. It needs disk.
func (s *Spool) abandon() {
	w := &s.writer
	if w.seg == nil {
		return
	}
	w.file.Close()
	if w.seg.size == 0 {
		_ = s.fs.Remove(w.seg.path)
	} else {
		_ = s.fs.Truncate(w.seg.path, w.seg.size)
	}
	w.seg, w.file = nil, nil
}

// seal completes the writer's segment. The end that it writes only spares the
// next process reading the segment, so it is not flushed. It needs disk.
func (s *Spool) seal() {
	w := &s.writer
	if w.seg == nil {
		return
	}
	s.mu.Lock()
	end := appendEnd(nil, w.seg.size, w.seg.span)
	complete := !w.seg.damaged
	s.mu.Unlock()
	if complete {
		_, _ = w.file.WriteAt(end, w.seg.size)
	}
	w.file.Close()
	w.seg, w.file = nil, nil
}

// try finds out whether the disk takes writes. It needs disk.
func (s *Spool) try() error {
	if err := s.prepare(); err != nil {
		return err
	}
	if err := s.create(nil); err != nil {
		return err
	}
	w := &s.writer
	w.buf = appendHeader(w.buf[:0], s.boot)
	err := s.commit(true)
	s.abandon()
	return err
}

// makeRoom drops the oldest segments until n more bytes fit. It needs disk.
func (s *Spool) makeRoom(n int64) error {
	s.mu.Lock()
	waste := int64(0)
	for _, seg := range s.trash {
		waste += seg.used()
	}
	need := blocks(n) + 2*blockBytes // the progress file is small, and files are rounded up
	for _, l := range s.lanes {
		for s.diskUsed-waste+need > s.opts.MaxBytes && len(l.segments) > 0 {
			waste += l.segments[0].used()
			s.dropSegment(l, Full)
		}
	}
	s.mu.Unlock()
	return s.empty()
}

// empty removes the files in the trash. It needs disk.
func (s *Spool) empty() error {
	s.mu.Lock()
	trash := append([]*segment(nil), s.trash...)
	s.mu.Unlock()
	for _, seg := range trash {
		if seg.lost {
			lost := s.unacked(seg)
			s.mu.Lock()
			s.drops.add(seg.reason, seg.lane.id, lost)
			s.mu.Unlock()
			seg.lost = false
		}
		if seg == s.writer.seg {
			s.writer.file.Close()
			s.writer.seg, s.writer.file = nil, nil
		}
		if err := s.fs.Remove(seg.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		s.mu.Lock()
		s.diskUsed -= seg.used()
		s.trash = s.trash[1:]
		s.mu.Unlock()
	}
	return nil
}

func segmentName(n uint64) string { return fmt.Sprintf("%016x.segment", n) }

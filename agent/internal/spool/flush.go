package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"
)

const (
	// groupBytes is how much of the caller's content is encoded together: one
	// payload for several batches is several times shorter than theirs alone.
	groupBytes = 256 << 10
	// writeBytes is how much is written with one call and one flush of the disk.
	writeBytes = 256 << 10
	// retryEvery is how often a disk that refused is tried again.
	retryEvery = 5 * time.Second
	// noteEvery is how often acknowledgements are noted on disk, at most.
	noteEvery = 10 * time.Second
)

// writer is the segment that is being written. Spool.disk guards it.
type writer struct {
	seg     *segment // nil for none
	file    file
	schemas map[SchemaHash]bool // those that the segment has
	buf     []byte
}

// run does what time brings: batches in memory grow old, files are to be
// removed, a disk may have recovered. It sleeps as long as there is none of it.
func (s *Spool) run() {
	defer close(s.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-s.wake:
		case <-timer.C:
		}
		s.work(false)
		timer.Reset(s.pause())
	}
}

// work does what is due; now says that the batches in memory are, whatever
// their age.
func (s *Spool) work(now bool) {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.Lock()
	s.expire(time.Now())
	due := now || s.pressed()
	for _, l := range s.lanes {
		due = due || len(l.memory) > 0 && time.Since(l.memory[0].added) >= s.opts.FlushAfter
	}
	s.mu.Unlock()
	s.empty()
	if (due || !s.retry.IsZero()) && !time.Now().Before(s.retry) {
		// The error is in Stats, and logged once.
		_ = s.flush()
	}
	if time.Since(s.noted) >= noteEvery {
		s.note()
	}
}

// pause returns how long nothing is due.
func (s *Spool) pause() time.Duration {
	s.disk.Lock()
	retry, noted := s.retry, s.noted
	s.disk.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	next := now.Add(time.Hour)
	by := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if !retry.IsZero() {
		by(retry)
	}
	for _, l := range s.lanes {
		if len(l.memory) > 0 && retry.IsZero() {
			by(l.memory[0].added.Add(s.opts.FlushAfter))
		}
		if len(l.segments) > 0 {
			by(now.Add(time.UnixMilli(l.segments[0].last).Add(s.opts.MaxAge + time.Millisecond).Sub(now)))
		}
	}
	if s.unnoted || len(s.trash) > 0 {
		by(noted.Add(noteEvery))
	}
	s.wakeAt = next
	return next.Sub(now)
}

// flush writes all that is in memory to disk. It needs disk.
func (s *Spool) flush() error {
	s.encode()
	defer func() { s.writer.buf = nil }() // there may be nothing to write for weeks
	wrote := false
	for {
		l, entries := s.unwritten()
		if len(entries) == 0 {
			break
		}
		err := s.write(l, entries)
		s.written(l, entries, err == nil)
		if err != nil {
			s.refused(err)
			return err
		}
		wrote = true
	}
	if !wrote && !s.retry.IsZero() {
		// The server has acknowledged what the disk would not take, so trying
		// the disk costs nothing, and is no error of what was appended.
		if err := s.try(); err != nil {
			s.refused(err)
			return nil
		}
	}
	s.accepted()
	return nil
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

// encode turns what is in memory into payloads. It needs disk, so that there is
// one encoder at a time, and not mu, since encoding takes its time.
func (s *Spool) encode() {
	var group []*entry
	var contents []any
	for {
		s.mu.Lock()
		l := s.nextGroup(&group)
		s.mu.Unlock()
		if l == nil {
			return
		}
		contents = contents[:0]
		all := group[0].span()
		for i, e := range group {
			contents = append(contents, e.content)
			if i > 0 {
				all.add(e.span())
			}
		}
		payload, err := s.opts.Encode(contents)
		if err == nil {
			err = s.tooLarge(payload)
		}
		merged := &entry{
			firstSeq: all.firstSeq, seq: all.lastSeq, first: all.first, last: all.last, samples: uint32(all.samples),
			added: group[0].added, payload: payload, encoded: true, size: entryOverhead + len(payload.Data),
		}
		s.mu.Lock()
		s.replace(l, group, merged, err)
		s.mu.Unlock()
		if err != nil {
			s.log.Error("batches cannot be encoded and are dropped", "batches", len(group), "error", err)
		}
	}
}

// nextGroup puts the first run of entries to be encoded together into group. It
// needs mu.
func (s *Spool) nextGroup(group *[]*entry) *lane {
	*group = (*group)[:0]
	for _, l := range s.lanes {
		size := 0
		var samples uint64
		for _, e := range l.memory {
			if e.encoded {
				continue
			}
			size += e.size
			samples += uint64(e.samples)
			if n := len(*group); n > 0 && (size > groupBytes || samples >= 1<<32 || (*group)[n-1].seq+1 != e.firstSeq) {
				break
			}
			*group = append(*group, e)
		}
		if len(*group) > 0 {
			return l
		}
	}
	return nil
}

// replace puts merged in the place of those of group that are still in memory,
// or drops them if err says that they could not be encoded. It needs mu.
func (s *Spool) replace(l *lane, group []*entry, merged *entry, err error) {
	at := 0
	for at < len(l.memory) && l.memory[at].seq < group[0].seq {
		at++
	}
	// Acknowledged or dropped meanwhile: always from the front.
	for len(group) > 0 && (at == len(l.memory) || l.memory[at] != group[0]) {
		group = group[1:]
	}
	if len(group) == 0 {
		return
	}
	for _, e := range group {
		s.memUsed -= int64(e.size)
		if err != nil {
			s.drops.add(Unencodable, l.id, e.span())
		}
	}
	from := at
	if err == nil {
		s.memUsed += int64(merged.size)
		l.memory[at] = merged
		from++
	}
	rest := copy(l.memory[from:], l.memory[at+len(group):])
	clear(l.memory[from+rest:])
	l.memory = l.memory[:from+rest]
}

func (s *Spool) tooLarge(p Payload) error {
	size := int64(batchFixed + len(p.Data))
	for _, schema := range p.Schemas {
		size += frameHeaderSize + 16 + int64(len(schema.Data))
	}
	if size > min(maxBody, s.opts.MaxBytes/8) || len(p.Schemas) > maxSchemas {
		return fmt.Errorf("payload of %d bytes with its schemas: %w", size, ErrTooLarge)
	}
	return nil
}

// unwritten returns the oldest encoded entries of the oldest lane that has any,
// as many as one write takes, and marks them.
func (s *Spool) unwritten() (*lane, []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		size, n := 0, 0
		for n < len(l.memory) && l.memory[n].encoded && (n == 0 || size+l.memory[n].size <= writeBytes) {
			l.memory[n].writing = true
			size += l.memory[n].size
			n++
		}
		if n > 0 {
			return l, append([]*entry(nil), l.memory[:n]...)
		}
	}
	return nil, nil
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

// written moves entries from memory to disk, or leaves them to the next try.
func (s *Spool) written(l *lane, entries []*entry, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		e.writing = false
	}
	if !ok {
		s.boundMemory()
		return
	}
	last := entries[len(entries)-1].seq
	n := 0
	for n < len(l.memory) && l.memory[n].seq <= last {
		s.memUsed -= int64(l.memory[n].size)
		n++
	}
	l.memory = deleteFront(l.memory, n)
	// The acknowledgement may have come while the disk was busy.
	for len(l.segments) > 0 && l.segments[0].lastSeq <= l.acked {
		s.trash = append(s.trash, l.segments[0])
		l.segments = deleteFront(l.segments, 1)
	}
	s.forgetEmpty()
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

// refused notes that the disk takes no writes.
func (s *Spool) refused(err error) {
	s.retry = time.Now().Add(retryEvery)
	s.mu.Lock()
	first := s.degraded == nil
	s.degraded = err
	s.wakeBy(s.retry)
	s.mu.Unlock()
	if first {
		s.log.Warn("the spool keeps batches in memory only, because its disk takes no writes",
			slog.String("dir", s.opts.Dir), slog.Int64("memory_bytes", s.opts.MemoryBytes), slog.Any("error", err))
	}
}

// accepted notes that the disk took what there was.
func (s *Spool) accepted() {
	s.retry = time.Time{}
	s.mu.Lock()
	was := s.degraded
	s.degraded = nil
	s.mu.Unlock()
	if was != nil {
		s.log.Info("the spool's disk takes writes again", "dir", s.opts.Dir)
	}
}

func segmentName(n uint64) string { return fmt.Sprintf("%016x.segment", n) }

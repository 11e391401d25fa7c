package spool

import (
	"log/slog"
	"time"
)

const (
	// writeBytes is how much is written with one call and one flush of the disk.
	writeBytes = 256 << 10
	// retryEvery is how often a disk that refused is tried again.
	retryEvery = 5 * time.Second
	// noteEvery is how often acknowledgements are noted on disk, at most.
	noteEvery = 10 * time.Second
)

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

// written moves entries from memory to disk, or leaves them to the next try.
func (s *Spool) written(l *lane, entries []*entry, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		e.writing = false
	}
	if !ok {
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

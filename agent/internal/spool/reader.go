package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"sort"
)

// Record is a batch, or several in one payload, given out to be sent.
type Record struct {
	Lane LaneID
	// Seq is the sequence number to send and to have acknowledged: that of the
	// last batch in it.
	Seq uint64
	// First and Last are as in [Batch].
	First, Last int64
	Samples     uint32
	// Content is what Append was given, or nil: then Payload has it encoded.
	Content any
	// Payload is valid until the next call of the same method of the Reader.
	Payload Payload
}

// Reader gives out what one stream has to send: live batches as they come, and
// beside them the backlog. Each begins with the first batch that is not
// acknowledged. A method must not be called twice at a time, but Live and
// Backlog may be called beside each other.
type Reader struct {
	s       *Spool
	live    cursor
	backlog cursor
	lanes   []*lane // of the backlog, after the cursor's
}

// NewReader starts over for a new stream. When more than limit batches of the
// live lane are waiting, that lane joins the backlog, and live batches begin a
// lane of their own. A Reader of an earlier stream must not be used any more.
func (s *Spool) NewReader(limit int) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live().pending() > uint64(limit) {
		next := &lane{}
		rand.Read(next.id[:])
		s.lanes = append(s.lanes, next)
	}
	last := len(s.lanes) - 1
	return &Reader{s: s, live: cursor{lane: s.lanes[last]}, lanes: slices.Clone(s.lanes[:last])}
}

// Lane returns the lane of the live batches.
func (r *Reader) Lane() LaneID { return r.live.lane.id }

// Live returns the next live batch; ok is false while there is none. An error
// is one of opening a file, and may pass.
func (r *Reader) Live() (rec Record, ok bool, err error) { return r.s.read(&r.live) }

// Backlog returns the next batch of earlier lanes, the oldest lane first; ok is
// false when there is no more. Errors are as of Live.
func (r *Reader) Backlog() (rec Record, ok bool, err error) {
	for {
		if r.backlog.lane != nil {
			if rec, ok, err := r.s.read(&r.backlog); ok || err != nil {
				return rec, ok, err
			}
		}
		if len(r.lanes) == 0 {
			return Record{}, false, nil
		}
		r.backlog.lane, r.backlog.after = r.lanes[0], 0
		r.lanes = r.lanes[1:]
	}
}

// Close closes the files that the reader has open.
func (r *Reader) Close() {
	r.live.close()
	r.backlog.close()
}

// cursor is a place in a lane. One goroutine uses it.
type cursor struct {
	lane  *lane
	after uint64 // given out up to here

	seg  *segment // being read, or nil
	file file
	scan scanner
	good span // read from seg
}

func (c *cursor) close() {
	if c.seg != nil {
		c.file.Close()
		c.seg, c.file = nil, nil
	}
}

// read returns the next record of the cursor's lane.
func (s *Spool) read(c *cursor) (Record, bool, error) {
	for {
		s.mu.Lock()
		l := c.lane
		c.after = max(c.after, l.acked)
		at := slices.IndexFunc(l.segments, func(seg *segment) bool { return seg.lastSeq > c.after })
		if at < 0 {
			rec, ok := l.fromMemory(c.after)
			s.mu.Unlock()
			if ok {
				c.after = rec.Seq
			} else {
				c.close()
			}
			return rec, ok, nil
		}
		seg, size := l.segments[at], l.segments[at].size
		s.mu.Unlock()

		rec, err := c.readSegment(s.fs, seg, size)
		if err == nil {
			rec.Lane = l.id
			c.after = rec.Seq
			return rec, true, nil
		}
		var unopened *openError
		if errors.As(err, &unopened) && !errors.Is(err, fs.ErrNotExist) {
			return Record{}, false, err
		}
		s.skip(seg, c.good, err)
		c.close()
	}
}

// fromMemory needs Spool.mu.
func (l *lane) fromMemory(after uint64) (Record, bool) {
	at := sort.Search(len(l.memory), func(i int) bool { return l.memory[i].seq > after })
	if at == len(l.memory) {
		return Record{}, false
	}
	e := l.memory[at]
	return Record{Lane: l.id, Seq: e.seq, First: e.first, Last: e.last, Samples: e.samples, Content: e.content, Payload: e.payload}, true
}

// openError is an error of opening a segment, which says nothing about what
// the segment holds.
type openError struct{ error }

func (e *openError) Unwrap() error { return e.error }

// readSegment returns the first record after c.after in seg, of which size
// bytes may be read.
func (c *cursor) readSegment(disk fileSystem, seg *segment, size int64) (Record, error) {
	if c.seg != seg {
		c.close()
		c.good = span{}
		f, err := disk.Open(seg.path)
		if err != nil {
			return Record{}, &openError{err}
		}
		c.seg, c.file = seg, f
		c.scan.begin(f, size)
	} else if c.scan.size != size {
		c.scan.scan(c.file, c.scan.offset, size)
	}
	for {
		rec, b, err := c.scan.next()
		if err == io.EOF {
			return Record{}, &corruptError{c.scan.offset, "fewer batches than expected"}
		}
		if err != nil {
			return Record{}, err
		}
		c.good.add(b)
		if rec.Seq > c.after {
			return rec, nil
		}
	}
}

// skip gives up what follows good in a segment that cannot be read further.
func (s *Spool) skip(seg *segment, good span, why error) {
	s.mu.Lock()
	l := seg.lane
	at := slices.Index(l.segments, seg)
	if at < 0 { // acknowledged or dropped meanwhile
		s.mu.Unlock()
		return
	}
	lost := seg.span.minus(good)
	s.drops.add(Corrupt, l.id, lost)
	seg.span, seg.damaged = good, true
	if good.lastSeq <= l.acked {
		l.segments = slices.Delete(l.segments, at, at+1)
		s.trash = append(s.trash, seg)
		s.forgetEmpty()
		s.signal()
	}
	s.mu.Unlock()
	s.logDamage(seg.path, lost, why)
}

func (s *Spool) logDamage(path string, lost span, why error) {
	s.log.Error("a file of the spool is damaged; what follows the damage in it is lost",
		slog.String("file", path), slog.Uint64("batches", lost.batches), slog.Uint64("samples", lost.samples),
		slog.String("error", fmt.Sprint(why)))
}

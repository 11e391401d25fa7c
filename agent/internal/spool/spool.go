// Package spool keeps batches of samples from when they are taken until the
// server has made them durable: the newest in memory, the rest in a bounded
// queue on disk.
//
// # What it promises
//
// A batch is promised once it is on disk. That is so, while [Stats] does not
// say Degraded, from Options.FlushAfter after its Append (or when Append
// returns, if FlushAfter is 0), and when Flush or Close has returned nil. A
// promised batch survives SIGKILL and loss of power, and is given out again by
// the spool that the next process opens, until it is acknowledged.
//
// Batches leave a lane in the order in which they came. What is lost to a
// bound, to damage or to a disk that takes no writes is counted by reason, with
// the times that are missing.
//
// # What it does not
//
// It does not promise that a batch is given out once: after a crash, those
// whose acknowledgement was not yet noted come again. It does not know what
// payloads and schemas mean. It does not hide a lying disk, and it can tell
// damage from a write that tore only where DESIGN.md says.
//
// FORMAT.md specifies the files, DESIGN.md says why they are so.
package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Defaults of [Options].
const (
	DefaultMaxBytes    = 1 << 30
	DefaultMaxAge      = 7 * 24 * time.Hour
	DefaultFlushAfter  = 10 * time.Second
	DefaultMemoryBytes = 4 << 20
)

const (
	minMaxBytes = 1 << 20
	// maxSegmentBytes is where a segment ends and the next begins. Segments are
	// what is dropped when there is no room, so they are a small part of all.
	maxSegmentBytes = 4 << 20
	// blockBytes is what file systems round the size of a file up to.
	blockBytes = 4 << 10
	// maxSchemas is what the format can count.
	maxSchemas = 1<<16 - 1
)

// ErrTooLarge says that a batch can never be kept.
var ErrTooLarge = errors.New("batch is too large for the spool")

// ErrClosed says that the spool was closed.
var ErrClosed = errors.New("spool is closed")

// LaneID names a lane. On the wire it is the boot id of the lane's batches.
type LaneID [16]byte

// SchemaHash is what payloads call a schema by.
type SchemaHash [8]byte

// Schema is what a payload needs to be read. It never changes.
type Schema struct {
	Hash SchemaHash
	Data []byte
}

// Payload is batches in the form in which they go to disk: it stands by itself
// together with its schemas. It never changes.
type Payload struct {
	Data    []byte
	Schemas []Schema
}

// Batch is what one submission carries.
type Batch struct {
	// First and Last are the times of the oldest and the newest sample, in
	// milliseconds since 1970.
	First, Last int64
	Samples     uint32
	// Size is about how many bytes Content holds in memory.
	Size int
	// Content is the batch in the form the caller works with. It must not
	// change any more.
	Content any
}

// Options say where and how much. Zero means the default but for FlushAfter.
type Options struct {
	// Dir is made if it is missing. It belongs to one spool at a time.
	Dir string
	// MaxBytes bounds the size of all files, at least 1 MiB. Beyond it the
	// oldest batches go.
	MaxBytes int64
	// MaxAge bounds how old samples grow by this host's clock.
	MaxAge time.Duration
	// FlushAfter is how long a batch waits in memory for its acknowledgement
	// before it goes to disk; what a SIGKILL can lose is younger than that. With
	// 0, Append returns when the batch is on disk: nothing is lost, at the cost
	// of a flush of the disk a batch.
	FlushAfter time.Duration
	// MemoryBytes bounds what waits in memory. When half of it is used it goes
	// to disk early; beyond it the oldest batches in memory go.
	MemoryBytes int64
	// Encode turns the contents of consecutive batches of a lane into one
	// payload. It is called for what goes to disk only, by one goroutine at a
	// time, and must not call the spool. Batches whose encoding fails are
	// dropped.
	Encode func(contents []any) (Payload, error)
	// Unlocked leaves out the lock of Dir, and with it an open file: the caller
	// vouches that nobody else works there.
	Unlocked bool
	// Step, if not nil, is called before every operation on the disk with what
	// it is, such as "write" or "sync", by the goroutine that is about to do it.
	// A test ends the process there.
	Step   func(op string)
	Logger *slog.Logger

	fs fileSystem // the system's, but in tests
}

func (o *Options) check() error {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxAge == 0 {
		o.MaxAge = DefaultMaxAge
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = DefaultMemoryBytes
	}
	if o.fs == nil {
		o.fs = osFS{}
	}
	if o.Step != nil {
		o.fs = steppedFS{o.fs, o.Step}
	}
	switch {
	case o.Dir == "":
		return errors.New("spool has no folder")
	case o.MaxBytes < minMaxBytes:
		return fmt.Errorf("spool of %d bytes is below the least of %d", o.MaxBytes, minMaxBytes)
	case o.MaxAge < 0, o.FlushAfter < 0, o.MemoryBytes < 0:
		return errors.New("spool has a negative bound")
	}
	return nil
}

// Spool is one agent's queue. Its methods are safe for concurrent use. Append,
// Ack and Stats never wait for the disk, but for Append when FlushAfter is 0.
type Spool struct {
	opts    Options
	fs      fileSystem
	log     *slog.Logger
	boot    LaneID
	segment int64 // bytes at which a segment ends
	wake    chan struct{}
	closing chan struct{}
	done    chan struct{}

	// disk is held during writes; it is taken before mu, never after.
	disk   sync.Mutex
	lock   io.Closer // nil while the folder could not be locked
	writer writer
	next   uint64 // number of the next segment
	noted  time.Time
	retry  time.Time // when a disk that refused is tried again

	mu       sync.Mutex
	lanes    []*lane // oldest first; the last is the live one
	trash    []*segment
	diskUsed int64 // of all files, trash too
	memUsed  int64
	wakeAt   time.Time // when the background goroutine looks again by itself
	unnoted  bool      // acknowledgements that the progress file lacks
	closed   bool
	drops    drops
	degraded error
}

// Open returns the spool in opts.Dir with what earlier processes left there.
// It fails with a [*LockedError] when another process has the folder. On a disk
// that takes no writes it opens in the degraded state. Close must be called.
func Open(opts Options) (*Spool, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	s := &Spool{
		opts:    opts,
		fs:      opts.fs,
		log:     opts.Logger,
		segment: min(maxSegmentBytes, opts.MaxBytes/16),
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		next:    1,
		noted:   time.Now(),
	}
	rand.Read(s.boot[:])
	if err := s.prepare(); err != nil {
		if !diskRefuses(err) {
			return nil, err
		}
		s.refused(err)
	}
	if err := s.recover(); err != nil {
		if s.lock != nil {
			s.lock.Close()
		}
		return nil, err
	}
	s.lanes = append(s.lanes, &lane{id: s.boot})
	go s.run()
	return s, nil
}

// Boot returns the first lane that this process appends to. Hello names it.
func (s *Spool) Boot() LaneID { return s.boot }

// Append takes a batch into the live lane and returns its place there. The
// error is [ErrTooLarge] or [ErrClosed]; that a disk refuses is no error of
// Append, since the batch is kept in memory: see [Stats].
func (s *Spool) Append(b Batch) (lane LaneID, seq uint64, err error) {
	if int64(b.Size) > s.opts.MemoryBytes/2 {
		return LaneID{}, 0, ErrTooLarge
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return LaneID{}, 0, ErrClosed
	}
	now := time.Now()
	live := s.live()
	live.lastSeq++
	lane, seq = live.id, live.lastSeq
	live.memory = append(live.memory, &entry{
		firstSeq: seq, seq: seq, first: b.First, last: b.Last, samples: b.Samples,
		size: entryOverhead + b.Size, content: b.Content, added: now,
	})
	s.memUsed += entryOverhead + int64(b.Size)
	s.boundMemory()
	atOnce := s.opts.FlushAfter == 0
	if s.pressed() && !atOnce {
		s.signal()
	}
	if !atOnce {
		s.wakeBy(now.Add(s.opts.FlushAfter))
	}
	s.mu.Unlock()
	if atOnce {
		s.work(true)
	}
	return lane, seq, nil
}

// Ack forgets every batch of a lane up to and including seq: the server has
// made them durable. An unknown lane is one that was acknowledged whole.
func (s *Spool) Ack(id LaneID, seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, l := range s.lanes {
		if l.id == id {
			s.ack(l, seq)
			if l != s.live() && l.empty() {
				s.lanes = append(s.lanes[:i], s.lanes[i+1:]...)
			}
			return
		}
	}
}

// Flush writes what is in memory to disk, also when a disk that refused is not
// due to be tried again. When it returns nil, all batches appended before are
// promised.
func (s *Spool) Flush() error {
	s.disk.Lock()
	defer s.disk.Unlock()
	return s.flush()
}

// Close flushes, notes what is acknowledged and leaves the folder to others.
// The error says how much is lost because the disk would not take it. A second
// call does nothing.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.closing)
	<-s.done

	s.disk.Lock()
	defer s.disk.Unlock()
	err := s.flush()
	s.seal()
	s.empty()
	s.note()
	if s.lock != nil {
		s.lock.Close()
	}
	if err != nil {
		stats := s.Stats()
		return fmt.Errorf("leaving %d batches in memory behind: %w", stats.MemoryBatches, err)
	}
	return nil
}

// wakeBy makes the background goroutine look at t at the latest. It needs mu.
func (s *Spool) wakeBy(t time.Time) {
	if t.Before(s.wakeAt) {
		s.wakeAt = t
		s.signal()
	}
}

// signal wakes the background goroutine.
func (s *Spool) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

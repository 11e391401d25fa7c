package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"time"
)

const (
	progressMagic = "sondeack"
	progressFixed = 8 + 4 // magic, checksum
	progressLane  = 16 + 8
	// maxProgress bounds what is read; see note for how few lanes are written.
	maxProgress = 1 << 20
)

func (s *Spool) progressPath() string { return filepath.Join(s.opts.Dir, "progress") }

// note writes how far lanes with files are acknowledged, for the next process.
// It is not flushed, and an error is of no consequence: what is lost of it is
// sent twice. It needs disk.
func (s *Spool) note() {
	s.noted = time.Now()
	s.mu.Lock()
	unnoted := s.unnoted
	s.unnoted = false
	var acked []byte
	for _, l := range s.lanes {
		if len(l.segments) > 0 && l.acked >= l.segments[0].firstSeq {
			acked = append(acked, l.id[:]...)
			acked = binary.LittleEndian.AppendUint64(acked, l.acked)
		}
	}
	s.mu.Unlock()
	if !unnoted || s.lock == nil {
		return
	}
	if err := s.writeProgress(acked); err != nil {
		s.log.Debug("noting what the server acknowledged", "error", err)
	}
}

func (s *Spool) writeProgress(acked []byte) error {
	temporary := s.progressPath() + ".tmp"
	if err := s.fs.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := s.fs.Create(temporary)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(appendProgress(nil, acked), 0)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return s.fs.Rename(temporary, s.progressPath())
}

// appendProgress takes lanes as id and sequence number, one after the other.
func appendProgress(dst, lanes []byte) []byte {
	dst = append(dst, progressMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(lanes, castagnoli))
	return append(dst, lanes...)
}

func parseProgress(b []byte) (map[LaneID]uint64, error) {
	switch {
	case len(b) < progressFixed, string(b[:8]) != progressMagic, (len(b)-progressFixed)%progressLane != 0:
		return nil, errors.New("not a progress file")
	case binary.LittleEndian.Uint32(b[8:]) != crc32.Checksum(b[progressFixed:], castagnoli):
		return nil, errors.New("progress file fails its checksum")
	}
	acked := make(map[LaneID]uint64)
	for b = b[progressFixed:]; len(b) > 0; b = b[progressLane:] {
		acked[LaneID(b)] = binary.LittleEndian.Uint64(b[16:])
	}
	return acked, nil
}

// readProgress returns what note wrote, or nothing.
func (s *Spool) readProgress() map[LaneID]uint64 {
	acked, err := s.loadProgress()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("the spool does not know what was acknowledged and sends it again", "error", err)
	}
	return acked
}

func (s *Spool) loadProgress() (map[LaneID]uint64, error) {
	f, err := s.fs.Open(s.progressPath())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > maxProgress {
		return nil, fmt.Errorf("progress file of %d bytes", size)
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return parseProgress(b)
}

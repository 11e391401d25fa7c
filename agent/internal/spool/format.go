package spool

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// FORMAT.md specifies what this file reads and writes.

const (
	segmentMagic   = "sondespl"
	segmentVersion = 1
	headerSize     = 8 + 2 + 2 + 16 + 4

	frameHeaderSize = 4 + 4 + 1
	// maxBody bounds what a damaged length can make a reader allocate.
	maxBody = 16 << 20

	kindSchema = 1
	kindBatch  = 2
	kindEnd    = 3

	batchFixed = 8 + 8 + 8 + 8 + 4 + 2
	endBody    = 7 * 8
	endSize    = frameHeaderSize + endBody
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn says that a file ends within what should be there: a write that a
// crash cut short.
var errTorn = errors.New("the file ends within a record")

// errVersion says that a segment is of a version unknown here.
var errVersion = errors.New("written by a newer agent")

// badChecksum is the reason that a write which tore can have too.
const badChecksum = "record fails its checksum"

// corruptError says that what a file holds is not what was written.
type corruptError struct {
	offset int64
	reason string
}

func (e *corruptError) Error() string { return fmt.Sprintf("%s at byte %d", e.reason, e.offset) }

func appendHeader(dst []byte, lane LaneID) []byte {
	start := len(dst)
	dst = append(dst, segmentMagic...)
	dst = binary.LittleEndian.AppendUint16(dst, segmentVersion)
	dst = append(dst, 0, 0)
	dst = append(dst, lane[:]...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// parseHeader reads the first headerSize bytes of a segment.
func parseHeader(b []byte) (LaneID, error) {
	if len(b) < headerSize {
		return LaneID{}, errTorn
	}
	if string(b[:8]) != segmentMagic {
		return LaneID{}, &corruptError{0, "not a segment"}
	}
	if version := binary.LittleEndian.Uint16(b[8:]); version != segmentVersion {
		return LaneID{}, fmt.Errorf("segment of version %d: %w", version, errVersion)
	}
	if binary.LittleEndian.Uint32(b[headerSize-4:]) != crc32.Checksum(b[:headerSize-4], castagnoli) {
		return LaneID{}, &corruptError{0, "header fails its checksum"}
	}
	return LaneID(b[12:28]), nil
}

// beginFrame leaves room for the header that endFrame fills in.
func beginFrame(dst []byte, kind byte) []byte {
	return append(dst, 0, 0, 0, 0, 0, 0, 0, 0, kind)
}

func endFrame(dst []byte, start int) []byte {
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-frameHeaderSize))
	binary.LittleEndian.PutUint32(dst[start+4:], frameChecksum(dst[start:start+4], dst[start+8:]))
	return dst
}

// frameChecksum is over the length and then the kind and body.
func frameChecksum(length, rest []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, rest)
}

func appendSchema(dst []byte, s Schema) []byte {
	start := len(dst)
	dst = beginFrame(dst, kindSchema)
	dst = append(dst, s.Hash[:]...)
	dst = append(dst, s.Data...)
	return endFrame(dst, start)
}

func appendBatch(dst []byte, e *entry) []byte {
	start := len(dst)
	dst = beginFrame(dst, kindBatch)
	dst = binary.LittleEndian.AppendUint64(dst, e.firstSeq)
	dst = binary.LittleEndian.AppendUint64(dst, e.seq)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.first))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.last))
	dst = binary.LittleEndian.AppendUint32(dst, e.samples)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(e.payload.Schemas)))
	for _, s := range e.payload.Schemas {
		dst = append(dst, s.Hash[:]...)
	}
	dst = append(dst, e.payload.Data...)
	return endFrame(dst, start)
}

// span is what a run of batches amounts to.
type span struct {
	batches, samples  uint64
	firstSeq, lastSeq uint64
	first, last       int64 // milliseconds since 1970, of the samples
}

func (s *span) add(b span) {
	if s.batches == 0 {
		*s = b
		return
	}
	s.batches += b.batches
	s.samples += b.samples
	s.lastSeq = b.lastSeq
	s.first = min(s.first, b.first)
	s.last = max(s.last, b.last)
}

// minus returns what is in s and not in part, which is the beginning of s.
// Its times are from the end of part, since later batches have later samples
// but for a clock that was set.
func (s span) minus(part span) span {
	s.batches -= min(s.batches, part.batches)
	s.samples -= min(s.samples, part.samples)
	if part.batches > 0 {
		s.first, s.firstSeq = min(part.last, s.last), part.lastSeq+1
	}
	return s
}

// appendEnd writes the frame that makes a segment complete; offset is where it
// begins in the file.
func appendEnd(dst []byte, offset int64, s span) []byte {
	start := len(dst)
	dst = beginFrame(dst, kindEnd)
	for _, v := range [...]uint64{uint64(offset), s.batches, s.samples, s.firstSeq, s.lastSeq, uint64(s.first), uint64(s.last)} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return endFrame(dst, start)
}

// parseEnd reads the last endSize bytes of a file of size bytes. ok is false
// when they are not the end of a complete segment.
func parseEnd(b []byte, size int64) (s span, ok bool) {
	if len(b) != endSize || b[8] != kindEnd ||
		binary.LittleEndian.Uint32(b) != endBody ||
		binary.LittleEndian.Uint32(b[4:]) != frameChecksum(b[:4], b[8:]) {
		return span{}, false
	}
	var v [7]uint64
	for i := range v {
		v[i] = binary.LittleEndian.Uint64(b[frameHeaderSize+8*i:])
	}
	s = span{v[1], v[2], v[3], v[4], int64(v[5]), int64(v[6])}
	valid := v[0] == uint64(size-endSize) && s.batches > 0 && s.firstSeq <= s.lastSeq &&
		s.batches <= s.lastSeq-s.firstSeq+1 && s.first <= s.last
	return s, valid
}

// scanner reads the frames of one segment in order, from behind its header. It
// takes any bytes: what is not as FORMAT.md says ends it with a
// [*corruptError] or errTorn.
type scanner struct {
	r       *bufio.Reader
	offset  int64 // of the next frame
	size    int64 // of the file, or of as much as may be read
	lastSeq uint64
	header  [frameHeaderSize]byte
	body    []byte
	schemas map[SchemaHash][]byte
	used    []Schema // of the last batch
}

// bufferSize makes reading a segment a few dozen calls.
const bufferSize = 64 << 10

// scan begins at offset in r; the scanner keeps the schemas it has met.
func (sc *scanner) scan(r io.ReaderAt, offset, size int64) {
	section := io.NewSectionReader(r, offset, size-offset)
	if sc.r == nil {
		sc.r = bufio.NewReaderSize(section, bufferSize)
	} else {
		sc.r.Reset(section)
	}
	sc.offset, sc.size = offset, size
}

// begin starts a new segment.
func (sc *scanner) begin(r io.ReaderAt, size int64) {
	sc.lastSeq = 0
	sc.schemas = make(map[SchemaHash][]byte)
	sc.scan(r, headerSize, size)
}

// next returns the next batch, whose slices are valid until the next call. The
// error is io.EOF behind the last one.
func (sc *scanner) next() (rec Record, s span, err error) {
	for {
		kind, err := sc.frame()
		if err != nil {
			return Record{}, span{}, err
		}
		reason := ""
		switch kind {
		case kindSchema:
			if reason = sc.schema(); reason == "" {
				sc.offset += frameHeaderSize + int64(len(sc.body))
				continue
			}
		case kindBatch:
			if rec, s, reason = sc.batch(); reason == "" {
				sc.offset += frameHeaderSize + int64(len(sc.body))
				sc.lastSeq = rec.Seq
				return rec, s, nil
			}
		case kindEnd:
			return Record{}, span{}, io.EOF
		default:
			reason = "record of unknown kind"
		}
		return Record{}, span{}, &corruptError{sc.offset, reason}
	}
}

// schema keeps the schema in sc.body, or says what is wrong with it.
func (sc *scanner) schema() (reason string) {
	if len(sc.body) < 8 {
		return "schema too short"
	}
	sc.schemas[SchemaHash(sc.body)] = append([]byte(nil), sc.body[8:]...)
	return ""
}

// frame reads the frame at sc.offset, which it leaves there, into sc.body.
func (sc *scanner) frame() (kind byte, err error) {
	sc.body = sc.body[:0]
	left := sc.size - sc.offset
	if left == 0 {
		return 0, io.EOF
	}
	if left < frameHeaderSize {
		return 0, errTorn
	}
	if _, err := io.ReadFull(sc.r, sc.header[:]); err != nil {
		return 0, err
	}
	n := int64(binary.LittleEndian.Uint32(sc.header[:]))
	if n > maxBody {
		return 0, &corruptError{sc.offset, "record too long"}
	}
	if left < frameHeaderSize+n {
		return 0, errTorn
	}
	if int64(cap(sc.body)) < n {
		sc.body = make([]byte, n)
	}
	sc.body = sc.body[:n]
	if _, err := io.ReadFull(sc.r, sc.body); err != nil {
		return 0, err
	}
	sum := crc32.Update(frameChecksum(sc.header[:4], sc.header[8:]), castagnoli, sc.body)
	if sum != binary.LittleEndian.Uint32(sc.header[4:]) {
		return 0, &corruptError{sc.offset, badChecksum}
	}
	return sc.header[8], nil
}

// batch parses sc.body, or says what is wrong with it.
func (sc *scanner) batch() (rec Record, s span, reason string) {
	b := sc.body
	if len(b) < batchFixed {
		return rec, s, "batch too short"
	}
	u64 := binary.LittleEndian.Uint64
	s = span{firstSeq: u64(b), lastSeq: u64(b[8:]), first: int64(u64(b[16:])), last: int64(u64(b[24:])),
		samples: uint64(binary.LittleEndian.Uint32(b[32:]))}
	s.batches = s.lastSeq - s.firstSeq + 1
	count := int(binary.LittleEndian.Uint16(b[36:]))
	switch {
	case s.firstSeq > s.lastSeq, s.firstSeq <= sc.lastSeq:
		return rec, s, "sequence numbers that do not ascend"
	case s.first > s.last:
		return rec, s, "batch that ends before it begins"
	case len(b) < batchFixed+8*count:
		return rec, s, "batch too short for its schemas"
	}
	b = b[batchFixed:]
	sc.used = sc.used[:0]
	for range count {
		hash := SchemaHash(b)
		data, ok := sc.schemas[hash]
		if !ok {
			return rec, s, "batch without its schema"
		}
		sc.used = append(sc.used, Schema{hash, data})
		b = b[8:]
	}
	return Record{
		Seq: s.lastSeq, First: s.first, Last: s.last, Samples: uint32(s.samples),
		Payload: Payload{Data: b, Schemas: sc.used},
	}, s, ""
}

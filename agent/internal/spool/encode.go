package spool

import "fmt"

// groupBytes is how much of the caller's content is encoded together: one
// payload for several batches is several times shorter than theirs alone.
const groupBytes = 256 << 10

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

package uplink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"sonde.dev/sonde/agent/internal/spool"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

const (
	// maxLanes bounds the lanes of a stream; the server takes 64.
	maxLanes = 60
	// rereadAfter is when a spool that could not be read is read again.
	rereadAfter = 5 * time.Second
)

// sendLive sends live batches, and the schemas they need first, as far as the
// window goes.
func (s *stream) sendLive() error {
	s.idle = false
	for !s.renewing && s.window.open() {
		rec, ok, err := s.reader.Live()
		if err != nil {
			s.unreadable(err)
			return nil
		}
		if !ok {
			s.idle = true
			return nil
		}
		if content, ok := rec.Content.(*batch); ok {
			err = s.sendBatch(rec, content)
		} else {
			err = s.sendStored(rec, true)
		}
		switch {
		case errors.Is(err, errRenew):
			// The reader of the next stream gives it out again.
			s.renewing = true
		case errors.Is(err, errUnsendable):
			// The acknowledgement of the next batch covers it.
			s.refuse(rec, err)
		case err != nil:
			return err
		}
	}
	return nil
}

// sendBacklog sends batches of earlier lanes beside the live ones, as far as
// their part of the window and their rate go.
func (s *stream) sendBacklog() error {
	for !s.renewing && s.window.openToBacklog() {
		if wait := s.pace.wait(time.Now()); wait > 0 {
			s.again.Reset(wait)
			return nil
		}
		if s.held == nil {
			rec, ok, err := s.reader.Backlog()
			if err != nil {
				s.unreadable(err)
			}
			if err != nil || !ok {
				return nil
			}
			s.held = &rec
		}
		err := s.sendStored(*s.held, false)
		switch {
		case errors.Is(err, errRenew):
			s.renewing = true
			return nil
		case errors.Is(err, errUnsendable):
			// What is before it is acknowledged first, since this covers it.
			if s.window.holds(s.held.Lane) {
				return nil
			}
			s.refuse(*s.held, err)
			s.u.spool.Ack(s.held.Lane, s.held.Seq)
		case err != nil:
			return err
		}
		s.pace.take(time.Now(), s.held.Samples)
		s.held = nil
	}
	return nil
}

// sendBatch sends a live batch relative to the one before.
func (s *stream) sendBatch(rec spool.Record, b *batch) error {
	payload, schemas, skipped, err := s.encoder.encode(b.ticks)
	if errors.Is(err, errRenew) {
		return err
	}
	if err != nil {
		return fmt.Errorf("encoding batch %d: %w", rec.Seq, err)
	}
	s.u.refused.Add(skipped)
	return s.submit(rec, schemas, payload, sent{live: true, sealed: b.sealed})
}

// errUnsendable says that no stream to this server can carry a record.
var errUnsendable = errors.New("the server would not take it")

// sendStored sends a record that stands by itself. The error may be errRenew or
// errUnsendable; then nothing was sent.
func (s *stream) sendStored(rec spool.Record, live bool) error {
	if _, known := s.lanes[rec.Lane]; !known && len(s.lanes) >= maxLanes {
		return errRenew
	}
	payload := rec.Payload
	if rec.Content != nil {
		var err error
		if payload, err = s.stored.encode([]any{rec.Content}); err != nil {
			return fmt.Errorf("%w: %w", errUnsendable, err)
		}
	}
	var schemas []*sondev1.Schema
	for _, from := range payload.Schemas {
		if s.known.has(binary.BigEndian.Uint64(from.Hash[:])) {
			continue
		}
		schema := new(sondev1.Schema)
		if err := proto.Unmarshal(from.Data, schema); err != nil {
			return fmt.Errorf("%w: schema %x: %w", errUnsendable, from.Hash, err)
		}
		schemas = append(schemas, schema)
	}
	if err := s.known.addBacklog(schemas); errors.Is(err, errRenew) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %w", errUnsendable, err)
	}
	s.lanes[rec.Lane] = struct{}{}
	return s.submit(rec, schemas, payload.Data, sent{live: live})
}

// submit sends a payload and the schemas it needs.
func (s *stream) submit(rec spool.Record, schemas []*sondev1.Schema, payload []byte, as sent) error {
	for _, schema := range schemas {
		err := s.conn.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Schema{Schema: schema}})
		if err != nil {
			return err
		}
	}
	b := &sondev1.Batch{Seq: rec.Seq, Payload: payload}
	if rec.Lane != s.u.spool.Boot() {
		b.BootId = rec.Lane[:]
	}
	as.lane, as.seq = rec.Lane, rec.Seq
	s.window.add(as) // before it is sent: the acknowledgement may be quick
	if err := s.conn.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Batch{Batch: b}}); err != nil {
		return err
	}
	s.u.bytesSent.Add(uint64(len(payload)))
	return nil
}

// acked takes an acknowledgement from the receiver.
func (s *stream) acked(m *sondev1.Ack) {
	lane := s.u.spool.Boot()
	if len(m.BootId) == len(lane) {
		lane = spool.LaneID(m.BootId)
	}
	s.works()
	s.u.spool.Ack(lane, m.Seq)
	s.window.ack(lane, m.Seq, func(d time.Duration) { s.u.delay.Record(d.Seconds()) })
	s.u.signal()
}

// refuse counts a record that cannot be sent.
func (s *stream) refuse(rec spool.Record, why error) {
	s.u.refused.Add(uint64(rec.Samples))
	s.u.log.Error("samples cannot be sent", "samples", rec.Samples,
		"first", time.UnixMilli(rec.First), "last", time.UnixMilli(rec.Last), "error", why)
}

// unreadable logs the first error of reading the spool and has it tried again.
func (s *stream) unreadable(err error) {
	if !s.warned {
		s.warned = true
		s.u.log.Warn("the spool cannot be read now; it is tried again", "error", err)
	}
	s.again.Reset(rereadAfter)
}

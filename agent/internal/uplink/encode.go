package uplink

import (
	"fmt"
	"log/slog"
	"time"

	"sonde.dev/sonde/agent/internal/sample"
	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// blockEncoder makes the payloads of live batches of one stream, each relative
// to the one before.
type blockEncoder struct {
	wire  *wire.Encoder
	known *schemaSet
	log   *slog.Logger
	// schemas has nil for a schema that cannot be sent on this stream.
	schemas map[*sample.Schema]*wire.Schema

	blocks blocks
	buf    []byte
}

// newBlockEncoder returns the encoder of a stream on which the server knows the
// schemas in known.
func newBlockEncoder(known *schemaSet, log *slog.Logger) *blockEncoder {
	return &blockEncoder{
		wire:    wire.NewEncoder(),
		known:   known,
		log:     log,
		schemas: make(map[*sample.Schema]*wire.Schema),
		blocks:  newBlocks(),
	}
}

// encode returns the payload for ticks and the schemas that have to be sent
// before it. Ticks whose schema the server would not take are left out; their
// samples are counted in skipped. The payload is valid until the next call. The
// error is errRenew when a new stream may have room for a schema that this one has
// not.
func (e *blockEncoder) encode(ticks []sample.Tick) (payload []byte, added []*sondev1.Schema, skipped uint64, err error) {
	e.blocks.reset()
	for _, t := range ticks {
		schema, known := e.schemas[t.Schema]
		if !known {
			var fresh bool
			if schema, fresh, err = e.add(t.Schema); err != nil {
				return nil, nil, 0, err
			}
			if fresh {
				added = append(added, schema.Proto())
			}
		}
		if schema == nil {
			skipped += samplesOf(t)
			continue
		}
		e.blocks.add(schema, t)
	}
	e.buf, err = e.wire.Encode(e.buf[:0], e.blocks.columns())
	return e.buf, added, skipped, err
}

// add takes a schema into the stream; fresh says that the server does not know
// it yet. It returns nil, once it has logged why, when the server would not take
// it: that must not cost the other collectors their stream.
func (e *blockEncoder) add(from *sample.Schema) (schema *wire.Schema, fresh bool, err error) {
	schema, err = newSchema(from)
	if err == nil {
		if fresh, err = e.known.addLive(schema.Hash(), len(from.Series)); err == errRenew {
			return nil, false, err
		}
	}
	if err != nil {
		e.log.Error("series cannot be sent", "first", from.Series[0].Name, "series", len(from.Series), "error", err)
		schema = nil
	}
	e.schemas[from] = schema
	return schema, fresh, nil
}

// schemaSet is the schemas that the server knows on one stream, by hash.
type schemaSet struct {
	max     int // series that the server takes
	begun   time.Time
	hashes  map[uint64]struct{}
	series  int // of all
	backlog int // of those that came with the backlog
}

func newSchemaSet(maxSeries int) *schemaSet {
	return &schemaSet{max: maxSeries, begun: time.Now(), hashes: make(map[uint64]struct{})}
}

const (
	// maxSchemas is how many schemas a stream may have; the server takes 1,024.
	maxSchemas = 1000
	// renewAfter is how old a stream is before it may be ended because devices
	// that came and went have filled it with schemas.
	renewAfter = time.Minute
)

func (s *schemaSet) has(hash uint64) bool {
	_, ok := s.hashes[hash]
	return ok
}

// room returns an error when there is none for so many more.
func (s *schemaSet) room(schemas, series int) error {
	switch {
	case s.series+series > s.max:
		return fmt.Errorf("%d series and %d more are beyond the server's limit of %d", s.series, series, s.max)
	case len(s.hashes)+schemas > maxSchemas:
		return fmt.Errorf("%d schemas and %d more are beyond the limit of %d", len(s.hashes), schemas, maxSchemas)
	}
	return nil
}

// addLive makes room for a schema of a live batch. fresh is false when it is
// known already. The error is errRenew when a new stream, without the schemas of
// the backlog and of devices that are gone, may have room.
func (s *schemaSet) addLive(hash uint64, series int) (fresh bool, err error) {
	if s.has(hash) {
		return false, nil
	}
	if err := s.room(1, series); err != nil {
		if s.backlog > 0 || time.Since(s.begun) > renewAfter {
			return false, errRenew
		}
		return false, err
	}
	s.hashes[hash] = struct{}{}
	s.series += series
	return true, nil
}

// addBacklog makes room for the schemas of a record of the backlog, which
// together may take half of what the server gives, so that live ones find room.
// The error is errRenew when a new stream would have it.
func (s *schemaSet) addBacklog(schemas []*sondev1.Schema) error {
	n := 0
	for _, schema := range schemas {
		n += len(schema.Series)
	}
	if n == 0 {
		return nil
	}
	err := s.room(len(schemas), n)
	if s.backlog > 0 && (err != nil || s.backlog+n > s.max/2) {
		return errRenew
	}
	if err != nil {
		return err
	}
	for _, schema := range schemas {
		s.hashes[schema.Hash] = struct{}{}
	}
	s.series += n
	s.backlog += n
	return nil
}

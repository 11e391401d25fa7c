package uplink

import (
	"encoding/binary"
	"errors"

	"google.golang.org/protobuf/proto"

	"sonde.dev/sonde/agent/internal/sample"
	"sonde.dev/sonde/agent/internal/spool"
	"sonde.dev/sonde/internal/wire"
)

// storedEncoder makes payloads that stand by themselves: what goes to disk, and
// what leaves beside the live batches. One goroutine uses it at a time.
type storedEncoder struct {
	// schemas has an empty value for one that no server would take.
	schemas map[*sample.Schema]storedSchema
}

type storedSchema struct {
	wire    *wire.Schema
	encoded spool.Schema
}

// maxCached bounds the schemas that a storedEncoder remembers.
const maxCached = 256

func newStoredEncoder() *storedEncoder {
	return &storedEncoder{schemas: make(map[*sample.Schema]storedSchema)}
}

var errNothingToSend = errors.New("no server would take any of the series")

// encode returns one payload for the ticks of all contents, each a *batch. Ticks
// whose series no server would take are left out; the stream, which meets them
// first, has logged them.
func (e *storedEncoder) encode(contents []any) (spool.Payload, error) {
	if len(e.schemas) > maxCached {
		clear(e.schemas)
	}
	var p spool.Payload
	blocks := newBlocks() // kept by nobody: the next call may be weeks away
	used := make(map[spool.SchemaHash]struct{})
	for _, content := range contents {
		for _, t := range content.(*batch).ticks {
			s, known := e.schemas[t.Schema]
			if !known {
				var err error
				if s, err = newStoredSchema(t.Schema); err != nil {
					return spool.Payload{}, err
				}
				e.schemas[t.Schema] = s
			}
			if s.wire == nil {
				continue
			}
			if _, ok := used[s.encoded.Hash]; !ok {
				used[s.encoded.Hash] = struct{}{}
				p.Schemas = append(p.Schemas, s.encoded)
			}
			blocks.add(s.wire, t)
		}
	}
	if len(p.Schemas) == 0 {
		return spool.Payload{}, errNothingToSend
	}
	var err error
	p.Data, err = wire.EncodeStandalone(nil, blocks.columns())
	return p, err
}

func newStoredSchema(from *sample.Schema) (storedSchema, error) {
	schema, err := newSchema(from)
	if err != nil {
		return storedSchema{}, nil
	}
	s := storedSchema{wire: schema}
	binary.BigEndian.PutUint64(s.encoded.Hash[:], schema.Hash())
	s.encoded.Data, err = proto.Marshal(schema.Proto())
	return s, err
}

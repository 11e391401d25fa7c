package wire

import (
	"errors"
	"fmt"
)

// ErrUnknownSchema is what every *[UnknownSchemaError] is.
var ErrUnknownSchema = errors.New("unknown schema")

// ErrTooLarge is what every *[LimitError] is.
var ErrTooLarge = errors.New("too large")

// FormatError says that a payload is not in the format.
type FormatError struct {
	// Offset is the byte of the payload in which the fault was noticed.
	Offset int
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("payload malformed at byte %d: %s", e.Offset, e.Reason)
}

// UnknownSchemaError says that a payload names a schema that the decoder was
// not given.
type UnknownSchemaError struct {
	Offset int
	Hash   uint64
}

func (e *UnknownSchemaError) Error() string {
	return fmt.Sprintf("unknown schema %016x at byte %d", e.Hash, e.Offset)
}

// Is makes the error match [ErrUnknownSchema].
func (e *UnknownSchemaError) Is(target error) bool { return target == ErrUnknownSchema }

// LimitError says that a payload or a schema is beyond one of the [Limits].
type LimitError struct {
	// Offset is the byte of the payload in which it was noticed.
	Offset int
	// What there is too much of, in the plural: "ticks of a block".
	What string
	// Got is how many there would be, Limit how many there may be.
	Got, Limit uint64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%d %s at byte %d, the limit is %d", e.Got, e.What, e.Offset, e.Limit)
}

// Is makes the error match [ErrTooLarge].
func (e *LimitError) Is(target error) bool { return target == ErrTooLarge }

// SchemaError says why a list of series is not a schema.
type SchemaError struct {
	// Series is the position of the series at fault, -1 when it is the whole.
	Series int
	Reason string
}

func (e *SchemaError) Error() string {
	if e.Series < 0 {
		return "invalid schema: " + e.Reason
	}
	return fmt.Sprintf("invalid schema: series %d: %s", e.Series, e.Reason)
}

// BlockError says why a block cannot be encoded; it is a fault of the caller.
type BlockError struct {
	// Block is the position of the block in the batch.
	Block  int
	Reason string
}

func (e *BlockError) Error() string {
	return fmt.Sprintf("invalid block %d: %s", e.Block, e.Reason)
}

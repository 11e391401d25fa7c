package uplink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

func envelope(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// TestMessageReader reads messages from a body that comes in small pieces and
// expects each by one Read.
func TestMessageReader(t *testing.T) {
	messages := [][]byte{[]byte("hello"), {}, bytes.Repeat([]byte("batch"), 1000), []byte("x")}
	var body []byte
	for _, m := range messages {
		body = append(body, envelope(m)...)
	}
	pieces := map[string]io.Reader{
		"one byte": iotest.OneByteReader(bytes.NewReader(body)),
		"halves":   iotest.HalfReader(bytes.NewReader(body)),
		"whole":    bytes.NewReader(body),
	}
	for name, from := range pieces {
		t.Run(name, func(t *testing.T) {
			r := &messageReader{body: io.NopCloser(from)}
			p := make([]byte, 16<<10)
			for i, m := range messages {
				n, err := r.Read(p)
				if err != nil || !bytes.Equal(p[:n], envelope(m)) {
					t.Errorf("message %d: read %d bytes, %v; want %d", i, n, err, len(m)+5)
				}
			}
			if n, err := r.Read(p); n != 0 || err != io.EOF {
				t.Errorf("at the end: %d, %v", n, err)
			}
		})
	}
}

func TestMessageReaderWithLittleRoom(t *testing.T) {
	body := slices.Concat(envelope([]byte("a message of some bytes")), envelope([]byte("another")))
	for room := 1; room <= len(body); room++ {
		r := &messageReader{body: io.NopCloser(bytes.NewReader(body))}
		var got []byte
		p := make([]byte, room)
		for {
			n, err := r.Read(p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, body) {
			t.Errorf("with room for %d bytes: %q", room, got)
		}
	}
}

func TestMessageReaderTornBody(t *testing.T) {
	body := envelope([]byte("torn"))
	for n := 1; n < len(body); n++ {
		r := &messageReader{body: io.NopCloser(bytes.NewReader(body[:n]))}
		if _, err := io.ReadAll(r); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a body of %d of %d bytes ends with %v", n, len(body), err)
		}
	}
}

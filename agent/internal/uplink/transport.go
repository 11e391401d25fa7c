package uplink

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
)

// whole makes every message of a stream leave in one DATA frame, and so in one
// segment. Connect hands the five bytes before a message to the transport by
// themselves, which would send them by themselves: twice the system calls and
// wake-ups on both sides.
//
// It also ends a stream when its context does. The transport by itself notices
// that only once it has got the whole body of the request, for which it waits
// while the agent has nothing to send.
type whole struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (w whole) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.GetBody != nil || req.Body == nil || req.Body == http.NoBody {
		return w.RoundTripper.RoundTrip(req) // no stream: its body is complete
	}
	req = req.WithContext(req.Context())
	body := req.Body
	stop := context.AfterFunc(req.Context(), func() { _ = body.Close() })
	req.Body = &messageReader{body: body, stop: stop}
	return w.RoundTripper.RoundTrip(req)
}

// messageReader reads a body of gRPC messages and returns as much of one message
// a Read as there is room for. Whoever writes the body must write messages
// without a pause in them.
type messageReader struct {
	body   io.ReadCloser
	stop   func() bool // ends the wait for the end of the context; or nil
	prefix [5]byte
	have   int    // bytes of prefix that were read and not yet returned
	rest   uint64 // bytes of the message that were not yet read
}

// Read implements [io.Reader].
func (r *messageReader) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.rest == 0 && r.have == 0 {
		if _, err := io.ReadFull(r.body, r.prefix[:]); err != nil {
			return 0, err
		}
		r.have = len(r.prefix)
		r.rest = uint64(binary.BigEndian.Uint32(r.prefix[1:]))
	}
	if r.have > 0 {
		n = copy(p, r.prefix[len(r.prefix)-r.have:])
		r.have -= n
	}
	want := min(uint64(len(p)-n), r.rest)
	m, err := io.ReadFull(r.body, p[n:n+int(want)])
	r.rest -= uint64(m)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n + m, err
}

// Close implements [io.Closer].
func (r *messageReader) Close() error {
	if r.stop != nil {
		r.stop()
	}
	return r.body.Close()
}

package access

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"sonde.dev/sonde/server/internal/fleet"
)

// Refusal answers a request that is not let through. err is a [fleet.Error], or
// the failure of a store.
type Refusal func(w http.ResponseWriter, r *http.Request, err error)

// outcome is what a refusal says, in the words of each protocol.
type outcome struct {
	status     int
	connect    connect.Code
	prometheus string
	text       string
}

// outcomeOf knows the few codes that this package and the store come up with.
func outcomeOf(err error) outcome {
	var e *fleet.Error
	if errors.As(err, &e) {
		switch e.Code {
		case fleet.Unauthenticated:
			return outcome{http.StatusUnauthorized, connect.CodeUnauthenticated, "unauthorized", e.Message}
		case fleet.PermissionDenied:
			return outcome{http.StatusForbidden, connect.CodePermissionDenied, "forbidden", e.Message}
		case fleet.Exists:
			return outcome{http.StatusConflict, connect.CodeAlreadyExists, "conflict", e.Message}
		case fleet.Invalid:
			return outcome{http.StatusBadRequest, connect.CodeInvalidArgument, "bad_data", e.Message}
		case fleet.Limit:
			return outcome{http.StatusTooManyRequests, connect.CodeResourceExhausted, "too_many_requests", e.Message}
		case fleet.Unavailable:
			return outcome{http.StatusServiceUnavailable, connect.CodeUnavailable, "unavailable", e.Message}
		}
	}
	return outcome{http.StatusInternalServerError, connect.CodeInternal, "internal", "the server failed to look up who you are"}
}

var errorWriter = connect.NewErrorWriter()

// RPC refuses in the protocol of the call: gRPC, gRPC-Web or Connect.
func RPC(w http.ResponseWriter, r *http.Request, err error) {
	o := outcomeOf(err)
	// A failure to write is a caller who has gone.
	_ = errorWriter.Write(w, r, connect.NewError(o.connect, errors.New(o.text)))
}

// Prometheus refuses in the shape of the Prometheus HTTP API.
func Prometheus(w http.ResponseWriter, _ *http.Request, err error) {
	o := outcomeOf(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(o.status)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"status": "error", "errorType": o.prometheus, "error": o.text,
	})
}

// Page refuses with the sign-in page where a person asks for a page, and with
// one line of text else.
func (g *Guard) Page(w http.ResponseWriter, r *http.Request, err error) {
	o := outcomeOf(err)
	if o.status == http.StatusUnauthorized && wantsPage(r) {
		g.writeLogin(w, r, o.status, login{Next: r.URL.RequestURI()})
		return
	}
	http.Error(w, o.text, o.status)
}

func wantsPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		strings.Contains(r.Header.Get("Accept"), "text/html")
}

// Package promapi serves the Prometheus HTTP API, as far as Grafana's Prometheus
// data source, promtool query and scripts use it:
//
//	GET, POST  /api/v1/query, query_range, query_exemplars, format_query,
//	           series, labels
//	GET        /api/v1/label/<name>/values, metadata, rules, alerts,
//	           status/buildinfo
//
// It promises Prometheus' parameters, answers, error types and status codes, and
// its evaluation: a sample stands for its series for 5 minutes, or for
// lookback_delta. The limits are those of package query. Exemplars, rules and
// alerts are empty, as there are none. Nothing can be written or administered.
//
// It does not ask who calls: access is decided before it.
package promapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/util/httputil"

	"sonde.dev/sonde/server/internal/series/query"
)

// maxFormBytes bounds the body of a request.
const maxFormBytes = 1 << 20

// statusClientClosedRequest is what Prometheus answers when the client is gone.
const statusClientClosedRequest = 499

type api struct{ engine *query.Engine }

// New returns the handler of all paths below /api/v1/.
func New(engine *query.Engine) http.Handler {
	a := &api{engine: engine}
	mux := http.NewServeMux()
	for path, f := range map[string]endpoint{
		"query":           a.query,
		"query_range":     a.queryRange,
		"query_exemplars": a.queryExemplars,
		"format_query":    a.formatQuery,
		"series":          a.series,
		"labels":          a.labels,
	} {
		mux.Handle("GET /api/v1/"+path, f)
		mux.Handle("POST /api/v1/"+path, f)
	}
	for path, f := range map[string]endpoint{
		"label/{name}/values": a.labelValues,
		"metadata":            metadata,
		"rules":               rules,
		"alerts":              alerts,
		"status/buildinfo":    buildInfo,
	} {
		mux.Handle("GET /api/v1/"+path, f)
	}
	mux.Handle("/api/v1/", endpoint(func(w http.ResponseWriter, r *http.Request) error {
		return &apiError{notFound, fmt.Errorf("%s %s is not part of this API", r.Method, r.URL.Path)}
	}))
	return httputil.CompressionHandler{Handler: mux}
}

// endpoint answers a request, or returns why not before it has written
// anything.
type endpoint func(http.ResponseWriter, *http.Request) error

// ServeHTTP implements [http.Handler].
func (f endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	err := r.ParseForm()
	if err != nil {
		err = &apiError{badData, fmt.Errorf("error parsing form values: %w", err)}
	} else {
		err = f(w, r)
	}
	if err != nil {
		respondError(w, err)
	}
}

// errorType is an error's name in an answer.
type errorType string

const (
	timedOut    errorType = "timeout"
	canceled    errorType = "canceled"
	execution   errorType = "execution"
	badData     errorType = "bad_data"
	internal    errorType = "internal"
	unavailable errorType = "unavailable"
	notFound    errorType = "not_found"
)

// statuses are the status codes of errors.
var statuses = map[errorType]int{
	timedOut:    http.StatusServiceUnavailable,
	canceled:    statusClientClosedRequest,
	execution:   http.StatusUnprocessableEntity,
	badData:     http.StatusBadRequest,
	internal:    http.StatusInternalServerError,
	unavailable: http.StatusServiceUnavailable,
	notFound:    http.StatusNotFound,
}

// errorTypes are the types of the engine's errors.
var errorTypes = map[query.Kind]errorType{
	query.Internal:       internal,
	query.BadExpr:        badData,
	query.BadRange:       badData,
	query.Evaluation:     execution,
	query.TooManySamples: execution,
	query.TooLarge:       execution,
	query.Busy:           unavailable,
	query.Timeout:        timedOut,
	query.Canceled:       canceled,
	query.Unavailable:    unavailable,
}

// apiError is an error with its type.
type apiError struct {
	typ errorType
	err error
}

func (e *apiError) Error() string { return e.err.Error() }

// invalid is the error of one parameter.
func invalid(parameter string, err error) error {
	return &apiError{badData, fmt.Errorf("invalid parameter %q: %w", parameter, err)}
}

// queryError is an error of the engine as an answer. What is wrong with the
// expression is wrong with a parameter.
func queryError(parameter string, err error) error {
	var e *query.Error
	switch {
	case !errors.As(err, &e) || e.Kind == query.Internal:
		return &apiError{internal, errors.New("the query failed inside the server; its log says why")}
	case e.Kind == query.BadExpr:
		return invalid(parameter, err)
	default:
		return &apiError{errorTypes[e.Kind], err}
	}
}

// response is the frame of every answer.
type response struct {
	Status    string    `json:"status"`
	Data      any       `json:"data,omitempty"`
	ErrorType errorType `json:"errorType,omitempty"`
	Error     string    `json:"error,omitempty"`
	Warnings  []string  `json:"warnings,omitempty"`
}

// respond answers with data. What cannot be written has nobody to read it.
func respond(w http.ResponseWriter, data any, warnings []string) error {
	write(w, http.StatusOK, response{Status: "success", Data: data, Warnings: warnings})
	return nil
}

func respondError(w http.ResponseWriter, err error) {
	res := response{Status: "error", ErrorType: internal, Error: err.Error()}
	var e *apiError
	if errors.As(err, &e) {
		res.ErrorType = e.typ
	}
	write(w, statuses[res.ErrorType], res)
}

func write(w http.ResponseWriter, status int, res response) {
	body, err := json.Marshal(res)
	if err != nil {
		// All types that get here are strings, numbers and lists of them.
		panic(fmt.Sprintf("promapi: encoding an answer: %v", err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

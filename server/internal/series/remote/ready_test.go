package remote

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A server that has nothing to write any more is ready once the store answers.
func TestReadyAfterAnOutageWithoutWrites(t *testing.T) {
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status":"success","data":{}}`))
	}))
	defer f.Close()
	s, err := Open(Options{WriteURL: f.URL, ReadURL: f.URL, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	down := errors.New("down")
	s.note(down, time.Now())
	if err := s.Ready(t.Context()); !errors.Is(err, down) {
		t.Errorf("while it is down: %v", err)
	}
	s.note(down, time.Now().Add(-refusalAge))
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

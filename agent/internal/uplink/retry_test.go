package uplink

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
)

var errFull = connect.NewError(connect.CodeUnavailable, errors.New("the server cannot store samples now"))

// TestPauseBetweenStreams has servers take the agent in and then fail it.
func TestPauseBetweenStreams(t *testing.T) {
	tests := []struct {
		name    string
		batches int
		serve   func(stream *serverStream) error
		grows   bool
	}{
		{"the store is full", 10, func(stream *serverStream) error {
			if _, err := nextBatch(stream); err != nil {
				return err
			}
			return errFull
		}, true},
		{"the store is away", 10, func(stream *serverStream) error {
			if _, err := nextBatch(stream); err != nil {
				return err
			}
			time.Sleep(maxRetry + time.Second)
			return errFull
		}, true},
		{"at once, without a batch", 0, func(*serverStream) error {
			return errFull
		}, true},
		{"after a while, without a batch", 0, func(*serverStream) error {
			time.Sleep(maxRetry + time.Second)
			return errFull
		}, false},
		{"after an acknowledgement", 1000, func(stream *serverStream) error {
			if err := ackNext(stream); err != nil {
				return err
			}
			return errFull
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &cluster{t: t, serve: func(_ string, _ int, stream *serverStream) error { return test.serve(stream) }}
				visits := c.run(50*time.Second, test.batches, "a", "b")
				if len(visits) < 5 {
					t.Fatalf("%d streams", len(visits))
				}
				bound := minRetry
				for i, v := range visits[1:] {
					before := visits[i]
					pause := v.from.Sub(before.till)
					if v.server == before.server || pause < bound/2 || pause > bound {
						t.Errorf("server %s is followed by %s after %v, want the other one after %v to %v", before.server, v.server, pause, bound/2, bound)
					}
					if test.grows {
						bound = min(bound*2, maxRetry)
					}
				}
				failed, connected := c.logged("no connection to the server"), c.logged("connected")
				if test.grows && (failed != 1 || connected != 0) || !test.grows && connected < len(visits)-1 {
					t.Errorf("of %d streams %d are in the log as failed and %d as connected", len(visits), failed, connected)
				}
			})
		})
	}
}

// TestRetryIsAsTheLastErrorSays has an agent that another took the place of, and
// then a server that is away.
func TestRetryIsAsTheLastErrorSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRetry(slog.New(slog.NewTextHandler(&log, nil)))
		for i, step := range []struct {
			code   connect.Code
			bound  time.Duration
			logged bool
		}{
			{connect.CodeUnavailable, minRetry, true},
			{connect.CodeUnavailable, 2 * minRetry, false},
			{connect.CodeAlreadyExists, time.Minute, true},
			{connect.CodeAlreadyExists, 2 * time.Minute, false},
			{connect.CodeUnavailable, maxRetry, true},
			{connect.CodeUnavailable, maxRetry, false},
		} {
			log.Reset()
			begun := time.Now()
			if err := r.wait(t.Context(), "a", connect.NewError(step.code, nil)); err != nil {
				t.Fatal(err)
			}
			if pause := time.Since(begun); pause < step.bound/2 || pause > step.bound {
				t.Errorf("%d, %v: a pause of %v, want %v to %v", i, step.code, pause, step.bound/2, step.bound)
			}
			if logged := log.Len() > 0; logged != step.logged {
				t.Errorf("%d, %v: logged is %v", i, step.code, logged)
			}
		}
	})
}

// TestRecoveryIsLogged has a server that fails many streams work at last.
func TestRecoveryIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t}
		c.serve = func(_ string, n int, stream *serverStream) error {
			if n < 10 {
				return errFull
			}
			c.stop()
			return ackNext(stream)
		}
		visits := c.run(time.Minute, 1, "a")
		if n := c.logged("connected"); len(visits) != 11 || n != 1 {
			t.Errorf("of %d streams %d are in the log as connected, want 11 and 1", len(visits), n)
		}
	})
}

// TestNextServerAtOnce has all servers but one fail the agent right after they
// took it in.
func TestNextServerAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t}
		c.serve = func(server string, _ int, stream *serverStream) error {
			if server != "c" {
				return errFull
			}
			c.stop()
			return ackNext(stream)
		}
		begun := time.Now()
		visits := c.run(time.Minute, 1, "a", "b", "c")
		last := visits[len(visits)-1]
		if took := last.from.Sub(begun); last.server != "c" || took > 3*minRetry {
			t.Errorf("the agent is with server %s after %v", last.server, took)
		}
	})
}

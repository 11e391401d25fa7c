package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sonde.dev/sonde/agent/witness"
	"sonde.dev/sonde/internal/durable"
	"sonde.dev/sonde/server/internal/series"
)

// The environment of a process that is a server and kills itself: where its data
// is, on which address it listens, at which point it dies, and the how manieth
// time that it gets there.
const (
	childDir     = "SONDE_TEST_SERVER_DIR"
	childAddress = "SONDE_TEST_SERVER_ADDRESS"
	childPoint   = "SONDE_TEST_SERVER_POINT"
	childNth     = "SONDE_TEST_SERVER_NTH"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDir) == "" {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child() error {
	nth, err := strconv.ParseInt(os.Getenv(childNth), 10, 64)
	if err != nil {
		return err
	}
	s, err := New(context.Background(), Config{
		DataDir: os.Getenv(childDir), Listen: os.Getenv(childAddress), TLS: TLSAuto, Retention: 24 * time.Hour,
		MaxSeries: 1000, QueryTimeout: time.Minute, QuerySamples: 10_000_000, Out: io.Discard,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		faults: killAt(os.Getenv(childPoint), nth),
	})
	if err != nil {
		return err
	}
	return s.Run(context.Background())
}

// Points at which a server dies, with the nth batch since its start.
const (
	beforeAppend = "before the append"
	beforeFlush  = "after the append, before the flush"
	beforeAck    = "after the flush, before the acknowledgement"
	afterAck     = "after the acknowledgement"
)

// killAt returns the faults that kill this process at a point. That after the
// acknowledgement is for who has got it to bring about.
func killAt(point string, nth int64) faults {
	die := func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	k := &killer{die: die, point: point, nth: nth}
	return faults{
		appender: func(store series.Appender) series.Appender {
			k.Appender = store
			return k
		},
		flush: func(f *os.File) error {
			if point == beforeFlush && k.appended.Load() >= nth {
				die()
			}
			return durable.SyncData(f)
		},
	}
}

// killer is a store that takes its process with it.
type killer struct {
	series.Appender
	die            func()
	point          string
	nth            int64
	appended, done atomic.Int64
}

func (k *killer) Append(ctx context.Context, w *series.Write) error {
	if k.point == beforeAppend && k.appended.Load()+1 == k.nth {
		k.die()
	}
	err := k.Appender.Append(ctx, &series.Write{Rows: w.Rows, Done: func(r series.Result, err error) {
		if k.point == beforeAck && err == nil && k.done.Add(1) == k.nth {
			k.die()
		}
		w.Done(r, err)
	}})
	k.appended.Add(1)
	return err
}

// process is a server that runs as a process of its own.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

func startServer(t *testing.T, dir, address, point string, nth int) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], "-test.run=^$"), exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childDir+"="+dir, childAddress+"="+address, childPoint+"="+point, fmt.Sprintf("%s=%d", childNth, nth))
	p.cmd.Stderr = t.Output()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// await waits until done says so.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestServerKilledAtEachPoint has a server die by SIGKILL at each point of the
// way of a batch, with the first batch of its life and with later ones, while an
// agent goes on. The last server has every sample once.
func TestServerKilledAtEachPoint(t *testing.T) {
	for _, point := range []string{beforeAppend, beforeFlush, beforeAck, afterAck} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			dir, address := t.TempDir(), freeAddress(t)
			s := startServer(t, dir, address, "", 0)
			await(t, "the server", func() bool { return answers(address) })
			config := witness.Config{
				Name: "w", Servers: "http://" + address, TokenFile: filepath.Join(dir, "join-token"),
				StateDir: t.TempDir(), Ledger: filepath.Join(t.TempDir(), "ledger"), Interval: 10 * time.Millisecond,
			}
			w, err := witness.New(config, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- w.Run(ctx) }()
			await(t, "the first acknowledgement", func() bool { return w.Stats().Acked > 0 })
			s.kill()

			for _, nth := range []int{1, 2, 7, 30} {
				s = startServer(t, dir, address, point, nth)
				if point == afterAck {
					before := w.Stats().Acked
					await(t, "an acknowledgement", func() bool { return w.Stats().Acked >= before+witness.Series*uint64(nth) })
					s.kill()
				}
				await(t, "the server to die", func() bool {
					select {
					case <-s.exited:
						return true
					default:
						return false
					}
				})
				if status := s.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
					t.Fatalf("the server ended by itself: %v", s.cmd.ProcessState)
				}
			}
			startServer(t, dir, address, "", 0)
			await(t, "the agent to be back", func() bool { return answers(address) && w.Stats().Pending <= 1 })
			stop()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			ledger, err := witness.Read(config.Ledger)
			if err != nil {
				t.Fatal(err)
			}
			stored, err := config.Stored(t.Context(), "http://"+address, dir)
			if err != nil {
				t.Fatal(err)
			}
			count := ledger.Count(stored)
			t.Log(count)
			if !count.Whole() || count.Doubtful > 0 {
				t.Errorf("%+v", count)
			}
		})
	}
}

func answers(address string) bool {
	res, err := http.Get("http://" + address + "/healthz")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

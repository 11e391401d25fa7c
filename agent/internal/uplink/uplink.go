// Package uplink carries ticks from the agent to a server over one gRPC stream.
//
// # What it promises
//
// A tick that was pushed is kept until the server has acknowledged the batch it
// left in, which the server does once the batch is durable. What waits is in
// memory at first and then on disk, and outlives the agent, as package spool
// says. When the stream breaks, everything not acknowledged is sent again on the
// next one; the server stores it once. Live batches leave first, and the backlog
// beside them, at a bounded rate. The spool is bounded: beyond it the oldest
// batches are dropped and their samples counted.
//
// # What it does not
//
// It does not decide what is measured: what a server decides goes to a
// [Configurator].
package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"sonde.dev/sonde/agent/internal/sample"
	"sonde.dev/sonde/agent/internal/spool"
	"sonde.dev/sonde/internal/backoff"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

const (
	dialTimeout = 5 * time.Second
	// silenceLimit ends a stream on which the server, which pings every few
	// seconds, has said nothing for so long.
	silenceLimit = 10 * time.Second
	// settle is how long after its boundary a submission leaves, so that the
	// collectors of that very tick are in it.
	settle = 30 * time.Millisecond
	// catchUp is how many batches a stream sends before its live ones in the
	// live lane: it is over in a moment. With more, they become backlog.
	catchUp = 30
)

// Config says where to and how.
type Config struct {
	// Servers are base URLs, as from [ParseServers].
	Servers []string
	// CAFile names a PEM file of the authorities to trust; empty: the system's.
	CAFile string
	// JoinToken returns the token to enrol with. It is called only when the
	// state folder holds no identity.
	JoinToken func() (string, error)
	// StateDir holds the identity and the spool. It must exist.
	StateDir string
	// SubmissionInterval is how often a batch leaves at first; see
	// [Uplink.SetSubmissionInterval].
	SubmissionInterval time.Duration
	// Configurator takes what servers decide; nil: it is ignored.
	Configurator Configurator
	// Spool says how what is not acknowledged is kept.
	Spool SpoolOptions
	// Host is told to the server at each connect.
	Host   *sondev1.HostFacts
	Logger *slog.Logger
}

// SpoolOptions are as in [spool.Options].
type SpoolOptions struct {
	MaxBytes    int64
	MaxAge      time.Duration
	FlushAfter  time.Duration
	MemoryBytes int64
	Unlocked    bool
	Step        func(op string)
}

// Uplink is one agent's connection to its servers. Make it with [New].
type Uplink struct {
	cfg Config
	// http, tried and warned belong to the goroutine of Run.
	http   *http.Client
	tried  string // the hash of the join token that enrolling anew was tried with
	warned bool   // of a server without TLS
	self   atomic.Pointer[identity]

	spool *spool.Spool
	found uint64 // samples that were in the spool at the start
	log   *slog.Logger

	gathered *gatherer
	kept     atomic.Uint64 // samples that the spool took
	sealing  sync.Mutex    // held from taking batches to appending them, for their order
	wake     chan struct{} // capacity 1: there may be something to send

	// delay is how long live batches took from being sealed to being
	// acknowledged.
	delay sample.Histogram

	interval atomic.Int64  // of submissions, a time.Duration
	retime   chan struct{} // capacity 1: interval has changed

	stream     atomic.Pointer[stream] // the open one, or nil
	bytesSent  atomic.Uint64
	reconnects atomic.Uint64
	refused    atomic.Uint64
}

// New returns an uplink that is not yet connected, with its spool open: Run or
// Close must be called. The error names the setting that is wrong.
func New(cfg Config) (*Uplink, error) {
	var roots *tls.Config // nil: the system's
	if cfg.CAFile != "" {
		var err error
		if roots, err = fileRoots(cfg.CAFile); err != nil {
			return nil, err
		}
	}
	u := &Uplink{
		cfg:      cfg,
		http:     newHTTPClient(roots),
		log:      cfg.Logger,
		gathered: newGatherer(),
		wake:     make(chan struct{}, 1),
		retime:   make(chan struct{}, 1),
	}
	u.interval.Store(int64(cfg.SubmissionInterval))
	dir := filepath.Join(cfg.StateDir, "spool")
	var err error
	u.spool, err = spool.Open(spool.Options{
		Dir:         dir,
		MaxBytes:    cfg.Spool.MaxBytes,
		MaxAge:      cfg.Spool.MaxAge,
		FlushAfter:  cfg.Spool.FlushAfter,
		MemoryBytes: cfg.Spool.MemoryBytes,
		Unlocked:    cfg.Spool.Unlocked,
		Step:        cfg.Spool.Step,
		Encode:      newStoredEncoder().encode,
		Logger:      cfg.Logger,
	})
	if locked, ok := errors.AsType[*spool.LockedError](err); ok {
		return nil, fmt.Errorf("state-dir: another agent%s works on %s: give each agent a state folder of its own, or stop that one",
			process(locked.Process), cfg.StateDir)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the spool in %s: %w", dir, err)
	}
	u.found = u.spool.Stats().Samples
	if u.found > 0 {
		u.log.Info("the spool has samples that no server has acknowledged", "samples", u.found, "dir", dir)
	}
	return u, nil
}

func process(number string) string {
	if number == "" {
		return ""
	}
	return " (process " + number + ")"
}

// Close writes what is not acknowledged to disk. The error says how much of it
// is lost. It is for an uplink that does not run; a second call does nothing.
func (u *Uplink) Close() error {
	u.seal()
	if err := u.spool.Close(); err != nil {
		return fmt.Errorf("closing the spool: %w", err)
	}
	return nil
}

// Push hands over one tick, which must not change any more. It never waits for
// the network or a disk, and is safe for concurrent use.
func (u *Uplink) Push(t sample.Tick) { u.gathered.add(t) }

// Submit ends the batch that is being gathered now rather than at its time. With
// a FlushAfter of 0, all that was pushed before is on disk when it returns,
// unless Stats say Degraded.
func (u *Uplink) Submit() { u.seal() }

// seal ends the batch that is being gathered, so that it can be sent.
func (u *Uplink) seal() {
	u.sealing.Lock()
	for _, b := range u.gathered.take() {
		if _, _, err := u.spool.Append(b.spooled()); err != nil {
			u.gathered.drop(b)
			u.log.Error("a batch cannot be kept and is dropped", "samples", b.samples(), "bytes", b.size, "error", err)
			continue
		}
		u.kept.Add(b.samples())
	}
	u.sealing.Unlock()
	u.signal()
}

// signal wakes the goroutine that sends.
func (u *Uplink) signal() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// Stats are counts since the agent started, for its own metrics.
type Stats struct {
	Pending    int    // batches not acknowledged
	Samples    uint64 // pushed
	Acked      uint64 // samples that the server has made durable or refused, those found in the spool included
	Dropped    uint64 // samples given up, for whatever reason
	Refused    uint64 // samples that the server would not store
	BytesSent  uint64 // payloads of batches, before transport
	Reconnects uint64
	SpoolBytes int64     // on disk
	Oldest     time.Time // of the samples in Pending; zero for none
	Degraded   bool      // the disk takes no writes
}

// Stats returns the counts as of now.
func (u *Uplink) Stats() Stats {
	// The spool's come last: what gets there meanwhile must not count as
	// acknowledged.
	taken, lost := u.gathered.counts()
	dropped := lost.Samples
	kept := u.found + u.kept.Load()
	sp := u.spool.Stats()
	gone := sp.Samples
	for _, c := range sp.Dropped {
		dropped += c.Samples
		gone += c.Samples
	}
	return Stats{
		Pending:    int(sp.Batches),
		Samples:    taken,
		Acked:      kept - min(kept, gone),
		Dropped:    dropped,
		Refused:    u.refused.Load(),
		BytesSent:  u.bytesSent.Load(),
		Reconnects: u.reconnects.Load(),
		SpoolBytes: sp.DiskBytes,
		Oldest:     sp.Oldest,
		Degraded:   sp.Degraded != nil,
	}
}

// unkept is why batches were dropped that the spool could not take: its disk
// hung for long, or one was too large.
const unkept = "unkept"

// LossReasons are those for which samples may be dropped.
func LossReasons() []string {
	var names []string
	for _, r := range spool.Reasons() {
		names = append(names, r.String())
	}
	return append(names, unkept)
}

// Lost returns what was dropped for the reason of the place i in [LossReasons].
func (u *Uplink) Lost(i int) spool.Lost {
	if reasons := spool.Reasons(); i < len(reasons) {
		return u.spool.Lost(reasons[i])
	}
	_, lost := u.gathered.counts()
	return lost
}

// Connected reports whether a stream is open.
func (u *Uplink) Connected() bool { return u.stream.Load() != nil }

// AckDelay returns how long live batches took from being sealed to being
// acknowledged, in seconds.
func (u *Uplink) AckDelay() sample.Snapshot { return u.delay.Snapshot() }

// ErrNotConnected is returned by [Uplink.Ping] while there is no stream.
var ErrNotConnected = errors.New("not connected to a server")

// Ping returns the round trip to the server on the open stream.
func (u *Uplink) Ping(ctx context.Context) (time.Duration, error) {
	s := u.stream.Load()
	if s == nil {
		return 0, ErrNotConnected
	}
	return s.ping(ctx)
}

// Run enrols if need be, then keeps a stream open until ctx ends; it then seals
// what is gathered, gives the server a moment to acknowledge it, and writes what
// is left to disk. It must be called at most once. Beside what could not be
// written, it returns an error only for what retrying cannot mend: a damaged
// identity, no way to read the join token, or a token that the server refuses.
func (u *Uplink) Run(ctx context.Context) error {
	submitCtx, stop := context.WithCancel(ctx)
	submitting := make(chan struct{})
	go func() {
		defer close(submitting)
		u.submit(submitCtx)
	}()
	err := u.stayConnected(ctx)
	stop()
	<-submitting
	return errors.Join(err, u.Close())
}

func (u *Uplink) stayConnected(ctx context.Context) error {
	if err := u.identify(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	retry := newRetry(u.log)
	for attempt := rand.IntN(len(u.cfg.Servers)); ctx.Err() == nil; attempt++ {
		server := u.cfg.Servers[attempt%len(u.cfg.Servers)]
		worked, err := u.connect(ctx, server, *u.self.Load())
		if ctx.Err() != nil {
			break
		}
		if worked {
			retry.succeeded()
		}
		if errors.Is(err, errRenew) {
			u.log.Info("the stream begins anew", "server", server, "why", err)
			attempt--
			continue
		}
		u.reconnects.Add(1)
		if connect.CodeOf(err) == connect.CodeUnauthenticated && u.rejoin(ctx) {
			continue
		}
		if err := retry.wait(ctx, server, err); err != nil {
			break
		}
	}
	return nil
}

// submit seals the gathered batch at every boundary of the interval.
func (u *Uplink) submit(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			u.seal()
		case <-u.gathered.full:
			u.seal()
		case <-u.retime:
			// What is gathered was to leave earlier than a longer interval would
			// let it.
			u.seal()
		case <-ctx.Done():
			u.seal()
			return
		}
		interval, now := u.submissionInterval(), time.Now()
		next := now.Add(-settle).Truncate(interval).Add(interval + settle)
		timer.Reset(next.Sub(now))
	}
}

// Bounds of the pause between two attempts to connect, where nothing says that it
// will take longer.
const (
	minRetry = 100 * time.Millisecond
	maxRetry = 5 * time.Second
)

// retry spaces out attempts and logs the first failure of a row with each code,
// then one a minute, so that a server that is away for a night does not fill a
// disk.
type retry struct {
	backoff.Backoff
	log      *slog.Logger
	failures int
	logged   map[connect.Code]time.Time
}

func newRetry(log *slog.Logger) *retry {
	return &retry{log: log, logged: make(map[connect.Code]time.Time)}
}

// succeeded begins a new row.
func (r *retry) succeeded() {
	r.Reset()
	r.failures = 0
	clear(r.logged)
}

// wait logs err if it is time to and pauses, for longer than usual where err says
// so. Its error is ctx's.
func (r *retry) wait(ctx context.Context, server string, err error) error {
	r.failures++
	code := connect.CodeOf(err)
	level := slog.LevelDebug
	if time.Since(r.logged[code]) >= time.Minute {
		level = slog.LevelWarn
		r.logged[code] = time.Now()
	}
	r.Min, r.Max = minRetry, maxRetry
	advice := ""
	switch code {
	case connect.CodeUnauthenticated:
		// Nobody will grant the credential again by itself.
		r.Max = time.Minute
		advice = "the server does not know this agent: it was removed there, or the server's data is new; " +
			"give it another join token, or remove identity.json from the state folder, to enrol anew"
	case connect.CodeAlreadyExists:
		// The other one has the stream for as long as it likes.
		r.Min, r.Max = time.Minute, 2*time.Minute
		advice = "this state folder is a copy of one that another agent works with: remove identity.json from it and enrol anew"
	case connect.CodeAborted:
		r.Max = time.Minute
		advice = "another agent connects with the same identity: does a copy of this state folder run elsewhere?"
	}
	r.log.LogAttrs(ctx, level, "no connection to the server",
		slog.String("server", server), slog.String("code", code.String()), slog.String("error", message(err)),
		slog.Int("failures", r.failures), slog.String("advice", advice))
	return r.Wait(ctx)
}

// message returns the text of err without the code that connect puts before it.
func message(err error) string {
	if ce, ok := errors.AsType[*connect.Error](err); ok {
		return ce.Message()
	}
	if err == nil {
		return "the server ended the stream"
	}
	return err.Error()
}

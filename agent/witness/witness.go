// Package witness is an agent for tests of delivery: the real uplink and spool
// with made-up samples, each of which it writes down apart from them.
//
// # What it promises
//
// A tick is in the ledger before the uplink hears of it. It is noted as kept
// once the spool has it on disk, and from then on it must be stored, once,
// whatever becomes of the agent, its server and what is between them. A process
// that is killed loses nothing of its ledger.
//
// # What it does not
//
// It does not flush the ledger: after a loss of power it proves nothing.
package witness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"sonde.dev/sonde/agent/internal/desired"
	"sonde.dev/sonde/agent/internal/sample"
	"sonde.dev/sonde/agent/internal/uplink"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// Series is how many samples a tick has.
const Series = 3

// Config is what a witness does. It can be sent to another process as JSON.
type Config struct {
	// Name is the label witness of its series.
	Name string
	// Servers is as the flag --server of sonde-agent.
	Servers, TokenFile, StateDir string
	// Ledger is the file that it goes on with.
	Ledger string
	// Interval is how long it waits from one tick to the next.
	Interval time.Duration
	// Past is taken at once, before ticks of the present.
	Past Past
	// Steps are those of its clock.
	Steps []Step
	// DieAt is an operation of the spool, such as "sync", and DieAtCount says
	// before which of them the process kills itself. Empty: it does not.
	DieAt      string
	DieAtCount int
}

// Past is a time during which the witness takes a tick every Every, as fast as
// it can. Batch ticks leave together.
type Past struct {
	From, To time.Time
	Every    time.Duration
	Batch    int
	// Only says that no ticks of the present follow.
	Only bool
}

// Step sets the clock of a witness off by By from the tick After on.
type Step struct {
	After uint64
	By    time.Duration
}

// Stats are those of the uplink that tests look at.
type Stats struct {
	Pending                 int
	Acked, Dropped, Refused uint64
	Reconnects              uint64
}

// Witness is made with [New] and must be Run.
type Witness struct {
	cfg    Config
	uplink *uplink.Uplink
	ledger *writer
	schema *sample.Schema
	last   int64 // time of the last tick
	step   time.Duration
}

// New returns a witness that goes on with its ledger.
func New(c Config, log *slog.Logger) (*Witness, error) {
	servers, err := uplink.ParseServers(c.Servers)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
		return nil, err
	}
	ledger, err := openWriter(c.Ledger)
	if err != nil {
		return nil, err
	}
	u, err := uplink.New(uplink.Config{
		Servers: servers,
		JoinToken: func() (string, error) {
			token, err := os.ReadFile(c.TokenFile)
			return strings.TrimSpace(string(token)), err
		},
		StateDir: c.StateDir,
		// It submits by itself.
		SubmissionInterval: time.Hour,
		Spool: uplink.SpoolOptions{
			MaxBytes: 1 << 30, MaxAge: 7 * 24 * time.Hour, FlushAfter: 0, MemoryBytes: 32 << 20,
			Step: killAt(c.DieAt, c.DieAtCount),
		},
		Configurator: &obedient{},
		Host:         &sondev1.HostFacts{Hostname: c.Name},
		Logger:       log,
	})
	if err != nil {
		return nil, err
	}
	list := make([]sample.Series, Series)
	for i := range list {
		list[i] = sample.Series{Name: "witness_sample", Labels: []sample.Label{
			{Name: "i", Value: strconv.Itoa(i)}, {Name: "witness", Value: c.Name},
		}, Kind: sample.Float}
	}
	return &Witness{cfg: c, uplink: u, ledger: ledger, schema: sample.NewSchema(list), last: ledger.last}, nil
}

// obedient takes whatever a server decides. There is nothing that it would change.
type obedient struct{ hash atomic.Uint64 }

// Configure implements [uplink.Configurator].
func (o *obedient) Configure(state desired.State) []desired.FieldError {
	o.hash.Store(state.Hash)
	return nil
}

// ConfigHash implements [uplink.Configurator].
func (o *obedient) ConfigHash() uint64 { return o.hash.Load() }

// killAt kills this process before the operation op is begun for the nth time.
func killAt(op string, nth int) func(string) {
	if op == "" {
		return nil
	}
	count := make(chan int, 1)
	count <- 0
	return func(step string) {
		if step != op {
			return
		}
		n := <-count + 1
		if n == nth {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		count <- n
	}
}

// Run takes ticks until ctx ends; the uplink then ends as it always does. It
// must be called once.
func (w *Witness) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	// The last tick is to leave too.
	uplinkCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return w.uplink.Run(uplinkCtx) })
	group.Go(func() error {
		defer stop()
		return w.take(ctx)
	})
	return errors.Join(group.Wait(), w.ledger.close())
}

// Stats returns the counts as of now.
func (w *Witness) Stats() Stats {
	s := w.uplink.Stats()
	return Stats{Pending: s.Pending, Acked: s.Acked, Dropped: s.Dropped, Refused: s.Refused, Reconnects: s.Reconnects}
}

func (w *Witness) take(ctx context.Context) error {
	p := w.cfg.Past
	ticks := 0
	for at := p.From; at.Before(p.To) && ctx.Err() == nil; at = at.Add(p.Every) {
		if err := w.tick(at.UnixMilli()); err != nil {
			return err
		}
		if ticks++; ticks%p.Batch == 0 {
			if err := w.keep(); err != nil {
				return err
			}
		}
	}
	if p.Only {
		if err := w.keep(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	pace := time.NewTicker(w.cfg.Interval)
	defer pace.Stop()
	for {
		select {
		case <-pace.C:
		case <-ctx.Done():
			return nil
		}
		if err := w.tick(w.now()); err != nil {
			return err
		}
		if err := w.keep(); err != nil {
			return err
		}
	}
}

// now is the time of a tick by the witness's clock. No two are the same.
func (w *Witness) now() int64 {
	var step time.Duration
	for _, s := range w.cfg.Steps {
		if w.ledger.next >= s.After {
			step = s.By
		}
	}
	now := time.Now().Add(step).UnixMilli()
	if step == w.step {
		now = max(now, w.last+1)
	}
	w.step = step
	return now
}

func (w *Witness) tick(at int64) error {
	n, err := w.ledger.take(at)
	if err != nil {
		return err
	}
	w.last = at
	floats := make([]float64, Series)
	for i := range floats {
		floats[i] = value(n, i)
	}
	w.uplink.Push(sample.Tick{Schema: w.schema, Time: at, Floats: floats})
	return nil
}

// keep submits what was taken and notes it as kept, if it is.
func (w *Witness) keep() error {
	w.uplink.Submit()
	if w.uplink.Stats().Degraded {
		return nil
	}
	return w.ledger.kept()
}

// value is that of the series i at tick n; no other sample has it.
func value(n uint64, i int) float64 { return float64(n*Series + uint64(i)) }

// Selector selects the witness's series.
func (c Config) Selector() string { return fmt.Sprintf("witness_sample{witness=%q}", c.Name) }

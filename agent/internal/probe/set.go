package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"sonde.dev/sonde/agent/internal/sample"
)

// MaxProbes is the largest number of probes in a set.
const MaxProbes = 256

// ErrStopped is returned for a set whose Run has ended.
var ErrStopped = errors.New("probes are stopped")

// Set runs many probes and counts what they measure. Its methods are safe for
// concurrent use.
type Set struct {
	cfg Config

	wg sync.WaitGroup // of the running runners

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before it
	stopped bool
	runners []*runner // sorted by name
	schema  *sample.Schema
	// retired are the runners that were told to stop and may still be at it, by
	// name.
	retired map[string]*runner
}

// NewSet returns a set without probes.
func NewSet(cfg Config) *Set {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Set{cfg: cfg, schema: sample.NewSchema(nil), retired: map[string]*runner{}}
}

// Apply makes specs the probes of the set: all of them, or none and an error
// that joins what is wrong. A probe that is the same as before goes on
// undisturbed; one whose series are the same goes on counting. Apply does not
// wait for attempts of probes that are no more.
func (s *Set) Apply(specs []Spec) error {
	if err := check(specs); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return ErrStopped
	}
	former := make(map[string]*runner, len(s.runners))
	for _, r := range s.runners {
		former[r.spec.Name] = r
	}
	runners := make([]*runner, 0, len(specs))
	for _, spec := range specs {
		old := former[spec.Name]
		if old != nil && old.spec == spec {
			delete(former, spec.Name)
			runners = append(runners, old)
			continue
		}
		runners = append(runners, s.newRunner(spec, old))
	}
	for name, r := range s.retired {
		select {
		case <-r.done:
			delete(s.retired, name)
		default:
		}
	}
	for name, r := range former {
		if r.stop != nil {
			r.stop()
			s.retired[name] = r
		}
	}
	slices.SortFunc(runners, func(a, b *runner) int { return cmp.Compare(a.spec.Name, b.spec.Name) })
	s.runners = runners
	if series := seriesOf(runners); !slices.EqualFunc(series, s.schema.Series, sameSeries) {
		s.schema = sample.NewSchema(series)
	}
	if s.ctx != nil {
		s.start()
	}
	return nil
}

func sameSeries(a, b sample.Series) bool {
	return a.Name == b.Name && slices.Equal(a.Labels, b.Labels)
}

// newRunner returns the runner of spec. It counts on where old left off if no
// label tells the two apart.
func (s *Set) newRunner(spec Spec, old *runner) *runner {
	k := kinds[spec.Kind]
	r := &runner{
		spec:   spec,
		kind:   k,
		prober: k.make(spec, &s.cfg),
		log:    s.cfg.Log,
		done:   make(chan struct{}),
	}
	if old != nil && old.spec.Kind == spec.Kind && old.spec.Target == spec.Target {
		r.stats = old.stats
	} else {
		r.stats = newStats(k)
	}
	return r
}

// start starts the runners that do not run yet. The caller holds s.mu.
func (s *Set) start() {
	for _, r := range s.runners {
		if r.stop != nil {
			continue
		}
		ctx, stop := context.WithCancel(s.ctx)
		r.stop = stop
		var before <-chan struct{}
		if old := s.retired[r.spec.Name]; old != nil {
			before = old.done
		}
		s.wg.Go(func() { r.run(ctx, before) })
	}
}

// Run runs the probes until ctx ends and then waits for all of their attempts.
// Those end soon, but for a disk that hangs: its system call cannot be
// interrupted. Run is called once and returns nil.
func (s *Set) Run(ctx context.Context) error {
	s.mu.Lock()
	s.ctx = ctx
	s.start()
	s.mu.Unlock()

	<-ctx.Done()

	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// check examines specs, each by itself and all together.
func check(specs []Spec) error {
	var errs []error
	if len(specs) > MaxProbes {
		errs = append(errs, fmt.Errorf("%d probes: must be at most %d", len(specs), MaxProbes))
	}
	names := make(map[string]bool, len(specs))
	for i := range specs {
		if err := specs[i].Validate(); err != nil {
			errs = append(errs, err)
		}
		if names[specs[i].Name] {
			errs = append(errs, fmt.Errorf("probe %q: %w", specs[i].Name, &FieldError{"name", specs[i].Name, "must be unique"}))
		}
		names[specs[i].Name] = true
	}
	return errors.Join(errs...)
}

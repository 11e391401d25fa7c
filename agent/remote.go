package agent

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sonde.dev/sonde/agent/internal/collect"
	"sonde.dev/sonde/agent/internal/desired"
	"sonde.dev/sonde/agent/internal/policy"
	"sonde.dev/sonde/agent/internal/probe"
)

// remote puts in force what a server decides, laid over the agent's own
// settings. It is safe for concurrent use.
type remote struct {
	own        desired.Running
	policy     *policy.Policy
	path       string // of the state that is kept
	log        *slog.Logger
	collectors []string
	told       func() // of each change; or nil

	scheduler interface{ Apply(collect.Config) error }
	probes    interface{ Apply([]probe.Spec) error }
	uplink    interface{ SetSubmissionInterval(time.Duration) }

	changes, rejections atomic.Uint64
	hash                atomic.Uint64 // of inForce

	mu      sync.Mutex
	inForce desired.State
}

// begin puts the agent's own settings in force, and then what a server decided
// before the agent ended. A state that cannot be used any more is not an error:
// the server, once it hears what is in force, sends it again, and sees why.
func (r *remote) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.apply(desired.State{}); err != nil {
		return err
	}
	state, err := desired.Load(r.path)
	if err == nil && state.Hash == 0 {
		return nil
	}
	if err == nil {
		if errs := r.check(state); len(errs) > 0 {
			err = errs[0]
		}
	}
	if err == nil {
		err = r.apply(state)
	}
	if err != nil {
		r.log.Warn("what the server decided before cannot be used any more; the agent goes by its own settings", "file", r.path, "error", err)
		return nil
	}
	r.set(state)
	return nil
}

// ConfigHash implements [uplink.Configurator].
func (r *remote) ConfigHash() uint64 { return r.hash.Load() }

// Configure implements [uplink.Configurator].
func (r *remote) Configure(state desired.State) []desired.FieldError {
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := r.check(state)
	if len(errs) == 0 {
		if err := r.replace(state); err != nil {
			errs = []desired.FieldError{{Message: err.Error()}}
		}
	}
	if len(errs) > 0 {
		r.rejections.Add(1)
		r.log.Warn("the server's configuration was refused", "hash", hex(state.Hash), "errors", len(errs), "first", errs[0].Error())
		return errs
	}
	r.set(state)
	r.changes.Add(1)
	r.log.Info("the server's configuration is in force", "hash", hex(state.Hash))
	if r.told != nil {
		r.told()
	}
	return nil
}

func (r *remote) set(state desired.State) {
	r.inForce = state
	r.hash.Store(state.Hash)
}

// check returns all that is wrong with state, one error a field.
func (r *remote) check(state desired.State) []desired.FieldError {
	errs := state.Settings.Validate(r.collectors)
	if n := len(state.Settings.Over(r.own).Probes); len(errs) == 0 && n > probe.MaxProbes {
		errs = append(errs, desired.FieldError{
			Field:   "probes",
			Message: fmt.Sprintf("%d probes, with the agent's own, are more than %d", n, probe.MaxProbes),
		})
	}
	errs = append(errs, r.policy.Check(state.Settings)...)
	byField := func(a, b desired.FieldError) int { return cmp.Compare(a.Field, b.Field) }
	slices.SortStableFunc(errs, byField)
	return slices.CompactFunc(errs, func(a, b desired.FieldError) bool { return a.Field == b.Field })
}

// replace keeps state and puts it in force, or neither.
func (r *remote) replace(state desired.State) error {
	// What is in force without being kept would be forgotten at the next start;
	// what is kept and not yet in force will be, as was promised.
	if err := state.Save(r.path); err != nil {
		return fmt.Errorf("keeping it for the next start: %w", err)
	}
	err := r.apply(state)
	if err == nil {
		return nil
	}
	if saveErr := r.inForce.Save(r.path); saveErr != nil {
		r.log.Error("a configuration that was refused is kept for the next start", "file", r.path, "error", saveErr)
	}
	return err
}

// apply puts state in force, or leaves what is. The caller holds mu.
func (r *remote) apply(state desired.State) error {
	want := state.Settings.Over(r.own)
	if err := r.scheduler.Apply(want.Collectors); err != nil {
		return err
	}
	if err := r.probes.Apply(want.Probes); err != nil {
		if backErr := r.scheduler.Apply(r.inForce.Settings.Over(r.own).Collectors); backErr != nil {
			r.log.Error("the collectors run as was refused", "error", backErr)
		}
		return err
	}
	r.uplink.SetSubmissionInterval(want.SubmissionInterval)
	return nil
}

// hex is how a hash is shown.
func hex(hash uint64) string { return fmt.Sprintf("%016x", hash) }

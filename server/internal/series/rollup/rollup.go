// Package rollup keeps coarser forms of a TSDB's samples, for long ranges: see
// [series.Tiers] for what they hold.
//
// # What it promises
//
// A block of a tier is a function of the samples of its time, and is made anew
// when more of them came late: what a tier answers is what they would, but for
// what is said at [series.Tiers]. What a tier has is not lost by that, whatever
// became of the samples that it was made of. It needs no log of its own: a crash
// loses nothing but work.
//
// # What it does not
//
// A tier is some two to four hours behind, which is when the TSDB writes what it
// took to a block; what came late is in a tier as late. A sample at the very
// millisecond in which a block ends, that came late and without any before it,
// is not in the tiers. Nor are those of a gauge that came late for a window that
// the block has of it, once not all that the block was made of is there.
//
// # How it finds what is to be done
//
// The TSDB writes blocks, of samples in order and of such that came late, and
// joins them to larger ones. The meta data of each block lists its sources, the
// first blocks that are in it. A block of a tier has the sources of what it was
// made of. So whatever block has a source that no tier's block of its time has is
// still to be rolled up; and the TSDB is kept from joining it to others
// ([Tiers.Pending]) until it is, since afterwards nobody could tell which part of
// the larger one is new. A tier of longer windows is made of the one before it
// in the same way.
//
// # Where sources are gone
//
// When a block is made anew and a source of it is gone, by retention or damage,
// it is itself read besides what there is. A counter or histogram is made of the
// samples of both: those that the block has are some of those that were taken,
// so the result is the same as if all were there. A gauge's window stays as the
// block has it, and is made of samples where the block has none. So the block
// that takes its place holds all sources of both.
//
// # Time
//
// Windows hold their end and not their start, as ranges of PromQL do, and blocks
// hold their start and not their end. So within tiers all times are one
// millisecond less than outside: then windows begin and end as blocks do.
package rollup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"sonde.dev/sonde/server/internal/series"
)

const (
	hour = int64(time.Hour / time.Millisecond)
	// smallest is the time range of the TSDB's smallest blocks.
	smallest = 2 * hour
	// patrol is how often Run looks for what is to be done.
	patrol = 30 * time.Second
)

// Tier says what to keep.
type Tier struct {
	// Window divides a day, and is a multiple of the tier's before it.
	Window time.Duration
	// Retention is how long the tier is kept, by the time of its samples.
	Retention time.Duration
}

// Options say where and how to keep tiers.
type Options struct {
	// Dir is the directory of the tiers' directories.
	Dir string
	// Tiers has at least one, the shortest window first.
	Tiers []Tier
	// Late is how far behind the newest sample others may come.
	Late time.Duration
	// Space returns why the disk is too full to write to, or nil.
	Space func() error
	// Logger gets a line for each failure and, as debug, for each block.
	Logger *slog.Logger
	// Registerer takes the metrics; nil is none.
	Registerer prometheus.Registerer
}

// Tiers are open tiers. Their methods are safe for concurrent use.
type Tiers struct {
	options Options
	tiers   []*tier
	metrics *metrics
	db      *tsdb.DB // set by Attach

	cancel context.CancelFunc // of the compactors' context
}

var _ series.Tiers = (*Tiers)(nil)

// Open opens the tiers, and makes their directories.
func Open(o Options) (_ *Tiers, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	t := &Tiers{options: o, cancel: cancel}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("opening rollups: %w", err), t.Close())
		}
	}()
	for _, options := range o.Tiers {
		added, err := openTier(ctx, o, options)
		if err != nil {
			return nil, err
		}
		t.tiers = append(t.tiers, added)
	}
	if t.metrics, err = newMetrics(t, o.Registerer); err != nil {
		return nil, err
	}
	return t, nil
}

func openTier(ctx context.Context, o Options, options Tier) (*tier, error) {
	t := &tier{
		name:   name(options.Window),
		window: options.Window.Milliseconds(),
		space:  o.Space,
		log:    o.Logger,
	}
	t.unit = max(smallest, 24*t.window)
	retention := options.Retention.Milliseconds()
	compactor, err := newCompactor(ctx, t.unit, retention, func(m *tsdb.BlockMeta) bool {
		return m.MaxTime > t.blocks.end()-o.Late.Milliseconds()
	}, o.Logger)
	if err != nil {
		return nil, err
	}
	t.blocks, err = openBlocks(filepath.Join(o.Dir, "rollup-"+t.name), retention, compactor, o.Logger)
	return t, err
}

// name is that of a window in directories and metrics, as 1m or 1h.
func name(window time.Duration) string {
	if window%time.Hour == 0 {
		return fmt.Sprintf("%dh", window/time.Hour)
	}
	return fmt.Sprintf("%dm", window/time.Minute)
}

// Pending is whether a block of the TSDB is still to be rolled up, and must not
// be joined to others. It may be called before Attach.
func (t *Tiers) Pending(block *tsdb.BlockMeta) bool { return t.tiers[0].pending(block) }

// Attach says of which TSDB the tiers are, before anything but Pending is
// called. They do not close it, and must be closed before it.
func (t *Tiers) Attach(db *tsdb.DB) {
	t.db = db
	var from source = taken{db}
	for _, tier := range t.tiers {
		tier.source = from
		from = tier
	}
}

// Run rolls up what is to be rolled up, until ctx ends.
func (t *Tiers) Run(ctx context.Context) {
	ticker := time.NewTicker(patrol)
	defer ticker.Stop()
	for {
		if err := t.Roll(ctx); err != nil && ctx.Err() == nil {
			t.options.Logger.Error("samples could not be rolled up for long ranges; they are asked for as taken, and it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Roll rolls up all that is to be rolled up now. Only one call at a time.
func (t *Tiers) Roll(ctx context.Context) error {
	for _, tier := range t.tiers {
		if err := tier.roll(ctx, t.metrics.of(tier)); err != nil {
			t.metrics.failures.Inc()
			return fmt.Errorf("rollup %s: %w", tier.name, err)
		}
	}
	return nil
}

// Close closes the tiers. Run and all queries must have ended.
func (t *Tiers) Close() error {
	t.cancel()
	var errs []error
	for _, tier := range t.tiers {
		errs = append(errs, tier.blocks.close())
	}
	if t.metrics != nil {
		t.metrics.unregister()
	}
	return errors.Join(errs...)
}

// Windows implements series.Tiers.
func (t *Tiers) Windows() []time.Duration {
	windows := make([]time.Duration, len(t.tiers))
	for i, tier := range t.tiers {
		windows[i] = time.Duration(tier.window) * time.Millisecond
	}
	return windows
}

// At implements series.Tiers.
func (t *Tiers) At(window time.Duration) storage.Queryable {
	return view{t, window}
}

// Oldest implements series.Tiers.
func (t *Tiers) Oldest() int64 {
	return oldest(taken{t.db}.metas(), t.tiers, t.db.Head().MinTime())
}

// oldest returns the time from which blocks, in their order, hold samples, or
// otherwise. Blocks of only what came late, which are written after those behind
// them, do not count where a coarser tier has samples that are gone here, nor
// before that.
func oldest(blocks []tsdb.BlockMeta, coarser []*tier, otherwise int64) int64 {
	oldest, written := otherwise, uint64(math.MaxUint64)
	gone := false
	for _, block := range slices.Backward(blocks) {
		first := uint64(math.MaxUint64)
		for _, s := range block.Compaction.Sources {
			first = min(first, s.Time())
		}
		gone = first > written && (gone || slices.ContainsFunc(coarser, func(t *tier) bool {
			return slices.ContainsFunc(t.blocks.metas(), func(m tsdb.BlockMeta) bool {
				return spanOf(block).overlaps(m) && missing(m, blocks)
			})
		}))
		if !gone {
			oldest, written = min(oldest, block.MinTime), min(written, first)
		}
	}
	return oldest
}

package rollup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"sonde.dev/sonde/internal/durable"
)

// unfinished ends the names of directories that are not blocks yet, or no more.
const unfinished = ".tmp"

// blocks are the blocks of one tier, in a directory.
//
// A block replaces those that its meta data names as its parents: a crash
// between writing the one and removing the others leaves both, and the next
// load removes what was replaced.
type blocks struct {
	dir       string
	retention int64 // ms
	log       *slog.Logger
	compactor *tsdb.LeveledCompactor

	mu   sync.RWMutex
	open []*tsdb.Block // by time
}

// openBlocks opens the blocks in dir, which it makes. Blocks that cannot be
// opened are set aside.
func openBlocks(dir string, retention int64, compactor *tsdb.LeveledCompactor, log *slog.Logger) (*blocks, error) {
	b := &blocks{dir: dir, retention: retention, compactor: compactor, log: log}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		// The library names its own with the same beginning.
		if strings.Contains(e.Name(), unfinished) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	if err := b.load(); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// load opens what is new in the directory and removes what was replaced or is
// too old.
func (b *blocks) load() error {
	have := make(map[ulid.ULID]*tsdb.Block)
	for _, block := range b.open {
		have[block.Meta().ULID] = block
	}
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return err
	}
	var open []*tsdb.Block
	for _, e := range entries {
		id, err := ulid.ParseStrict(e.Name())
		if err != nil || !e.IsDir() {
			continue
		}
		block := have[id]
		if block == nil {
			if block, err = tsdb.OpenBlock(b.log, filepath.Join(b.dir, e.Name()), nil, nil); err != nil {
				if err := b.setAside(e.Name(), err); err != nil {
					return err
				}
				continue
			}
		}
		open = append(open, block)
	}
	slices.SortFunc(open, func(x, y *tsdb.Block) int { return cmp.Compare(x.MinTime(), y.MinTime()) })

	gone := make(map[ulid.ULID]bool)
	newest := int64(math.MinInt64)
	for _, block := range open {
		newest = max(newest, block.MaxTime())
		for _, parent := range block.Meta().Compaction.Parents {
			gone[parent.ULID] = true
		}
	}
	var keep, remove []*tsdb.Block
	for _, block := range open {
		if gone[block.Meta().ULID] || block.MaxTime() <= newest-b.retention {
			remove = append(remove, block)
		} else {
			keep = append(keep, block)
		}
	}
	b.mu.Lock()
	b.open = keep
	b.mu.Unlock()
	for _, block := range remove {
		// Close waits for the queries that read it.
		if err := errors.Join(block.Close(), removeBlock(block.Dir())); err != nil {
			return fmt.Errorf("removing block %s: %w", block.Dir(), err)
		}
	}
	return nil
}

// removeBlock removes a block so that a crash does not leave half of it.
func removeBlock(dir string) error {
	aside := dir + unfinished
	if err := os.Rename(dir, aside); err != nil {
		return err
	}
	return os.RemoveAll(aside)
}

// setAside moves a block that cannot be opened away. What it held is made anew
// if the samples are still there.
func (b *blocks) setAside(name string, cause error) error {
	if errors.Is(cause, os.ErrPermission) {
		return cause
	}
	damaged := filepath.Join(b.dir, "damaged")
	if err := os.MkdirAll(damaged, 0o750); err != nil {
		return err
	}
	to := filepath.Join(damaged, name)
	if err := os.Rename(filepath.Join(b.dir, name), to); err != nil {
		return fmt.Errorf("setting a damaged block aside: %w", err)
	}
	b.log.Error("a block of a rollup is damaged and was set aside", "block", name, "moved_to", to, "error", cause)
	return nil
}

// compact joins blocks that lie side by side, as far as it is time.
func (b *blocks) compact() error {
	for {
		plan, err := b.compactor.Plan(b.dir)
		if err != nil || len(plan) == 0 {
			return err
		}
		made, err := b.compactor.Compact(b.dir, plan, b.open)
		if err == nil && len(made) == 0 {
			err = b.joinEmpty(plan)
		}
		if err != nil {
			return fmt.Errorf("joining blocks: %w", err)
		}
		if err := errors.Join(durable.SyncDir(b.dir), b.load()); err != nil {
			return err
		}
	}
}

// joinEmpty joins blocks that have nothing in them, which the library does not:
// what they say of their time must stay.
func (b *blocks) joinEmpty(dirs []string) error {
	var metas []*tsdb.BlockMeta
	for _, block := range b.open {
		if slices.Contains(dirs, block.Dir()) {
			meta := block.Meta()
			metas = append(metas, &meta)
		}
	}
	w, err := newBlockWriter(context.Background(), b.dir, *tsdb.CompactBlockMetas(ulid.ULID{}, metas...), nil)
	if err != nil {
		return err
	}
	return errors.Join(w.commit(), w.abort())
}

// metas are those of all blocks, by time.
func (b *blocks) metas() []tsdb.BlockMeta {
	b.mu.RLock()
	defer b.mu.RUnlock()
	metas := make([]tsdb.BlockMeta, len(b.open))
	for i, block := range b.open {
		metas[i] = block.Meta()
	}
	return metas
}

// end is the time behind all blocks; 0 when there are none.
func (b *blocks) end() (end int64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, block := range b.open {
		end = max(end, block.MaxTime())
	}
	return end
}

func (b *blocks) size() (bytes int64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, block := range b.open {
		bytes += block.Size()
	}
	return bytes
}

// Querier implements storage.Queryable.
func (b *blocks) Querier(mint, maxt int64) (storage.Querier, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return newQuerier(b.open, mint, maxt)
}

// newQuerier reads some blocks.
func newQuerier(blocks []*tsdb.Block, mint, maxt int64) (storage.Querier, error) {
	var queriers []storage.Querier
	for _, block := range blocks {
		if !block.OverlapsClosedInterval(mint, maxt) {
			continue
		}
		q, err := tsdb.NewBlockQuerier(block, mint, maxt)
		if err != nil {
			for _, q := range queriers {
				err = errors.Join(err, q.Close())
			}
			return nil, fmt.Errorf("reading block %s: %w", block.Dir(), err)
		}
		queriers = append(queriers, q)
	}
	return storage.NewMergeQuerier(queriers, nil, storage.ChainedSeriesMerge), nil
}

func (b *blocks) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, block := range b.open {
		errs = append(errs, block.Close())
	}
	b.open = nil
	return errors.Join(errs...)
}

// newCompactor makes what joins the blocks of a tier: blocks of at most a tenth
// of the retention, and none that samples may still come late for.
func newCompactor(ctx context.Context, unit, retention int64, young func(*tsdb.BlockMeta) bool, log *slog.Logger) (*tsdb.LeveledCompactor, error) {
	ranges := []int64{unit}
	for r := 3 * unit; r <= min(retention/10, 31*24*hour); r *= 3 {
		ranges = append(ranges, r)
	}
	return tsdb.NewLeveledCompactorWithOptions(ctx, nil, log, ranges, nil, tsdb.LeveledCompactorOptions{
		BlockExcludeFilter:          young,
		EnableOverlappingCompaction: true,
	})
}

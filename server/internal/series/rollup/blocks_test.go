package rollup

import (
	"context"
	"log/slog"
	"testing"

	"github.com/prometheus/prometheus/tsdb"
)

// A block may have nothing in it: it says that there was nothing.
func TestEmptyBlock(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	compactor, err := newCompactor(t.Context(), smallest, 100*smallest, func(*tsdb.BlockMeta) bool { return false }, log)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b, err := openBlocks(dir, 100*smallest, compactor, log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	}()
	for i := range int64(6) {
		meta := tsdb.BlockMeta{MinTime: i * smallest, MaxTime: (i + 1) * smallest}
		meta.Compaction.Level = 1
		w, err := newBlockWriter(context.Background(), dir, meta, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.commit(); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.load(); err != nil {
		t.Fatal(err)
	}
	if err := b.compact(); err != nil {
		t.Fatal(err)
	}
	if from, to := b.metas()[0].MinTime, b.end(); from != 0 || to != 6*smallest {
		t.Errorf("blocks from %d to %d, want 0 to %d", from, to, 6*smallest)
	}
}

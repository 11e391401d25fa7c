package rollup

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"

	"sonde.dev/sonde/internal/durable"
)

// blockWriter writes one block, a series at a time and in the order of their
// labels, so that memory does not grow with the number of series. It is in a
// directory that is none of a block's until it is whole.
type blockWriter struct {
	dir, tmp string
	meta     tsdb.BlockMeta
	index    *index.Writer
	chunks   *chunks.Writer
	refs     storage.SeriesRef
	metas    chunks.Iterator
}

// newBlockWriter begins a block in dir. symbols are all names and values of
// labels that will come; of meta the library's own parts are filled in.
func newBlockWriter(ctx context.Context, dir string, meta tsdb.BlockMeta, symbols map[string]struct{}) (_ *blockWriter, err error) {
	meta.ULID = ulid.MustNew(ulid.Now(), rand.Reader)
	meta.Version = 1
	w := &blockWriter{dir: filepath.Join(dir, meta.ULID.String()), meta: meta}
	w.tmp = w.dir + unfinished
	defer func() {
		if err != nil {
			err = errors.Join(err, w.abort())
		}
	}()
	if err := os.MkdirAll(w.tmp, 0o750); err != nil {
		return nil, err
	}
	if w.chunks, err = chunks.NewWriter(filepath.Join(w.tmp, "chunks")); err != nil {
		return nil, err
	}
	if w.index, err = index.NewWriter(ctx, filepath.Join(w.tmp, "index")); err != nil {
		return nil, err
	}
	sorted := make([]string, 0, len(symbols))
	for s := range symbols {
		sorted = append(sorted, s)
	}
	slices.Sort(sorted)
	for _, s := range sorted {
		if err := w.index.AddSymbol(s); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// add writes a series; one without samples is left out.
func (w *blockWriter) add(l labels.Labels, s samples) error {
	if len(s) == 0 {
		return nil
	}
	encoder := storage.NewSeriesToChunkEncoder(&storage.SeriesEntry{
		Lset:             l,
		SampleIteratorFn: func(chunkenc.Iterator) chunkenc.Iterator { return storage.NewListSeriesIterator(s) },
	})
	w.metas = encoder.Iterator(w.metas)
	var metas []chunks.Meta
	for w.metas.Next() {
		metas = append(metas, w.metas.At())
	}
	if err := w.metas.Err(); err != nil {
		return err
	}
	if err := w.chunks.WriteChunks(metas...); err != nil {
		return err
	}
	w.refs++
	w.meta.Stats.NumSeries++
	w.meta.Stats.NumChunks += uint64(len(metas))
	w.meta.Stats.NumSamples += uint64(len(s))
	return w.index.AddSeries(w.refs, l, metas...)
}

// commit makes the block durable, and one that the next load finds. An empty
// one too: it says that there was nothing.
func (w *blockWriter) commit() error {
	err := errors.Join(w.chunks.Close(), w.index.Close())
	w.chunks, w.index = nil, nil
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(w.meta, "", "\t")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(w.tmp, "meta.json"), text, 0o640); err != nil {
		return fmt.Errorf("writing the meta data of a block: %w", err)
	}
	for _, dir := range []string{filepath.Join(w.tmp, "chunks"), w.tmp} {
		if err := durable.SyncDir(dir); err != nil {
			return err
		}
	}
	if err := os.Rename(w.tmp, w.dir); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(w.dir))
}

// abort removes what was written; after commit it does nothing.
func (w *blockWriter) abort() error {
	var errs []error
	if w.chunks != nil {
		errs = append(errs, w.chunks.Close())
	}
	if w.index != nil {
		errs = append(errs, w.index.Close())
	}
	w.chunks, w.index = nil, nil
	return errors.Join(append(errs, os.RemoveAll(w.tmp))...)
}

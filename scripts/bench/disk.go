package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// disk measures what samples of a whole agent take in a compacted block of two
// hours. The agent is watched for the time of take, with a load on the machine
// that makes its values move; what it took is repeated until two hours are full,
// with counters that go on. Histograms begin anew with each repetition, which
// costs a little more than the truth.
func disk(ctx context.Context, dir string, take time.Duration) (results, error) {
	r := make(results)
	recorded, log, err := record(ctx, dir, take)
	if err != nil {
		return nil, err
	}
	r.add("log bytes a sample", log)
	scratch, err := os.MkdirTemp(dir, "block-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	block, err := compacted(ctx, scratch, recorded)
	if err != nil {
		return nil, err
	}
	samples := float64(block.Meta().Stats.NumSamples)
	r.add("series", float64(block.Meta().Stats.NumSeries))
	r.add("histograms", float64(block.Meta().Stats.NumHistogramSamples)/samples)
	whole, err := size(block.Dir())
	r.add("bytes a sample", whole/samples)
	chunks, cerr := size(filepath.Join(block.Dir(), "chunks"))
	r.add("bytes a sample, chunks", chunks/samples)
	return r, errors.Join(err, cerr)
}

// recording is one series.
type recording struct {
	labels     labels.Labels
	times      []int64
	floats     []float64
	histograms []*histogram.Histogram // or nil
}

// record has an agent measure this machine, and returns what its server has, and
// how many bytes of log a sample took once every series was in it.
func record(ctx context.Context, dir string, take time.Duration) (list []recording, log float64, err error) {
	s, err := startServer(ctx, dir)
	if err != nil {
		return nil, 0, err
	}
	defer s.close()
	other, err := startServer(ctx, dir)
	if err != nil {
		return nil, 0, err
	}
	defer other.close()
	l := load{agents: 50, series: 100, submission: time.Second}
	generator, err := startLoad(ctx, dir, other.url, other.joinToken(), l, "--duration", "1h")
	if err != nil {
		return nil, 0, err
	}
	defer generator.kill()
	a, err := startAgent(ctx, dir, s)
	if err != nil {
		return nil, 0, err
	}
	defer a.close()
	wal := filepath.Join(s.dir, "samples", "wal")
	if err := sleep(ctx, take/4); err != nil {
		return nil, 0, err
	}
	begun := time.Now().UnixMilli()
	before, err := size(wal)
	if err != nil {
		return nil, 0, err
	}
	if err := sleep(ctx, take); err != nil {
		return nil, 0, err
	}
	a.stop()
	s.stop()
	after, err := size(wal)
	if err != nil {
		return nil, 0, err
	}
	list, err = read(ctx, filepath.Dir(wal), dir)
	var samples float64
	for _, r := range list {
		i, _ := slices.BinarySearch(r.times, begun)
		samples += float64(len(r.times) - i)
	}
	return list, (after - before) / samples, err
}

// read returns the series in a folder of samples.
func read(ctx context.Context, dir, scratch string) (list []recording, err error) {
	db, err := tsdb.OpenDBReadOnly(dir, scratch, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	q, err := db.Querier(0, time.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	defer q.Close()
	set := q.Select(ctx, false, nil, labels.MustNewMatcher(labels.MatchNotEqual, "agent", ""))
	for set.Next() {
		r := recording{labels: set.At().Labels().Copy()}
		it := set.At().Iterator(nil)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			var t int64
			if kind == chunkenc.ValHistogram {
				var h *histogram.Histogram
				t, h = it.AtHistogram(nil)
				r.histograms = append(r.histograms, h)
			} else {
				var v float64
				t, v = it.At()
				r.floats = append(r.floats, v)
			}
			r.times = append(r.times, t)
		}
		if it.Err() != nil {
			return nil, it.Err()
		}
		list = append(list, r)
	}
	return list, set.Err()
}

// compacted makes a block of two hours of the recorded series.
func compacted(ctx context.Context, dir string, recorded []recording) (*tsdb.Block, error) {
	if len(recorded) == 0 {
		return nil, errors.New("the server has no samples of the agent")
	}
	o := tsdb.DefaultOptions()
	db, err := tsdb.Open(dir, slog.New(slog.DiscardHandler), nil, o, nil)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.DisableCompactions() // but the one below
	first, last := recorded[0].times[0], recorded[0].times[0]
	for _, r := range recorded {
		first, last = min(first, r.times[0]), max(last, r.times[len(r.times)-1])
	}
	span := (last-first)/1000*1000 + 1000
	begin := time.Now().Truncate(2 * time.Hour).UnixMilli()
	end := begin + o.MinBlockDuration
	for round := int64(0); begin+round*span < end; round++ {
		app := db.Appender(ctx)
		for _, r := range recorded {
			if err := r.appendTo(app, round, begin+round*span-first, end); err != nil {
				return nil, errors.Join(err, app.Rollback())
			}
		}
		if err := app.Commit(); err != nil {
			return nil, err
		}
	}
	if err := db.CompactHead(tsdb.NewRangeHead(db.Head(), begin, end-1)); err != nil {
		return nil, err
	}
	return db.Blocks()[0], nil
}

// appendTo appends the samples before end once more, at times that are later by
// shift. A series that never falls is a counter, and goes on where it ended.
func (r *recording) appendTo(app storage.Appender, round, shift, end int64) error {
	var grown float64
	if n := len(r.floats); n > 0 && slices.IsSorted(r.floats) {
		grown = float64(round) * (r.floats[n-1] - r.floats[0])
	}
	var ref storage.SeriesRef
	for i, t := range r.times {
		if t+shift >= end {
			break
		}
		var err error
		if r.histograms != nil {
			ref, err = app.AppendHistogram(ref, r.labels, t+shift, r.histograms[i], nil)
		} else {
			ref, err = app.Append(ref, r.labels, t+shift, r.floats[i]+grown)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// size is that of all files below a folder, in bytes.
func size(dir string) (sum float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += float64(info.Size())
		}
		return err
	})
	return sum, err
}

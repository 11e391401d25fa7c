package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
	"golang.org/x/sys/unix"

	"sonde.dev/sonde/internal/durable"
	"sonde.dev/sonde/server/internal/series"
	"sonde.dev/sonde/server/internal/series/queue"
	"sonde.dev/sonde/server/internal/series/rollup"
)

// tuning is what tests change.
type tuning struct {
	segmentSize int
	flush       func(*os.File) error
	gather      time.Duration
	pace        time.Duration
}

// Open opens the store in o.Dir and makes it when it is missing. Damaged blocks
// and pieces of the logs are set aside into the directory "damaged" in it, and
// reported. Errors: ErrLocked, ErrNotWritable, ErrCorrupt, series.ErrNoSpace.
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	return open(o, tuning{segmentSize: wlog.DefaultSegmentSize, flush: o.Flush, gather: gather, pace: pace})
}

func open(o Options, t tuning) (*Store, error) {
	o = o.withDefaults()
	s, err := openStore(o, t)
	if err != nil {
		return nil, fmt.Errorf("opening the sample store: %w", explain(o.Dir, err))
	}
	return s, nil
}

func openStore(o Options, t tuning) (_ *Store, err error) {
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, err
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		options:  o,
		tuning:   t,
		lock:     lock,
		registry: prometheus.NewRegistry(),
		queue:    queue.New(o.QueueSamples, min(groupSamples, o.QueueSamples/2)),
		stopped:  make(chan struct{}),
		failed:   make(chan struct{}),
	}
	defer func() {
		if err != nil {
			if s.tiers != nil {
				err = errors.Join(err, s.tiers.Close())
			}
			if s.db != nil {
				err = errors.Join(err, s.committer.close(), s.db.Close())
			}
			_ = lock.Close()
		}
	}()
	if err := checkSpace(o.Dir, o.MinFree); err != nil {
		return nil, err
	}
	s.metrics = newMetrics(s, s.registry)
	damaged, err := setDamagedAside(o.Dir, o.Logger)
	if err != nil {
		return nil, err
	}
	s.metrics.damaged.Set(float64(damaged))

	if len(o.Tiers) > 0 {
		s.tiers, err = rollup.Open(rollup.Options{
			Dir:        o.Dir,
			Tiers:      o.Tiers,
			Late:       o.OutOfOrderWindow,
			Space:      s.checkSpace,
			Logger:     quiet(o.Logger),
			Registerer: s.registry,
		})
		if err != nil {
			return nil, err
		}
	}
	watch := &failures{Registerer: s.registry}
	s.db, err = tsdb.Open(o.Dir, quiet(o.Logger), watch, s.tsdbOptions(), nil)
	if err != nil {
		return nil, err
	}
	s.committer.failures = watch
	if _, err := watch.count(); err != nil {
		return nil, err
	}
	for _, name := range logNames {
		j, err := openJournal(filepath.Join(o.Dir, name), t.flush)
		if err != nil {
			return nil, err
		}
		s.committer.logs = append(s.committer.logs, j)
	}
	for _, dir := range []string{o.Dir, filepath.Dir(o.Dir)} {
		if err := durable.SyncDir(dir); err != nil {
			return nil, err
		}
	}
	if o.Registerer != nil {
		if err := o.Registerer.Register(s.registry); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	s.committer.newest = make(map[*series.Target]int64)
	if s.tiers != nil {
		s.startRolling()
	}
	go s.run()
	return s, nil
}

// tsdbOptions sets the library up; what is not named here is its default, which
// is Prometheus's own.
func (s *Store) tsdbOptions() *tsdb.Options {
	o := tsdb.DefaultOptions()
	o.NoLockfile = true // lockDir has it
	o.WALSegmentSize = s.tuning.segmentSize
	// Records of floats shrink by a third, for 20 ns a sample; the logs live for
	// some three hours, so CPU is dearer than their space.
	o.WALCompression = compression.None
	o.MinBlockDuration = blockRange.Milliseconds()
	// As Prometheus does: blocks of up to a tenth of the retention.
	o.MaxBlockDuration = max(blockRange, min(31*24*time.Hour, s.options.Retention/10)).Milliseconds()
	o.RetentionDuration = s.options.Retention.Milliseconds()
	o.MaxBytes = s.options.MaxBytes
	o.OutOfOrderTimeWindow = s.options.OutOfOrderWindow.Milliseconds()
	// One goroutine appends, and a tick seen in part is seen whole with the next
	// look: isolation would cost 16 bytes a series and time for nothing.
	o.IsolationDisabled = true
	// XOR2 saves 0.1 bytes a sample here, but its format is still called
	// experimental, and blocks must stay readable for years and by other tools.
	o.FloatChunkEncoding = chunkenc.EncXOR
	if s.tiers != nil {
		o.BlockCompactionExcludeFunc = s.tiers.Pending
	}
	return o
}

// lockDir takes the lock of the directory, which the kernel gives up with the
// process. The library's own lock does not tell two stores in one process
// apart, and is taken only after it has removed files that may be in use.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return f, nil
}

// explain adds to an error of opening what it means and what to do.
func explain(dir string, err error) error {
	var corrupt *wlog.CorruptionErr
	switch {
	case errors.Is(err, ErrLocked):
		return fmt.Errorf("%s: %w; stop that process or choose another directory", dir, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s: %w (%w); give this user write access to it or choose another directory",
			dir, ErrNotWritable, err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: %s (%w); free some space", series.ErrNoSpace, dir, err)
	case errors.As(err, &corrupt):
		return fmt.Errorf("%w: %w; move %s away to start without it, or restore %s from a backup",
			ErrCorrupt, err, corrupt.Dir, dir)
	default:
		return err
	}
}

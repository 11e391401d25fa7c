// Package local keeps samples in a Prometheus TSDB in a directory of this
// machine.
//
// # What it promises
//
// A Write whose Done got a nil error is durable: its samples survive the death
// of the process at any moment and a loss of power. What was refused of it is
// counted by reason and would be refused again. Appending a sample that is
// already there changes nothing.
//
// A sample may be older than what the store has of its series, down to
// Options.OutOfOrderWindow before the newest sample of the whole store.
//
// # What it does not
//
// It does not judge clocks: one sample from the far future moves that window
// for everybody. A second value for a series and a time is refused only where
// it meets the newest sample of the series; elsewhere one of the two values
// wins. A query that runs while a group is committed may see some of it. It
// keeps one copy, on one disk.
//
// # How a Write becomes durable
//
// One goroutine, the committer, takes the Writes that are queued, appends them
// in one transaction of the TSDB, commits it, flushes the logs and then calls
// each Done. The TSDB's Commit hands the samples to the kernel (in the log
// "wal", and those out of order in the log "wbl" too) and does not flush them.
// So the committer opens the same segment files itself and flushes them through
// its own descriptors: fsync flushes a file, whoever wrote it. See [journal].
// This rests on the following, each of which a test or a check holds on to:
//
//   - Commit has written every record to its segment when it returns; the
//     library buffers a part of a page only between records of one call.
//   - Segments are numbered without gaps, grow at their end, are left when the
//     next is created, and are removed from the lowest up, only once their
//     samples are in a block or a checkpoint that the library itself has
//     flushed.
//   - A failed write to "wal" makes Commit fail. A failed write to "wbl" does
//     not; the library only counts it, and the committer reads that counter.
//   - Chunks of the head ("chunks_head") are never the only copy of a sample:
//     they carry checksums, and what they lack is replayed from the logs.
//
// # Failing
//
// A write that failed half-way may leave half a record in a log, which hides
// what is written after it; and after a failed fsync the kernel may count the
// lost pages as clean, so that the next fsync succeeds and proves nothing. Both
// are therefore final: nothing is acknowledged any more (series.ErrFailed)
// until the store is opened anew, which reads what is really there. A disk that
// fills up is not allowed to get that far: with less than Options.MinFree bytes
// free a group is turned away (series.ErrNoSpace) before the TSDB sees it, and
// later ones succeed once there is room. A head chunk that cannot be written
// makes the library panic in a goroutine of its own and ends the process, which
// loses nothing that was acknowledged.
package local

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sonde.dev/sonde/internal/durable"
	"sonde.dev/sonde/server/internal/series/rollup"
)

var (
	// ErrLocked tells that the directory is in use by another store.
	ErrLocked = errors.New("directory is locked by another process")
	// ErrNotWritable tells that the directory cannot be written to.
	ErrNotWritable = errors.New("directory is not writable")
	// ErrCorrupt tells of damage that the store cannot be opened with.
	ErrCorrupt = errors.New("store is damaged")
)

// Options say where and how to keep samples. The zero value of every field but
// Dir stands for its default.
type Options struct {
	// Dir is the directory of the store, made when missing.
	Dir string
	// Retention is how long samples are kept, by their own time; default 30
	// days, at least 2 hours. Whole blocks are deleted, so samples stay up to a
	// tenth of it longer.
	Retention time.Duration
	// Tiers are coarser forms of the samples that are kept longer, the shortest
	// window first; default none.
	Tiers []rollup.Tier
	// MaxBytes bounds the files of the store, those of tiers aside; the oldest blocks are deleted
	// beyond it. The logs count, but are not deleted: with a bound smaller than
	// three hours of logs no history is left. 0 is no bound.
	MaxBytes int64
	// OutOfOrderWindow is how far a sample may lie behind the newest sample of
	// the store; default 7 days, never more than Retention.
	OutOfOrderWindow time.Duration
	// MinFree is the free space in bytes below which samples are turned away;
	// default 256 MiB, or 5 % of a file system smaller than 5 GiB.
	MinFree int64
	// QueueSamples bounds the samples that wait in the store; default 1<<20.
	QueueSamples int
	// Logger defaults to slog.Default.
	Logger *slog.Logger
	// Registerer takes the metrics of the store, until Close; nil is none.
	Registerer prometheus.Registerer
	// Flush makes a file durable; default durable.SyncData. Tests end the process
	// in it.
	Flush func(*os.File) error
}

const (
	defaultRetention    = 30 * 24 * time.Hour
	defaultWindow       = 7 * 24 * time.Hour
	defaultQueueSamples = 1 << 20
	// blockRange is the time range of the smallest block.
	blockRange = 2 * time.Hour
	// groupSamples bounds what is committed as one: enough to share an fsync
	// among all, little enough (some 20 ms) that no Write waits long behind
	// others and that a log needs one new segment at most.
	groupSamples = 100_000
	// gather is how long the first Write after a pause waits for others. Agents
	// measure at the same instants, so that theirs arrive together, and then one
	// group takes them all.
	gather = 10 * time.Millisecond
	// pace is the least time from one group to the next while the queue is
	// short. A group costs some 130 µs of CPU beside its samples, most of it for
	// the flush; what arrives over a second then shares 20 of them at most.
	pace = 50 * time.Millisecond
)

func (o Options) withDefaults() Options {
	if o.Retention == 0 {
		o.Retention = defaultRetention
	}
	o.Retention = max(o.Retention, blockRange)
	if o.OutOfOrderWindow == 0 {
		o.OutOfOrderWindow = defaultWindow
	}
	o.OutOfOrderWindow = min(o.OutOfOrderWindow, o.Retention)
	if o.QueueSamples == 0 {
		o.QueueSamples = defaultQueueSamples
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Flush == nil {
		o.Flush = durable.SyncData
	}
	return o
}

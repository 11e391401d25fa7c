// Package collect measures a host: the collectors that read the kernel, and the
// one scheduler that runs them and every other [Collector], such as the one that
// reports what the probes have seen.
//
// # Ticks
//
// A collector runs at the multiples of its interval since 1970 and each run
// becomes one [sample.Tick]. The tick's time is that aligned instant whenever the
// run began within a small tolerance of it (1/50 of the interval, but at least
// 5 ms and at most 20 ms): the times of a series then differ by a constant, which
// compresses to almost nothing, and those of different series and hosts line up
// in a chart; a rate between two ticks is wrong by no more than the tolerance in
// its interval. A run that began later has its true time and is counted as late.
//
// Every aligned instant of the wall clock without a tick, while its collector was
// on, is counted as missed: because the collector still ran, or the machine slept,
// or the clock was set. A clock that is set forward or a machine that wakes up
// gives one tick, not a burst. When the clock is set back by up to 10 s, ticks
// pause until it has passed the newest tick again; when it is set back further, it
// had been wrong before, and ticks go on at once, with times a few milliseconds
// beside those there were, so that no series has two values of one time. Only
// then do the times of a collector's ticks not increase.
//
// # What it does not promise
//
// Collectors run concurrently, so ticks of different collectors come in no
// particular order. A collector that never returns keeps [Scheduler.Run] from
// returning; those here never wait for anything but the kernel, and for a file
// system on a network which may be gone, no longer than a second.
package collect

import (
	"fmt"
	"time"
	"unicode/utf8"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

// Collector measures something at each tick.
type Collector interface {
	// Name is unique among the collectors of a scheduler, and the value of the
	// label "collector" on the agent's own metrics.
	Name() string

	// Interval is how often the collector runs unless configured otherwise.
	Interval() time.Duration

	// Collect measures, and writes into row: a schema, and then one value for
	// each of its series in their order. A row left empty gives no tick. With an
	// error nothing of the row is used.
	//
	// It is called by one goroutine at a time, with the time of the tick. It must
	// hand over the identical schema for as long as the series are the same.
	// When its first run fails with an error that matches [io/fs.ErrNotExist] or
	// EOPNOTSUPP, this machine has nothing for it to measure, and it is never run
	// again; any other error, and a panic, is counted as a failure of this tick.
	Collect(now time.Time, row *Row) error
}

// Row takes the values of one tick. Its memory goes on with the tick.
type Row struct {
	schema        *sample.Schema
	floats        []float64
	distributions []sample.Snapshot
	ignored       int
}

// Begin empties the row and sets its schema.
func (r *Row) Begin(schema *sample.Schema) {
	r.schema = schema
	r.floats = make([]float64, 0, schema.Floats())
	r.distributions = nil
	if n := schema.Distributions(); n > 0 {
		r.distributions = make([]sample.Snapshot, 0, n)
	}
}

// Float writes the value of the next series of kind [sample.Float].
func (r *Row) Float(v float64) { r.floats = append(r.floats, v) }

// Distribution writes that of the next series of kind [sample.Distribution].
func (r *Row) Distribution(s sample.Snapshot) { r.distributions = append(r.distributions, s) }

// Ignore says that n things, such as devices, were left out because there were
// more than the collector takes on, or because their names cannot be labels. It
// stands in the agent's own metrics.
func (r *Row) Ignore(n int) { r.ignored = n }

// tick returns the row as a tick; ok is false when there is nothing in it.
func (r *Row) tick(at int64) (t sample.Tick, ok bool, err error) {
	if r.schema == nil || len(r.schema.Series) == 0 {
		return sample.Tick{}, false, nil
	}
	if len(r.floats) != r.schema.Floats() || len(r.distributions) != r.schema.Distributions() {
		return sample.Tick{}, false, fmt.Errorf("%d floats and %d distributions written for a schema of %d and %d",
			len(r.floats), len(r.distributions), r.schema.Floats(), r.schema.Distributions())
	}
	return sample.Tick{Schema: r.schema, Time: at, Floats: r.floats, Distributions: r.distributions}, true, nil
}

// Host returns the collectors of a host's metrics. fs is the host; own is where
// the agent finds itself, which is another place when it runs in a container with
// the host's trees mounted (see [procfs.Default]).
func Host(fs, own procfs.FS) []Collector {
	return []Collector{
		newCPU(fs),
		newLoad(fs),
		newMemory(fs),
		newVmstat(fs),
		newPressure(fs),
		newDisk(fs),
		newFilesystem(fs),
		newNetwork(fs),
		newLink(fs),
		newNetstat(fs),
		newSockstat(fs),
		newProcesses(fs),
		newSystem(fs),
		newContainer(own),
	}
}

// every is the name and default interval of a collector.
type every struct {
	name     string
	interval time.Duration
}

func (e every) Name() string            { return e.name }
func (e every) Interval() time.Duration { return e.interval }

// maxDevices bounds the devices, file systems and so on of one collector.
const maxDevices = 256

// maxLabel is the longest label value that may be sent.
const maxLabel = 1024

// labelable says whether what the kernel calls a thing can be the value of a label.
// Kernel names may be any bytes, and one that cannot would take all other series
// of its collector with it.
func labelable(name []byte) bool { return len(name) <= maxLabel && utf8.Valid(name) }

// series returns a float series; labels are pairs of name and value, sorted.
func series(name string, labels ...string) sample.Series {
	s := sample.Series{Name: name, Kind: sample.Float}
	for i := 0; i < len(labels); i += 2 {
		s.Labels = append(s.Labels, sample.Label{Name: labels[i], Value: labels[i+1]})
	}
	return s
}

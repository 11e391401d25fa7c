package series

import (
	"strings"
	"time"

	"github.com/prometheus/prometheus/storage"

	"sonde.dev/sonde/internal/metricname"
)

// Tiers are coarser forms of a store's samples beside the samples as taken,
// each of which has one sample or a few for a window of time. Windows are
// aligned to 1970 and hold what comes after their start, up to and with their
// end.
//
//   - A gauge's sample is the mean of its window and stands at the window's end.
//     A selector with a matcher [Aggregate] = Min, Max, Sum or Count gets that
//     instead.
//   - A counter keeps its first and its last sample of each window and those on
//     both sides of a reset, at their own times. So does a histogram, which is
//     cumulative. What rate and increase find between two windows' bounds is
//     therefore what they find in the samples as taken. To a matcher of Sum, Min
//     or Max these samples stand for themselves; to one of Count, for one each.
type Tiers interface {
	// Windows are the windows of the tiers, the shortest first.
	Windows() []time.Duration
	// At returns the samples of one window, or with 0 as taken. What that tier
	// does not have yet comes from a finer one, what it has no more from a
	// coarser one.
	At(window time.Duration) storage.Queryable
	// Oldest is the time of the oldest sample as taken, in milliseconds.
	Oldest() int64
}

// Aggregate is the name of a label that selectors over [Tiers] may match, and
// that no series has. It sorts behind every other name.
const Aggregate = "\U0010FFFF"

// The values of Aggregate.
const (
	Min   = "min"
	Max   = "max"
	Sum   = "sum"
	Count = "count"
)

// IsCounter is whether the series of a metric are counters, by the table of
// metrics, or of one that is not in it by its name.
func IsCounter(metric string) bool {
	if known, ok := metricname.TypeOf(metric); ok {
		return known == metricname.Counter
	}
	return strings.HasSuffix(metric, "_total")
}

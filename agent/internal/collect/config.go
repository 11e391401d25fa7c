package collect

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// The bounds of a collector's interval.
const (
	MinInterval = 100 * time.Millisecond
	MaxInterval = time.Hour
)

// Setting is how a collector is to run.
type Setting struct {
	Enabled bool
	// Interval between runs, in whole milliseconds; 0 is the collector's default.
	Interval time.Duration
}

// Config says how collectors are to run, by name. One that it does not name runs
// at its default interval.
type Config struct {
	Collectors map[string]Setting
}

// Validate returns all that is wrong with the values, each with its key.
func (c Config) Validate() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Collectors)) {
		interval := c.Collectors[name].Interval
		key := "collectors." + name + ".interval"
		switch {
		case interval == 0:
		case interval < MinInterval:
			errs = append(errs, fmt.Errorf("%s: %v is shorter than %v", key, interval, MinInterval))
		case interval > MaxInterval:
			errs = append(errs, fmt.Errorf("%s: %v is longer than %v", key, interval, MaxInterval))
		case interval%time.Millisecond != 0:
			errs = append(errs, fmt.Errorf("%s: %v is not in whole milliseconds", key, interval))
		}
	}
	return errors.Join(errs...)
}

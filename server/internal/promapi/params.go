package promapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"

	"sonde.dev/sonde/server/internal/series/query"
)

// maxSeconds is the latest time, and the earliest negated, whose milliseconds
// fit.
const maxSeconds = math.MaxInt64 / 1000

// parseTime reads seconds since 1970, or RFC 3339.
func parseTime(s string) (time.Time, error) {
	if t, err := strconv.ParseFloat(s, 64); err == nil {
		if math.IsNaN(t) || math.Abs(t) > maxSeconds {
			return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", s)
		}
		seconds, fraction := math.Modf(t)
		// As Prometheus does: to the millisecond.
		fraction = math.Round(fraction*1000) / 1000
		return time.Unix(int64(seconds), int64(fraction*float64(time.Second))).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", s)
}

// parseDuration reads seconds, or a duration of Prometheus such as 5m.
func parseDuration(s string) (time.Duration, error) {
	if d, err := strconv.ParseFloat(s, 64); err == nil {
		ns := d * float64(time.Second)
		if math.IsNaN(ns) || ns >= math.MaxInt64 || ns <= math.MinInt64 {
			return 0, fmt.Errorf("cannot parse %q to a valid duration. It overflows int64", s)
		}
		return time.Duration(ns), nil
	}
	if d, err := model.ParseDuration(s); err == nil {
		return time.Duration(d), nil
	}
	return 0, fmt.Errorf("cannot parse %q to a valid duration", s)
}

// parseLimit reads a bound on what is returned; 0 is none.
func parseLimit(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	limit, err := strconv.Atoi(s)
	if err != nil {
		return 0, err
	}
	if limit < 0 {
		return 0, errors.New("limit must be non-negative")
	}
	return limit, nil
}

// timeParam reads an optional time.
func timeParam(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	s := r.FormValue(name)
	if s == "" {
		return otherwise, nil
	}
	t, err := parseTime(s)
	if err != nil {
		return time.Time{}, invalid(name, fmt.Errorf("invalid time value for '%s': %w", name, err))
	}
	return t, nil
}

// durationParam reads an optional duration.
func durationParam(r *http.Request, name string, otherwise time.Duration) (time.Duration, error) {
	s := r.FormValue(name)
	if s == "" {
		return otherwise, nil
	}
	d, err := parseDuration(s)
	if err != nil {
		return 0, invalid(name, err)
	}
	return d, nil
}

// limitParam reads the parameter limit.
func limitParam(r *http.Request) (int, error) {
	limit, err := parseLimit(r.FormValue("limit"))
	if err != nil {
		return 0, invalid("limit", err)
	}
	return limit, nil
}

// lookupRequest reads what series, labels and label values have in common.
func lookupRequest(r *http.Request) (req query.LookupRequest, err error) {
	if req.Limit, err = limitParam(r); err != nil {
		return req, err
	}
	if req.Start, err = timeParam(r, "start", time.Time{}); err != nil {
		return req, err
	}
	if req.End, err = timeParam(r, "end", time.Time{}); err != nil {
		return req, err
	}
	req.Selectors = r.Form["match[]"]
	return req, nil
}

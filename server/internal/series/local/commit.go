package local

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"sonde.dev/sonde/server/internal/series"
)

// committer is the state of the one goroutine that appends.
type committer struct {
	logs     []*journal
	failures *failures
	arena    arena
	results  []series.Result
	// newest is the highest time appended to each Target since the last commit.
	newest map[*series.Target]int64
	// began is when the last group was begun.
	began time.Time
}

func (c *committer) close() error {
	var err error
	for _, j := range c.logs {
		err = errors.Join(err, j.close())
	}
	return err
}

// run commits what is queued until the store is closed and the queue is empty.
func (s *Store) run() {
	defer close(s.stopped)
	var spare []*series.Write
	for s.queue.Wait() {
		s.linger()
		writes := s.queue.Take(spare[:0])
		for rest := writes; len(rest) > 0; {
			n := groupLen(rest)
			s.commitGroup(rest[:n])
			rest = rest[n:]
		}
		clear(writes)
		spare = writes
	}
}

// linger waits until the next group may begin: when it is time, or when there is
// plenty to do, or when the store closes.
func (s *Store) linger() {
	now := time.Now()
	wait := max(s.committer.began.Add(s.tuning.pace).Sub(now), s.tuning.gather)
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for !s.queue.Pressing() {
		select {
		case <-timer.C:
			return
		case <-s.queue.Wake():
		}
	}
}

// groupLen returns how many of the writes to commit as one.
func groupLen(writes []*series.Write) int {
	samples := 0
	for i, w := range writes {
		samples += w.Samples()
		if i > 0 && samples > groupSamples {
			return i
		}
	}
	return len(writes)
}

// commitGroup makes the writes durable and calls their Done.
func (s *Store) commitGroup(writes []*series.Write) {
	c := &s.committer
	c.results = append(c.results[:0], make([]series.Result, len(writes))...)
	err := s.Err()
	if err == nil {
		err = s.appendGroup(writes)
	}
	for i, w := range writes {
		result := c.results[i]
		if err != nil {
			result = series.Result{}
		} else {
			s.metrics.stored.Add(float64(result.Stored))
			for _, r := range result.Refused {
				s.metrics.refused[r.Reason].Add(float64(r.Samples))
			}
		}
		s.queue.Done(w, result, err)
	}
	clear(c.results)
}

// appendGroup appends, commits and flushes. Its error is that of all writes.
func (s *Store) appendGroup(writes []*series.Write) error {
	c := &s.committer
	samples := 0
	for _, w := range writes {
		samples += w.Samples()
	}
	s.metrics.group.Observe(float64(samples))
	if err := s.checkSpace(); err != nil {
		s.metrics.full.Add(float64(samples))
		return err
	}
	c.began = time.Now()
	app := s.db.AppenderV2(context.Background())
	for i, w := range writes {
		for j := range w.Rows {
			r := &w.Rows[j]
			if c.revisits(r) {
				if err := s.commit(app); err != nil {
					return err
				}
				app = s.db.AppenderV2(context.Background())
			}
			s.appendRows(app, r, &c.results[i])
		}
	}
	if err := s.commit(app); err != nil {
		return err
	}
	committed := time.Now()
	s.metrics.commit.Observe(committed.Sub(c.began).Seconds())
	for _, j := range c.logs {
		if err := j.sync(); err != nil {
			s.fail(err)
			return s.failure
		}
	}
	s.metrics.flush.Observe(time.Since(committed).Seconds())
	return nil
}

// revisits reports whether rows go back in time within the transaction. The
// TSDB tells a duplicate from a conflict only against what is committed.
func (c *committer) revisits(r *series.Rows) bool {
	if len(r.Times) == 0 {
		return false
	}
	newest, ok := c.newest[r.Target]
	c.newest[r.Target] = max(newest, r.Times[len(r.Times)-1])
	return ok && r.Times[0] <= newest
}

// commit hands what was appended to the kernel.
func (s *Store) commit(app storage.AppenderV2) error {
	c := &s.committer
	clear(c.newest)
	err := app.Commit()
	if err == nil {
		var failed float64
		if failed, err = c.failures.count(); err == nil && failed > 0 {
			err = errors.New("writing samples out of order to their log")
		}
	}
	if err != nil {
		s.fail(fmt.Errorf("committing: %w", err))
		return s.failure
	}
	return nil
}

func (s *Store) appendRows(app storage.AppenderV2, r *series.Rows, result *series.Result) {
	floats, histograms := r.Target.Columns(s)
	k := len(r.Times)
	for i := range floats {
		column := &floats[i]
		ref := storage.SeriesRef(column.Ref)
		for j, v := range r.Floats[i*k : (i+1)*k] {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				refuse(result, errNotFinite, column.Labels, r.Times[j])
				continue
			}
			got, err := app.Append(ref, column.Labels, 0, r.Times[j], v, nil, nil, storage.AOptions{})
			if err != nil {
				refuse(result, err, column.Labels, r.Times[j])
				continue
			}
			ref = got
			result.Stored++
		}
		column.Ref = uint64(ref)
	}
	for i := range histograms {
		column := &histograms[i]
		ref := storage.SeriesRef(column.Ref)
		for j := range r.Histograms[i*k : (i+1)*k] {
			var got storage.SeriesRef
			h, err := s.committer.arena.convert(&r.Histograms[i*k+j])
			if err == nil {
				got, err = app.Append(ref, column.Labels, 0, r.Times[j], 0, h, nil, storage.AOptions{})
			}
			if err != nil {
				refuse(result, err, column.Labels, r.Times[j])
				continue
			}
			ref = got
			result.Stored++
		}
		column.Ref = uint64(ref)
	}
}

// errNotFinite refuses what is no measurement, and among it the NaN that the
// TSDB takes for the end of a series.
var errNotFinite = errors.New("not a finite number")

func refuse(result *series.Result, err error, l labels.Labels, ms int64) {
	result.Refuse(reason(err), func() string {
		return l.String() + " at " + strconv.FormatInt(ms, 10) + " ms: " + err.Error()
	})
}

func reason(err error) series.Reason {
	switch {
	case errors.Is(err, storage.ErrTooOldSample),
		errors.Is(err, storage.ErrOutOfBounds),
		errors.Is(err, storage.ErrOutOfOrderSample):
		return series.TooOld
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return series.Conflict
	default:
		return series.Invalid
	}
}

package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sonde.dev/sonde/server/internal/series"
)

const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = 5 * time.Second
	// maxRetryAfter bounds what a store may ask for.
	maxRetryAfter = 5 * time.Minute
)

// sender is the state of the one goroutine that writes.
type sender struct {
	encoder
	spare []run
	// v2 is set once the store has shown that it knows 2.0.
	v2 bool
	// notBefore is when the store may be asked again.
	notBefore time.Time
	backoff   time.Duration
	// deadline is until when a store that is down is asked again; zero while it
	// is not.
	deadline time.Time
	// refused has, for each Write, before which time the store is known to refuse it
	// as too old.
	refused []bounds
}

// bounds are times in milliseconds since 1970, of numbers and of histograms, which
// a store may refuse where it takes numbers.
type bounds struct{ floats, histograms int64 }

func (b *bounds) of(r *run) *int64 {
	if r.histograms != nil {
		return &b.histograms
	}
	return &b.floats
}

// tooOld reports whether the store is known to refuse the first sample of r.
func (s *sender) tooOld(r *run) bool { return r.times[0] < *s.refused[r.write].of(r) }

// verdict is what the store said of a request.
type verdict uint8

const (
	accepted verdict = iota
	// refused: some of the samples, for good.
	refused
	// tooLarge: in smaller pieces it may take them.
	tooLarge
	// unavailable: the same request may succeed later.
	unavailable
	// unknownVersion: it does not know remote write 2.0.
	unknownVersion
)

// answer is a verdict with its reasons.
type answer struct {
	verdict verdict
	reason  series.Reason // of refused
	written int           // samples that the store says it took; -1: it does not say
	// older says that the store refuses all that is older than what it refuses as
	// too old, whatever the series.
	older bool
	text  string
	after time.Duration // how long to wait; 0: unsaid
}

// deliver sends runs until the store has taken or refused each sample of them.
// Its error is that of all their Writes.
func (s *Store) deliver(runs []run, results []series.Result) error {
	s.sender.refused = make([]bounds, len(results))
	for _, request := range requests(runs) {
		if err := s.settle(request, results); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) settle(runs []run, results []series.Result) error {
	if runs = s.withoutTooOld(runs, results); len(runs) == 0 {
		return nil
	}
	a, err := s.offer(runs)
	if err != nil {
		return err
	}
	sent := 0
	for i := range runs {
		sent += len(runs[i].times)
	}
	one := runs[0].write == runs[len(runs)-1].write
	switch {
	case a.verdict == accepted && (a.written < 0 || a.written >= sent):
		for i := range runs {
			if !runs[i].part {
				results[runs[i].write].Stored += uint64(len(runs[i].times))
			}
		}
		return nil
	case a.verdict != tooLarge && a.written >= 0 && one:
		result := &results[runs[0].write]
		result.Stored += uint64(a.written)
		for range sent - a.written {
			result.Refuse(a.reason, func() string { return runs[0].first(a.text) })
		}
		return nil
	}
	head, tail := halve(runs)
	if head == nil {
		r := &runs[0]
		results[r.write].Refuse(a.reason, func() string { return r.first(a.text) })
		if a.older {
			*s.sender.refused[r.write].of(r) = r.times[0] + 1
		}
		return nil
	}
	if err := s.settle(head, results); err != nil {
		return err
	}
	return s.settle(tail, results)
}

// withoutTooOld refuses what is no newer than what the store has just refused of
// the same Write, and returns the other runs. An agent that was away for long is
// else asked about sample by sample, and all others wait for it.
func (s *Store) withoutTooOld(runs []run, results []series.Result) []run {
	first := 0
	for first < len(runs) && !s.sender.tooOld(&runs[first]) {
		first++
	}
	if first == len(runs) {
		return runs
	}
	kept := slices.Clone(runs[:first])
	for _, r := range runs[first:] {
		for len(r.times) > 0 && s.sender.tooOld(&r) {
			old, rest := r.cut(1)
			results[r.write].Refuse(series.TooOld, func() string { return old.first("older than what the store has refused") })
			r = rest
		}
		if len(r.times) > 0 {
			kept = append(kept, r)
		}
	}
	return kept
}

// offer sends a request until the store accepts or refuses it, or has been down
// for Patience.
func (s *Store) offer(runs []run) (answer, error) {
	for {
		s.mu.Lock()
		why := s.refusing
		s.mu.Unlock()
		if why != nil {
			if s.sender.deadline.IsZero() {
				s.sender.deadline = time.Now().Add(s.options.Patience)
			}
			time.Sleep(min(time.Until(s.sender.notBefore), time.Until(s.sender.deadline)))
			if now := time.Now(); now.Before(s.sender.notBefore) || !now.Before(s.sender.deadline) {
				return answer{}, fmt.Errorf("%w: %w", series.ErrUnavailable, why)
			}
		}
		body, version, err := s.sender.encode(runs)
		if err != nil {
			return answer{}, fmt.Errorf("%w: encoding samples: %w", series.ErrUnavailable, err)
		}
		began := time.Now()
		a := s.post(body, version)
		s.metrics.requests.WithLabelValues(a.verdict.String()).Inc()
		s.metrics.duration.Observe(time.Since(began).Seconds())
		switch a.verdict {
		case unknownVersion:
			s.sender.v1 = true
			s.options.Logger.Warn("the store does not know remote write 2.0, 1.0 is used: it may drop native histograms without a word, "+
				"as VictoriaMetrics does, which needs --metrics-histograms=vmrange", "url", s.options.WriteURL, "answer", a.text)
		case unavailable:
			s.sender.backoff = min(max(2*s.sender.backoff, minBackoff), maxBackoff)
			wait := max(a.after, s.sender.backoff/2+rand.N(s.sender.backoff/2))
			s.sender.notBefore = time.Now().Add(wait)
			s.note(errors.New(a.text), s.sender.notBefore)
		default:
			s.note(nil, time.Time{})
			s.sender.backoff, s.sender.deadline = 0, time.Time{}
			s.sender.v2 = s.sender.v2 || a.written >= 0
			return a, nil
		}
	}
}

// post sends one request once.
func (s *Store) post(body []byte, version string) answer {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.options.WriteURL, bytes.NewReader(body))
	if err != nil {
		return answer{verdict: unavailable, text: err.Error()}
	}
	contentType := "application/x-protobuf"
	if version == "2.0.0" {
		contentType += ";proto=io.prometheus.write.v2.Request"
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("X-Prometheus-Remote-Write-Version", version)
	res, err := s.client.Do(req)
	if err != nil {
		return answer{verdict: unavailable, text: err.Error()}
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxText)) // for people
	return judge(res.StatusCode, res.Header, string(text), version == "2.0.0", s.sender.v2)
}

// judge turns an answer to a request of version 2.0 (v2) or 1.0 into a verdict.
// proven is whether the store has shown before that it knows 2.0.
func judge(status int, header http.Header, text string, v2, proven bool) answer {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	a := answer{written: -1, text: fmt.Sprintf("HTTP %d: %s", status, text)}
	if v2 {
		a.written = written(header)
	}
	switch {
	case status/100 == 2:
		if v2 && a.written < 0 {
			// What knows 2.0 says how much it took. This one has read the
			// message as one of 1.0, in which it is empty.
			a.verdict = unknownVersion
			return a
		}
		a.reason = series.Invalid // of those that it says it did not take
	case status == http.StatusUnsupportedMediaType && v2:
		a.verdict = unknownVersion
	case status == http.StatusRequestEntityTooLarge:
		a.verdict, a.reason = tooLarge, series.Invalid
	case status == http.StatusBadRequest || status == http.StatusConflict || status == http.StatusUnprocessableEntity:
		reason, older, ok := reasonOf(text)
		switch {
		case v2 && !proven && a.written < 0:
			a.verdict = unknownVersion
		case ok:
			a.verdict, a.reason, a.older = refused, reason, older
		default:
			a.verdict = unavailable
		}
	case status == http.StatusInternalServerError && text == tooOldIn242:
		a.verdict, a.reason, a.older = refused, series.TooOld, true
	default:
		a.verdict, a.after = unavailable, retryAfter(header.Get("Retry-After"), time.Now())
	}
	return a
}

// tooOldIn242 is how Prometheus before 2.43, among it Debian 12's, refuses what
// lies before its out-of-order window, with status 500 for an answer that will
// never be another.
const tooOldIn242 = "too old sample"

// reasonOf finds why samples are refused in what a store says for people, as
// Prometheus, Thanos and Mimir word it. What may be said of a request as such,
// such as "invalid parameter" or "native histograms are disabled", is none. older
// is as in [answer]: out of order is a sample of one series, while others may have
// nothing newer.
func reasonOf(text string) (reason series.Reason, older, ok bool) {
	text = strings.ToLower(text)
	for _, w := range []struct {
		reason series.Reason
		older  bool
		words  []string
	}{
		{series.TooOld, false, []string{"future", "out of order", "out-of-order", "too far"}},
		{series.TooOld, true, []string{"too old", "too-old", "out of bounds", "out-of-bounds"}},
		{series.Conflict, false, []string{"duplicate"}},
		{series.Invalid, false, []string{
			"invalid sample", "sample-invalid", "metric name", "metric-name",
			"label name", "label value", "labelset", "invalid label", "label-invalid", "number of labels",
			"histogram has", "histogram's", "histogram sample", "invalid histogram", "invalid native histogram", "invalid-native-histogram",
		}},
	} {
		if slices.ContainsFunc(w.words, func(words string) bool { return strings.Contains(text, words) }) {
			return w.reason, w.older, true
		}
	}
	return 0, false, false
}

// written is how many samples the store says it took, -1 when it does not say.
func written(h http.Header) int {
	n := -1
	for _, kind := range []string{"Samples", "Histograms"} {
		v, err := strconv.Atoi(h.Get("X-Prometheus-Remote-Write-" + kind + "-Written"))
		if err == nil && v >= 0 {
			n = max(n, 0) + v
		}
	}
	return n
}

// retryAfter reads a Retry-After header, in seconds or as a time.
func retryAfter(v string, now time.Time) time.Duration {
	var d time.Duration
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}

func (v verdict) String() string {
	return [...]string{"accepted", "refused", "too_large", "unavailable", "unknown_version"}[v]
}

package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
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
}

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
	text    string
	after   time.Duration // how long to wait; 0: unsaid
}

// deliver sends runs until the store has taken or refused each sample of them.
// Its error is that of all their Writes.
func (s *Store) deliver(deadline time.Time, runs []run, results []series.Result) error {
	for _, request := range requests(runs) {
		if err := s.settle(deadline, request, results); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) settle(deadline time.Time, runs []run, results []series.Result) error {
	a, err := s.offer(deadline, runs)
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
		results[runs[0].write].Refuse(a.reason, func() string { return runs[0].first(a.text) })
		return nil
	}
	if err := s.settle(deadline, head, results); err != nil {
		return err
	}
	return s.settle(deadline, tail, results)
}

// offer sends a request until the store accepts or refuses it, or the deadline
// has passed.
func (s *Store) offer(deadline time.Time, runs []run) (answer, error) {
	for {
		s.mu.Lock()
		why := s.refusing
		s.mu.Unlock()
		if why != nil {
			time.Sleep(min(time.Until(s.sender.notBefore), time.Until(deadline)))
			if now := time.Now(); now.Before(s.sender.notBefore) || !now.Before(deadline) {
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
			s.note(errors.New(a.text))
			s.sender.backoff = min(max(2*s.sender.backoff, minBackoff), maxBackoff)
			wait := max(a.after, s.sender.backoff/2+rand.N(s.sender.backoff/2))
			s.sender.notBefore = time.Now().Add(wait)
		default:
			s.note(nil)
			s.sender.backoff = 0
			s.sender.v2 = s.sender.v2 || version == "2.0.0"
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
		reason, ok := reasonOf(text)
		switch {
		case ok:
			a.verdict, a.reason = refused, reason
		case v2 && !proven && a.written < 0:
			a.verdict = unknownVersion
		default:
			a.verdict = unavailable
		}
	case status == http.StatusInternalServerError && text == tooOldIn242:
		a.verdict, a.reason = refused, series.TooOld
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
// Prometheus, Thanos and Mimir word it.
func reasonOf(text string) (series.Reason, bool) {
	text = strings.ToLower(text)
	for _, w := range []struct {
		words  string
		reason series.Reason
	}{
		{"out of order", series.TooOld}, {"out-of-order", series.TooOld},
		{"too old", series.TooOld}, {"too-old", series.TooOld},
		{"out of bounds", series.TooOld}, {"out-of-bounds", series.TooOld},
		{"too far", series.TooOld},
		{"duplicate", series.Conflict},
		{"invalid", series.Invalid}, {"histogram", series.Invalid}, {"label", series.Invalid},
	} {
		if strings.Contains(text, w.words) {
			return w.reason, true
		}
	}
	return 0, false
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

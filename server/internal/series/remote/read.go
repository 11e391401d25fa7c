package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"sonde.dev/sonde/server/internal/series"
	"sonde.dev/sonde/server/internal/series/query"
)

// Queryable returns the samples of the store for queries, read with instant
// queries for range selectors, which yield the samples as they were written.
// Errors that may pass wrap query.ErrUnavailable.
func (s *Store) Queryable() storage.Queryable { return queryable{s} }

// Tiers returns nil: whether a store keeps coarser forms is its own matter.
func (s *Store) Tiers() series.Tiers { return nil }

type queryable struct{ store *Store }

func (q queryable) Querier(mint, maxt int64) (storage.Querier, error) {
	return &querier{store: q.store, mint: mint, maxt: maxt}, nil
}

type querier struct {
	store      *Store
	mint, maxt int64
}

// Select implements storage.Querier. The samples are read before it returns.
func (q *querier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	start, end := q.mint, q.maxt
	if hints != nil {
		start, end = hints.Start, hints.End
	}
	var found []sampled
	var err error
	if hints != nil && hints.Func == "series" {
		found, err = q.series(ctx, hints.Limit, matchers)
		if name, rest := named(matchers); err == nil && len(found) == 0 && name != "" && q.store.options.Histograms == VMRange {
			count := labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, name+"_count")
			found, err = q.series(ctx, hints.Limit, append(rest, count))
			for i := range found {
				found[i].Metric = labels.NewBuilder(found[i].Metric).Set(model.MetricNameLabel, name).Labels()
			}
		}
	} else {
		found, err = q.selected(ctx, start, end, matchers)
		if err == nil && len(found) == 0 && q.store.options.Histograms == VMRange {
			found, err = q.assembled(ctx, start, end, matchers)
		}
	}
	if err != nil {
		return storage.ErrSeriesSet(err)
	}
	slices.SortFunc(found, func(a, b sampled) int { return labels.Compare(a.Metric, b.Metric) })
	return &seriesSet{series: found, at: -1}
}

// selected reads what was written from start to end, both included.
func (q *querier) selected(ctx context.Context, start, end int64, matchers []*labels.Matcher) ([]sampled, error) {
	if end < start {
		return nil, nil
	}
	var data struct {
		Result []sampled `json:"result"`
	}
	// The range is open at its left in some stores and closed in others: one
	// millisecond more, and what lies before start is left out.
	err := q.store.get(ctx, "query", url.Values{
		"query": {fmt.Sprintf("%s[%dms]", selector(matchers), end-start+1)},
		"time":  {seconds(end)},
		// Stores of VictoriaMetrics would hold back the newest samples.
		"nocache": {"1"},
	}, &data)
	if err != nil {
		return nil, err
	}
	for i := range data.Result {
		data.Result[i].between(start, end)
	}
	return data.Result, nil
}

func (q *querier) series(ctx context.Context, limit int, matchers []*labels.Matcher) ([]sampled, error) {
	params := q.bounds(limit)
	params.Set("match[]", selector(matchers))
	var data []labels.Labels
	if err := q.store.get(ctx, "series", params, &data); err != nil {
		return nil, err
	}
	out := make([]sampled, len(data))
	for i := range data {
		out[i].Metric = data[i]
	}
	return out, nil
}

// LabelValues implements storage.Querier.
func (q *querier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.names(ctx, "label/"+url.PathEscape(name)+"/values", hints, matchers)
}

// LabelNames implements storage.Querier.
func (q *querier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.names(ctx, "labels", hints, matchers)
}

func (q *querier) names(ctx context.Context, path string, hints *storage.LabelHints, matchers []*labels.Matcher) ([]string, annotations.Annotations, error) {
	limit := 0
	if hints != nil {
		limit = hints.Limit
	}
	params := q.bounds(limit)
	if len(matchers) > 0 {
		params.Set("match[]", selector(matchers))
	}
	var data []string
	err := q.store.get(ctx, path, params, &data)
	return data, nil, err
}

// Close implements storage.Querier.
func (q *querier) Close() error { return nil }

// bounds are the parameters of a look-up. Stores take times between the years
// 1970 and 9999; what lies beyond is no bound.
func (q *querier) bounds(limit int) url.Values {
	params := make(url.Values)
	if q.mint > 0 {
		params.Set("start", seconds(q.mint))
	}
	if q.maxt < 253402300799000 {
		params.Set("end", seconds(q.maxt))
	} else if q.mint > 0 {
		params.Set("end", seconds(time.Now().Add(time.Hour).UnixMilli()))
	}
	if limit > 0 {
		params.Set("limit", strconv.Itoa(limit))
	}
	return params
}

func selector(matchers []*labels.Matcher) string {
	texts := make([]string, len(matchers))
	for i, m := range matchers {
		texts[i] = m.String()
	}
	return "{" + strings.Join(texts, ",") + "}"
}

// seconds writes milliseconds as a time of the query API.
func seconds(ms int64) string { return strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64) }

// get asks the query API. The answer's data is decoded into data.
func (s *Store) get(ctx context.Context, path string, params url.Values, data any) error {
	// Without some of its nodes a cluster is to fail, not to answer with a part:
	// Thanos' and VictoriaMetrics' words for that, which others do not read.
	params.Set("partial_response", "false")
	params.Set("deny_partial_response", "1")
	target := s.options.ReadURL + "/api/v1/" + path
	var req *http.Request
	var err error
	if path == "query" {
		// Selectors may be longer than what a URL may be.
		req, err = http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(params.Encode()))
	} else {
		req, err = http.NewRequestWithContext(ctx, http.MethodGet, target+"?"+params.Encode(), nil)
	}
	if err != nil {
		return err
	}
	if req.Method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := s.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", query.ErrUnavailable, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return readError(res)
	}
	body := &io.LimitedReader{R: res.Body, N: maxAnswer + 1}
	var answer struct {
		Data json.RawMessage `json:"data"`
	}
	err = json.NewDecoder(body).Decode(&answer)
	if err == nil {
		err = json.Unmarshal(answer.Data, data)
	}
	switch {
	case body.N <= 0:
		return &query.Error{Kind: query.TooManySamples, Err: fmt.Errorf("the store's answer is longer than %d MiB; ask for fewer series or a shorter range", maxAnswer>>20)}
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("%w: the answer of %s: %w", query.ErrUnavailable, target, err)
	}
	return nil
}

// readError turns an answer that is no answer into an error.
func readError(res *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxText)) // for people
	var answer struct {
		Error string `json:"error"`
	}
	said := strings.TrimSpace(string(text))
	if json.Unmarshal(text, &answer) == nil && answer.Error != "" {
		said = answer.Error
	}
	err := fmt.Errorf("the store answers HTTP %d: %s", res.StatusCode, said)
	switch {
	case res.StatusCode == http.StatusBadRequest || res.StatusCode == http.StatusUnprocessableEntity:
		kind := query.Evaluation
		if strings.Contains(said, "too many samples") || strings.Contains(said, "limit") {
			kind = query.TooManySamples
		}
		return &query.Error{Kind: kind, Err: err}
	default:
		return fmt.Errorf("%w: %w", query.ErrUnavailable, err)
	}
}

var errNoSample = errors.New("not a pair of a time and a value")

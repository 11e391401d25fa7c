package promapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/promql"

	"sonde.dev/sonde/server/internal/series/query"
)

// defaultLookback is Prometheus'.
const defaultLookback = 5 * time.Minute

const truncated = "results truncated due to limit"

func (a *api) query(w http.ResponseWriter, r *http.Request) error {
	at, err := timeParam(r, "time", time.Now())
	if err != nil {
		return err
	}
	return a.evaluate(w, r, query.Request{Start: at, End: at})
}

func (a *api) queryRange(w http.ResponseWriter, r *http.Request) error {
	var req query.Request
	var err error
	if req.Start, err = parseTime(r.FormValue("start")); err != nil {
		return invalid("start", err)
	}
	if req.End, err = parseTime(r.FormValue("end")); err != nil {
		return invalid("end", err)
	}
	if req.End.Before(req.Start) {
		return invalid("end", errors.New("end timestamp must not be before start time"))
	}
	if req.Step, err = parseDuration(r.FormValue("step")); err != nil {
		return invalid("step", err)
	}
	if req.Step <= 0 {
		return invalid("step", errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	}
	if req.End.Sub(req.Start)/req.Step > query.MaxSteps {
		return &apiError{badData, errors.New("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")}
	}
	return a.evaluate(w, r, req)
}

// evaluate answers a request whose times are set.
func (a *api) evaluate(w http.ResponseWriter, r *http.Request, req query.Request) error {
	limit, err := limitParam(r)
	if err != nil {
		return err
	}
	if req.Lookback, err = durationParam(r, "lookback_delta", 0); err != nil {
		return err
	}
	if req.Lookback <= 0 {
		req.Lookback = defaultLookback
	}
	ctx := r.Context()
	if r.FormValue("timeout") != "" {
		timeout, err := durationParam(r, "timeout", 0)
		if err != nil {
			return err
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	req.Expr = r.FormValue("query")
	wanted := r.FormValue("stats")
	req.StepStats = wanted == "all"

	res, err := a.engine.Eval(ctx, req)
	if err != nil {
		return queryError("query", err)
	}
	defer res.Close()
	warnings, infos := res.Warnings.AsStrings(req.Expr, 10, 10)
	if limit > 0 {
		switch v := res.Value.(type) {
		case promql.Matrix:
			if len(v) > limit {
				res.Value, warnings = v[:limit], append(warnings, truncated)
			}
		case promql.Vector:
			if len(v) > limit {
				res.Value, warnings = v[:limit], append(warnings, truncated)
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	writeResult(w, res, wanted != "", warnings, infos)
	return nil
}

// queryExemplars checks the query, and finds nothing: agents send no exemplars.
func (a *api) queryExemplars(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.engine.Format(r.FormValue("query")); err != nil {
		return queryError("query", err)
	}
	return respond(w, []string{}, nil)
}

func (a *api) formatQuery(w http.ResponseWriter, r *http.Request) error {
	pretty, err := a.engine.Format(r.FormValue("query"))
	if err != nil {
		return queryError("query", err)
	}
	return respond(w, pretty, nil)
}

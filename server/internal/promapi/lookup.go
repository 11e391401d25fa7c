package promapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/prometheus/common/model"
)

func (a *api) series(w http.ResponseWriter, r *http.Request) error {
	if len(r.Form["match[]"]) == 0 {
		return &apiError{badData, errors.New("no match[] parameter provided")}
	}
	req, err := lookupRequest(r)
	if err != nil {
		return err
	}
	found, err := a.engine.Series(r.Context(), req)
	if err != nil {
		return queryError("match[]", err)
	}
	w.Header().Set("Content-Type", "application/json")
	writeSeries(w, found.Items, warned(found.Warnings, found.Truncated))
	return nil
}

func (a *api) labels(w http.ResponseWriter, r *http.Request) error {
	req, err := lookupRequest(r)
	if err != nil {
		return err
	}
	found, err := a.engine.LabelNames(r.Context(), req)
	if err != nil {
		return queryError("match[]", err)
	}
	return respond(w, found.Items, warned(found.Warnings, found.Truncated))
}

func (a *api) labelValues(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if strings.HasPrefix(name, "U__") {
		name = model.UnescapeName(name, model.ValueEncodingEscaping)
	}
	if !model.UTF8Validation.IsValidLabelName(name) {
		return &apiError{badData, errors.New("invalid label name: \"" + name + "\"")}
	}
	req, err := lookupRequest(r)
	if err != nil {
		return err
	}
	found, err := a.engine.LabelValues(r.Context(), name, req)
	if err != nil {
		return queryError("match[]", err)
	}
	return respond(w, found.Items, warned(found.Warnings, found.Truncated))
}

func warned(warnings []string, cut bool) []string {
	if cut {
		return append(warnings, truncated)
	}
	return warnings
}

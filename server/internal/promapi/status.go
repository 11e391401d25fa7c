package promapi

import (
	"net/http"
	"runtime"

	"sonde.dev/sonde/internal/buildinfo"
	"sonde.dev/sonde/internal/metricname"
)

// prometheusVersion is that of the engine behind this API, by which Grafana
// decides what it may ask. The module's v0.313.0 is Prometheus 3.13.0.
const prometheusVersion = "3.13.0"

// buildInfo answers as a Prometheus. There must be no "features" and no
// "application": Grafana would take it for a Mimir.
func buildInfo(w http.ResponseWriter, _ *http.Request) error {
	return respond(w, struct {
		Version   string `json:"version"`
		Revision  string `json:"revision"`
		Branch    string `json:"branch"`
		BuildUser string `json:"buildUser"`
		BuildDate string `json:"buildDate"`
		GoVersion string `json:"goVersion"`
	}{
		Version:   prometheusVersion,
		Revision:  "sonde " + buildinfo.Version(),
		GoVersion: runtime.Version(),
	}, nil)
}

// metadata says what the metrics of agents are.
func metadata(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitParam(r)
	if err != nil {
		return err
	}
	type entry struct {
		Type string `json:"type"`
		Help string `json:"help"`
		Unit string `json:"unit"`
	}
	wanted := r.FormValue("metric")
	found := map[string][]entry{}
	for _, m := range metricname.All() {
		if limit > 0 && len(found) == limit {
			break
		}
		if wanted == "" || m.Name == wanted {
			found[m.Name] = []entry{{Type: string(m.Type), Help: m.Help, Unit: m.Unit}}
		}
	}
	return respond(w, found, nil)
}

// rules and alerts are what Grafana asks for on its alerting pages.
func rules(w http.ResponseWriter, _ *http.Request) error {
	return respond(w, map[string][]string{"groups": {}}, nil)
}

func alerts(w http.ResponseWriter, _ *http.Request) error {
	return respond(w, map[string][]string{"alerts": {}}, nil)
}

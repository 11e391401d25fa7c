package ingest

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	sessions   prometheus.Gauge
	ended      *prometheus.CounterVec
	batches    prometheus.Counter
	duplicates prometheus.Counter
	bytes      prometheus.Counter
	samples    prometheus.Counter
	refused    *prometheus.CounterVec
	unknown    prometheus.Counter
	updates    prometheus.Counter
	results    *prometheus.CounterVec
	rotated    prometheus.Counter
	clones     prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "sonde_server_ingest_" + name, Help: help})
	}
	return &metrics{
		sessions: f.NewGauge(prometheus.GaugeOpts{
			Name: "sonde_server_ingest_sessions", Help: "Open sessions of agents."}),
		ended: f.NewCounterVec(prometheus.CounterOpts{
			Name: "sonde_server_ingest_sessions_ended_total", Help: "Sessions that ended, by why."}, []string{"code"}),
		batches:    counter("batches_total", "Batches received from agents."),
		duplicates: counter("duplicate_batches_total", "Batches received that were durable already."),
		bytes:      counter("payload_bytes_total", "Bytes of the payloads of batches."),
		samples:    counter("samples_total", "Samples made durable."),
		refused: f.NewCounterVec(prometheus.CounterOpts{
			Name: "sonde_server_ingest_refused_samples_total", Help: "Samples that were not stored and never will be, by reason."}, []string{"reason"}),
		unknown: counter("unknown_messages_total", "Messages of a case that this server does not know."),
		rotated: counter("credentials_rotated_total", "New credentials that agents took."),
		clones:  counter("clones_refused_total", "Sessions that were refused because another process has the credential of the agent too."),
		updates: counter("config_updates_total", "Settings that agents were told."),
		results: f.NewCounterVec(prometheus.CounterOpts{
			Name: "sonde_server_ingest_config_results_total", Help: "Answers of agents to settings."}, []string{"result"}),
	}
}

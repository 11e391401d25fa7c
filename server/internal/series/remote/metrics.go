package remote

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sonde.dev/sonde/server/internal/series"
)

type metrics struct {
	stored   prometheus.Counter
	refused  map[series.Reason]prometheus.Counter
	requests *prometheus.CounterVec
	duration prometheus.Histogram

	unregister func()
}

func newMetrics(s *Store) *metrics {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sonde_server_store_refused_samples_total",
		Help: "Samples that the store would not take, by reason.",
	}, []string{"reason"})
	m := &metrics{
		stored: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sonde_server_store_samples_total",
			Help: "Samples acknowledged as durable, duplicates included.",
		}),
		refused: make(map[series.Reason]prometheus.Counter),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sonde_server_store_requests_total",
			Help: "Remote write requests, by what became of them.",
		}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:                            "sonde_server_store_request_duration_seconds",
			Help:                            "Time to the answer to a remote write request.",
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		unregister: func() {},
	}
	for _, reason := range series.Reasons() {
		m.refused[reason] = refused.WithLabelValues(reason.String())
	}
	if s.options.Registerer == nil {
		return m
	}
	all := prometheus.NewRegistry()
	all.MustRegister(m.stored, m.requests, m.duration, refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sonde_server_store_queue_samples",
			Help: "Samples that wait in the store or are being committed.",
		}, func() float64 { return float64(s.queue.Samples()) }))
	s.options.Registerer.MustRegister(all)
	m.unregister = func() { s.options.Registerer.Unregister(all) }
	return m
}

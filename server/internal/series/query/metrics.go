package query

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count every query once, by method and outcome.
type metrics struct {
	queries  *prometheus.CounterVec
	duration *prometheus.HistogramVec
	samples  prometheus.Counter
	shared   prometheus.Counter
	cut      prometheus.Counter
}

func newMetrics() *metrics {
	return &metrics{
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sonde_query_queries_total",
			Help: "Queries by method and outcome; the outcome is ok or the kind of the error.",
		}, []string{"method", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                        "sonde_query_duration_seconds",
			Help:                        "Time a query took, waiting for its turn included.",
			NativeHistogramBucketFactor: 1.1,
		}, []string{"method"}),
		samples: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sonde_query_samples_total",
			Help: "Samples that queries loaded.",
		}),
		shared: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sonde_query_shared_total",
			Help: "Evaluations that were not made because one of the same expression and time was shared.",
		}),
		cut: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sonde_query_truncated_total",
			Help: "Look-ups of series and labels whose answer was cut at its limit.",
		}),
	}
}

func (m *metrics) register(r prometheus.Registerer, g *gate) error {
	if r == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{
		m.queries, m.duration, m.samples, m.shared, m.cut,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sonde_query_running",
			Help: "Queries that run now.",
		}, func() float64 { return float64(len(g.running)) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sonde_query_waiting",
			Help: "Queries that wait for their turn now.",
		}, func() float64 { return float64(g.waiting.Load()) }),
	} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

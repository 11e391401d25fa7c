package rollup

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	registerer prometheus.Registerer
	registry   *prometheus.Registry
	duration   *prometheus.HistogramVec
	samples    *prometheus.CounterVec
	failures   prometheus.Counter
}

func newMetrics(t *Tiers, r prometheus.Registerer) (*metrics, error) {
	window := []string{"window"}
	m := &metrics{
		registerer: r,
		registry:   prometheus.NewRegistry(),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "sonde_server_rollup_duration_seconds",
			Help:                            "Time to roll samples up into one block.",
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}, window),
		samples: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sonde_server_rollup_samples_total",
			Help: "Samples written to blocks of rollups.",
		}, window),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sonde_server_rollup_failures_total",
			Help: "Times that samples could not be rolled up; it is tried again.",
		}),
	}
	m.registry.MustRegister(m.duration, m.samples, m.failures)
	for _, tier := range t.tiers {
		labels := prometheus.Labels{"window": tier.name}
		m.registry.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "sonde_server_rollup_bytes", Help: "Size of the blocks of a rollup.", ConstLabels: labels,
			}, func() float64 { return float64(tier.blocks.size()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "sonde_server_rollup_through_timestamp_seconds", Help: "Up to which time samples are rolled up, in seconds since 1970.", ConstLabels: labels,
			}, func() float64 { return float64(tier.blocks.end()) / 1000 }),
		)
	}
	if r == nil {
		return m, nil
	}
	return m, r.Register(m.registry)
}

func (m *metrics) unregister() {
	if m.registerer != nil {
		m.registerer.Unregister(m.registry)
	}
}

// of returns what notes a block of a tier.
func (m *metrics) of(t *tier) func(time.Duration, int) {
	return func(took time.Duration, samples int) {
		m.duration.WithLabelValues(t.name).Observe(took.Seconds())
		m.samples.WithLabelValues(t.name).Add(float64(samples))
	}
}

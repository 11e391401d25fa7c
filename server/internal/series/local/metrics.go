package local

import (
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"sonde.dev/sonde/server/internal/series"
)

type metrics struct {
	commit  prometheus.Histogram
	flush   prometheus.Histogram
	group   prometheus.Histogram
	stored  prometheus.Counter
	refused map[series.Reason]prometheus.Counter
	full    prometheus.Counter
	damaged prometheus.Gauge
}

func newMetrics(s *Store, r prometheus.Registerer) *metrics {
	native := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:                            name,
			Help:                            help,
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		})
	}
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sonde_server_store_refused_samples_total",
		Help: "Samples that the store would not take, by reason.",
	}, []string{"reason"})
	m := &metrics{
		commit: native("sonde_server_store_commit_duration_seconds",
			"Time to append and commit a group of writes, flushing aside."),
		flush: native("sonde_server_store_fsync_duration_seconds",
			"Time to flush the logs after a commit."),
		group: native("sonde_server_store_group_samples",
			"Samples committed as one group."),
		stored: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sonde_server_store_samples_total",
			Help: "Samples acknowledged as durable, duplicates included.",
		}),
		full: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sonde_server_store_full_samples_total",
			Help: "Samples turned away because the disk was too full; their senders keep them.",
		}),
		damaged: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sonde_server_store_damaged_files",
			Help: "Blocks and pieces of logs that were set aside as damaged when the store was opened.",
		}),
		refused: make(map[series.Reason]prometheus.Counter),
	}
	for _, reason := range series.Reasons() {
		m.refused[reason] = refused.WithLabelValues(reason.String())
	}
	r.MustRegister(m.commit, m.flush, m.group, m.stored, m.full, m.damaged, refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sonde_server_store_queue_samples",
			Help: "Samples that wait in the store or are being committed.",
		}, func() float64 { return float64(s.queue.Samples()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sonde_server_store_failed",
			Help: "1 when the store has failed and acknowledges nothing more.",
		}, func() float64 {
			if s.Err() != nil {
				return 1
			}
			return 0
		}))
	return m
}

// failures watches the counter of failed writes to the log of samples out of
// order, which the library has no other way to tell of. It is the Registerer
// that the library is opened with, and picks the counter out as it passes.
type failures struct {
	prometheus.Registerer
	counter prometheus.Collector
}

const failuresName = "prometheus_tsdb_out_of_order_wbl_writes_failed_total"

func (f *failures) Register(c prometheus.Collector) error {
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		c.Describe(descs)
	}()
	for d := range descs {
		if strings.Contains(d.String(), `"`+failuresName+`"`) {
			f.counter = c
		}
	}
	return f.Registerer.Register(c)
}

func (f *failures) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := f.Register(c); err != nil {
			panic(err)
		}
	}
}

// count returns how many writes have failed.
func (f *failures) count() (float64, error) {
	if f.counter == nil {
		return 0, errors.New("the TSDB has no counter " + failuresName)
	}
	ch := make(chan prometheus.Metric, 1)
	f.counter.Collect(ch)
	var m dto.Metric
	if err := (<-ch).Write(&m); err != nil {
		return 0, err
	}
	return m.GetCounter().GetValue(), nil
}

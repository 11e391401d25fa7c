package load

import (
	"fmt"
	"math/rand/v2"

	"sonde.dev/sonde/agent/internal/sample"
)

// Host makes up the values of one. All hosts of as many series make up the same.
type Host struct {
	values []float64
	random *rand.Rand
}

// NewHost returns a host whose values are all 0.
func NewHost(series int) *Host {
	return &Host{values: make([]float64, series), random: rand.New(rand.NewPCG(1, 2))}
}

// Series returns the metric of the series i and the value of its label "device".
func (h *Host) Series(i int) (metric, device string) {
	return [...]string{"load_seconds_total", "load_bytes_total", "load_bytes", "load_errors_total"}[i%4], fmt.Sprint("dev", i/4)
}

// Next moves every value on as its kind does: seconds in hundredths, bytes by
// packets, a gauge by pages, and errors hardly ever. What it returns is
// overwritten by the next call.
func (h *Host) Next() []float64 {
	for i := range h.values {
		switch i % 4 {
		case 0:
			h.values[i] = float64(int64(h.values[i]*100+0.5)+h.random.Int64N(100)) / 100
		case 1:
			h.values[i] += float64(h.random.IntN(100_000))
		case 2:
			h.values[i] = max(h.values[i]+4096*float64(h.random.IntN(201)-100), 0)
		case 3:
			if h.random.IntN(1000) == 0 {
				h.values[i]++
			}
		}
	}
	return h.values
}

func (h *Host) schema() *sample.Schema {
	list := make([]sample.Series, len(h.values))
	for i := range list {
		metric, device := h.Series(i)
		list[i] = sample.Series{Name: metric, Labels: []sample.Label{{Name: "device", Value: device}}, Kind: sample.Float}
	}
	return sample.NewSchema(list)
}

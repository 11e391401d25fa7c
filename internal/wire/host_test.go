package wire

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// host imitates the collectors and probes of one moderately busy machine, one
// tick a second. It is deterministic.
type host struct {
	r       *rand.Rand
	time    int64
	groups  []group
	samples int
}

// group is the series of one collector.
type group struct {
	schema        *Schema
	floats        []float64
	distributions []Histogram
	next          []func(v float64) float64
}

func newHost(t testing.TB) *host {
	h := &host{r: rand.New(rand.NewPCG(1, 2)), time: 1_700_000_000_000}
	steps := func(divide, mean float64) func(float64) float64 {
		// A counter of 1/divide units that grows by about mean of them a tick.
		return func(v float64) float64 {
			n := math.Round(v * divide)
			return (n + math.Round(h.r.ExpFloat64()*mean)) / divide
		}
	}
	constant := func(v float64) float64 { return v }
	rarely := func(chance float64) func(float64) float64 {
		return func(v float64) float64 {
			if h.r.Float64() < chance {
				return v + 1
			}
			return v
		}
	}
	gauge := func(unit, spread float64) func(float64) float64 {
		return func(v float64) float64 {
			return max(0, v+unit*math.Round(h.r.NormFloat64()*spread))
		}
	}

	var cpu, mem, load, vm, psi, disk, fs, net, snmp, proc, self []func(float64) float64
	for range 8 {
		idle := func(v float64) float64 { return (math.Round(v*100) + 85 + float64(h.r.IntN(15))) / 100 }
		cpu = append(cpu, steps(100, 5), rarely(0), steps(100, 2), idle, steps(100, .1), constant, steps(100, .2), constant)
	}
	cpu = append(cpu, steps(1, 1), rarely(.1), steps(1, 5), steps(1, 4000), steps(1, 2500), constant, func(float64) float64 {
		return float64(h.time) / 1000
	})
	for range 3 {
		load = append(load, func(v float64) float64 { return math.Round(v*100+h.r.NormFloat64()*.4) / 100 })
	}
	for i := range 48 {
		switch {
		case i%2 == 0:
			mem = append(mem, constant)
		default:
			mem = append(mem, gauge(1024, 50*float64(i%7)))
		}
	}
	vm = append(vm, steps(1, 900), rarely(.01), steps(1, 20), steps(1, 300), constant, constant, constant)
	for range 5 {
		psi = append(psi, steps(1e6, 800))
	}
	psi[1], psi[2] = constant, constant
	for range 2 {
		disk = append(disk, rarely(.2), constant, func(v float64) float64 { return v + 512*8*math.Round(h.r.ExpFloat64()*.4) },
			steps(1000, .3), steps(1, 6), steps(1, 2), func(v float64) float64 { return v + 512*8*math.Round(h.r.ExpFloat64()*20) },
			steps(1000, 5), rarely(0), steps(1000, 7), steps(1000, 9), constant, constant, constant, constant, steps(1, .4), steps(1000, .4))
	}
	for range 3 {
		fs = append(fs, constant, gauge(4096, 3), gauge(4096, 3), constant, gauge(1, .5), constant, constant)
	}
	for range 3 {
		net = append(net, steps(1, 30000), steps(1, 60), constant, rarely(.02), constant, constant, constant, rarely(.05),
			steps(1, 12000), steps(1, 50), constant, constant, constant, constant, constant, constant, constant, constant)
	}
	for i := range 36 {
		switch i % 4 {
		case 0:
			snmp = append(snmp, steps(1, 60))
		case 1:
			snmp = append(snmp, gauge(1, 1))
		default:
			snmp = append(snmp, rarely(.01))
		}
	}
	proc = append(proc, gauge(1, 1), gauge(1, 2), gauge(1, 1), constant, constant, constant)
	for i := range 24 {
		switch i % 3 {
		case 0, 1:
			self = append(self, func(v float64) float64 { return v + 1 })
		default:
			self = append(self, steps(1e9, 200_000))
		}
	}
	for i, next := range [][]func(float64) float64{cpu, load, mem, vm, psi, disk, fs, net, snmp, proc, self} {
		g := group{schema: newSchema(t, fmt.Sprint("collector", i), len(next), 0), next: next}
		for range next {
			g.floats = append(g.floats, float64(1024*h.r.IntN(1<<20)))
		}
		h.groups = append(h.groups, g)
	}
	// Six probes: ten distributions, and the counters of their outcomes.
	for p := range 6 {
		distributions := []int{1, 1, 5, 1, 1, 1}[p]
		g := group{schema: newSchema(t, fmt.Sprint("probe", p), 6, distributions)}
		g.next = append(g.next, func(v float64) float64 { return v + 1 }, rarely(.005), constant, constant, constant, constant)
		g.floats = make([]float64, 6)
		g.distributions = make([]Histogram, distributions)
		h.groups = append(h.groups, g)
	}
	for range 600 {
		h.tick()
	}
	for i := range h.groups {
		h.samples += len(h.groups[i].floats) + len(h.groups[i].distributions)
	}
	return h
}

// tick moves every series on by a second.
func (h *host) tick() {
	h.time += 1000
	for i := range h.groups {
		g := &h.groups[i]
		for c, next := range g.next {
			g.floats[c] = next(g.floats[c])
		}
		for c := range g.distributions {
			nanos := int64(1e6 * (1 + float64(i%3)) * math.Exp(h.r.NormFloat64()*.15))
			g.distributions[c].observe(float64(nanos) / 1e9)
		}
	}
}

// observe counts one observation in a copy of the buckets.
func (h *Histogram) observe(v float64) {
	index := int32(math.Ceil(math.Log2(v) * 16))
	shaped := *h
	shaped.Buckets = append([]uint64(nil), h.Buckets...)
	switch n := int32(len(h.Buckets)); {
	case n == 0:
		shaped.reshape(index, 1)
	case index < h.First:
		shaped.reshape(index, int(h.First-index+n))
	case index >= h.First+n:
		shaped.reshape(h.First, int(index-h.First+1))
	}
	shaped.Buckets[index-shaped.First]++
	shaped.Count++
	shaped.Sum += v
	*h = shaped
}

// batch runs ticks ticks and returns them as one batch. With distributions
// false it leaves the histograms out.
func (h *host) batch(ticks int) []Block {
	blocks := make([]Block, len(h.groups))
	for i := range blocks {
		s := h.groups[i].schema
		blocks[i] = Block{Schema: s, Times: make([]int64, ticks), Floats: make([]float64, ticks*s.floats), Distributions: make([]Histogram, ticks*s.distributions)}
	}
	for k := range ticks {
		h.tick()
		for i := range blocks {
			g := &h.groups[i]
			blocks[i].Times[k] = h.time
			for c, v := range g.floats {
				blocks[i].Floats[c*ticks+k] = v
			}
			for c := range g.distributions {
				blocks[i].Distributions[c*ticks+k] = g.distributions[c]
			}
		}
	}
	return blocks
}

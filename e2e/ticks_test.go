package e2e

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// TestChangesKeepEveryTick changes intervals, collectors and the submission
// interval of a live agent again and again, and then finds each tick in the store
// once that was due under the configuration in force at its time.
//
// The moment at which a change came into force is known to lie between the call
// and the agent's answer; within, the ticks must be those of one moment. What the
// agent says it began late or missed, as the machine was busy, is made up for.
// Package collect has the same test with a clock of its own, to the millisecond.
func TestChangesKeepEveryTick(t *testing.T) {
	s := startServer(t, t.TempDir())
	startAgent(t, s, t.TempDir())
	steer := newSteering(t, s)
	await(t, "samples", func() bool { return len(steer.points(t, cpuSeries)) > 0 && len(steer.points(t, loadSeries)) > 0 })

	cpu := &pace{steps: []step{{interval: 1000}}}
	load := &pace{steps: []step{{interval: 1000}}}
	var began time.Time
	random := rand.New(rand.NewPCG(1, 2))
	change := func(cpuMS, loadMS int64) {
		text := fmt.Sprintf("policies: [{name: all, settings: {submission_interval: %dms, collectors: {cpu: %s, load: %s}}}]",
			100*(1+random.IntN(8)), setting(cpuMS), setting(loadMS))
		from := time.Now()
		revision := steer.apply(t, text)
		steer.awaitState(t, sondev1.ConfigState_CONFIG_STATE_APPLIED, revision)
		to := time.Now()
		cpu.steps = append(cpu.steps, step{cpuMS, from.UnixMilli(), to.UnixMilli()})
		load.steps = append(load.steps, step{loadMS, from.UnixMilli(), to.UnixMilli()})
		if began.IsZero() {
			began = to
		}
	}
	for range 30 {
		// The first is never off: its ticks are what is waited for.
		change([]int64{100, 200, 300, 500, 1000}[random.IntN(5)], []int64{0, 100, 200, 700, 1000}[random.IntN(5)])
		later := time.Now().Add(time.Duration(random.IntN(300)) * time.Millisecond)
		await(t, "a tick after a change", func() bool {
			points := steer.points(t, cpuSeries)
			return points[len(points)-1].After(later)
		})
	}
	change(0, 0)
	end := time.Now()
	ticks := func(metric, collector string) int {
		samples := s.promQuery(t, fmt.Sprintf("%s{collector=%q}", metric, collector))
		if len(samples) != 1 {
			t.Fatalf("%d series of %s", len(samples), metric)
		}
		n, err := strconv.Atoi(samples[0].Value[1].(string))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	await(t, "what the agent has counted", func() bool {
		self := steer.points(t, "sonde_agent_samples_total")
		return self[len(self)-1].After(end)
	})
	for collector, p := range map[string]*pace{"cpu": cpu, "load": load} {
		series := map[string]string{"cpu": cpuSeries, "load": loadSeries}[collector]
		points := steer.points(t, series)
		if n := ticks("sonde_agent_ticks_total", collector); n != len(points) {
			t.Errorf("%s ran %d times, and %d ticks are stored", collector, n, len(points))
		}
		late, missed := ticks("sonde_agent_ticks_late_total", collector), ticks("sonde_agent_ticks_missed_total", collector)
		wrong := p.wrong(points, began.UnixMilli())
		t.Logf("%s: %d ticks over %d changes, %d late, %d missed", collector, len(points), len(p.steps)-1, late, missed)
		// A late tick is one that is not where it was due, and one where none was.
		if len(wrong) > 2*late+missed {
			t.Errorf("%s, of which %d ticks were late and %d missed: %v", collector, late, missed, wrong)
		}
	}
	for _, metric := range []string{"sonde_agent_samples_dropped_total", "sonde_agent_samples_refused_total", "sonde_agent_reconnects_total"} {
		for _, sample := range s.promQuery(t, metric) {
			if sample.Value[1] != "0" {
				t.Errorf("%s is %s", metric, sample.Value[1])
			}
		}
	}
}

func setting(ms int64) string {
	if ms == 0 {
		return "{enabled: false}"
	}
	return fmt.Sprintf("{interval: %dms}", ms)
}

// pace is at which intervals a collector ran, in milliseconds; 0 is off. Each
// came into force between from and to, in milliseconds since 1970.
type pace struct{ steps []step }

type step struct{ interval, from, to int64 }

// wrong returns the ticks that are missing or too many since a time, if each
// change came into force when that explains the most.
func (p *pace) wrong(points []time.Time, since int64) []string {
	stored := make([]int64, len(points))
	for i, at := range points {
		stored[i] = at.UnixMilli()
	}
	var all []string
	for i := 1; i < len(p.steps); i++ {
		former, now := p.steps[i-1], p.steps[i]
		if former.to >= since {
			all = append(all, differ(due(former.interval, former.to, now.from), within(stored, former.to, now.from))...)
		}
		if now.from < since {
			continue
		}
		var least []string
		for at := now.from; at <= now.to; at++ {
			want := append(due(former.interval, now.from, at), due(now.interval, at, now.to)...)
			if wrong := differ(want, within(stored, now.from, now.to)); at == now.from || len(wrong) < len(least) {
				least = wrong
			}
		}
		all = append(all, least...)
	}
	return all
}

// due returns the multiples of interval after from, up to to.
func due(interval, from, to int64) (list []int64) {
	if interval == 0 {
		return nil
	}
	for at := from/interval*interval + interval; at <= to; at += interval {
		list = append(list, at)
	}
	return list
}

func within(stored []int64, from, to int64) (list []int64) {
	for _, at := range stored {
		if at > from && at <= to {
			list = append(list, at)
		}
	}
	return list
}

// differ says what is in one of two rising lists and not in the other.
func differ(want, got []int64) (list []string) {
	for len(want)+len(got) > 0 {
		switch {
		case len(got) == 0 || len(want) > 0 && want[0] < got[0]:
			list, want = append(list, fmt.Sprintf("%d is missing", want[0])), want[1:]
		case len(want) == 0 || got[0] < want[0]:
			list, got = append(list, fmt.Sprintf("%d is too many", got[0])), got[1:]
		default:
			want, got = want[1:], got[1:]
		}
	}
	return list
}

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// startQuickAgent runs an agent that measures every 100 ms and writes every batch
// to disk at once.
func startQuickAgent(t *testing.T, s *sonde, stateDir string) *process {
	t.Helper()
	p := start(t, "sonde-agent",
		"--server", s.url, "--join-token-file", filepath.Join(s.dir, "join-token"), "--state-dir", stateDir,
		"--default-probes", "none", "--collectors", "load=100ms",
		"--submission-interval", "200ms", "--spool-flush-after", "0s")
	await(t, "the agent to begin", func() bool {
		select {
		case <-p.exited:
			t.Fatalf("the agent ended: %v", p.err)
		default:
		}
		return contains(p.log, "agent began")
	})
	return p
}

// measureFor lets an agent measure.
func measureFor(t *testing.T, d time.Duration) {
	t.Helper()
	begun := time.Now()
	await(t, "the agent to measure", func() bool { return time.Since(begun) >= d })
}

// life is what the server has of one process of an agent.
type life struct {
	first, last time.Time
	// counted is how many ticks the agent counted from first to last, stored how
	// many of them the server has.
	counted, stored int
}

func (l life) whole() bool { return l.stored >= l.counted-1 && l.stored <= l.counted+1 }

// point is one sample.
type point struct {
	at    time.Time
	value float64
}

func (s *sonde) points(t *testing.T, selector string) []point {
	t.Helper()
	result := s.promQuery(t, selector+"[10m]")
	if len(result) > 1 {
		t.Fatalf("%s is %d series", selector, len(result))
	}
	var list []point
	for _, r := range result {
		for _, v := range r.Values {
			value, err := strconv.ParseFloat(v[1].(string), 64)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, point{time.UnixMilli(int64(v[0].(float64)*1000 + 0.5)), value})
		}
	}
	return list
}

// lives compares what an agent counted with what is stored, process by process:
// a counter that goes back is a new process. A machine that is too busy to
// measure in time takes fewer ticks, but counts no more than it took.
func (s *sonde) lives(t *testing.T) []life {
	t.Helper()
	var lives []life
	var began float64
	counts := s.points(t, `sonde_agent_ticks_total{collector="load"}`)
	for i, c := range counts {
		if i == 0 || c.value < counts[i-1].value {
			lives = append(lives, life{first: c.at})
			began = c.value
		}
		l := &lives[len(lives)-1]
		l.last, l.counted = c.at, int(c.value-began)
	}
	for _, load := range s.points(t, `node_load1`) {
		for j := range lives {
			if l := &lives[j]; load.at.After(l.first) && !load.at.After(l.last) {
				l.stored++
			}
		}
	}
	return lives
}

// TestOutageLosesNothing takes the server away by SIGKILL while the agent
// measures on, is restarted by SIGTERM, and is killed as well. When the server is
// back it gets every tick that was ever taken, and live ones meanwhile.
func TestOutageLosesNothing(t *testing.T) {
	const phase = 2500 * time.Millisecond
	dir, state := t.TempDir(), t.TempDir()
	s := startServer(t, dir)
	a := startQuickAgent(t, s, state)
	await(t, "samples", func() bool { return len(s.points(t, `node_load1`)) > 5 })
	s.kill()
	measureFor(t, phase)
	terminated := time.Now()
	a.stop(t)

	a = startQuickAgent(t, s, state)
	measureFor(t, phase)
	killed := time.Now()
	a.kill()

	startQuickAgent(t, s, state)
	measureFor(t, phase)
	restarted := time.Now()
	s = startServer(t, dir)

	var lives []life
	await(t, "all that was measured", func() bool {
		lives = s.lives(t)
		if len(lives) != 3 || lives[2].last.Before(restarted) {
			return false
		}
		for _, l := range lives {
			if !l.whole() {
				return false
			}
		}
		// The backlog comes from the oldest to the newest, beside live samples.
		pending := s.promQuery(t, `sonde_agent_batches_pending`)
		return len(pending) == 1 && (pending[0].Value[1] == "0" || pending[0].Value[1] == "1")
	})
	for i, l := range lives {
		t.Logf("process %d: %d ticks counted, %d stored, over %v", i+1, l.counted, l.stored, l.last.Sub(l.first))
		if l.counted < 5 {
			t.Errorf("process %d counted %d ticks only", i+1, l.counted)
		}
	}
	var beforeTerm, beforeKill, before time.Time
	for _, p := range s.points(t, `node_load1`) {
		if !p.at.After(before) {
			t.Errorf("the sample at %v comes after that at %v", p.at, before)
		}
		before = p.at
		if p.at.Before(terminated) {
			beforeTerm = p.at
		}
		if p.at.Before(killed) {
			beforeKill = p.at
		}
	}
	if lost := terminated.Sub(beforeTerm); lost > time.Second {
		t.Errorf("the process that SIGTERM ended lost its last %v", lost)
	}
	if lost := killed.Sub(beforeKill); lost > time.Second {
		t.Errorf("the process that was killed lost its last %v", lost)
	}
	if dropped := s.promQuery(t, `sum(sonde_agent_samples_dropped_total) + sum(sonde_agent_samples_refused_total) > 0`); len(dropped) > 0 {
		t.Errorf("dropped or refused: %+v", dropped)
	}
}

// TestSpoolOnFullDisk fills the disk of an agent's spool: the agent says so, goes
// on in memory over an outage of the server, and recovers by itself.
func TestSpoolOnFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	state := t.TempDir()
	if err := syscall.Mount("tmpfs", state, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(state, syscall.MNT_DETACH) })
	dir := t.TempDir()
	s := startServer(t, dir)
	a := startQuickAgent(t, s, state)
	await(t, "samples", func() bool { return len(s.points(t, `node_load1`)) > 0 })

	filler, err := os.Create(filepath.Join(state, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	fill := func() {
		for size := 64 << 10; size > 0; size /= 2 {
			for {
				if _, err := filler.Write(bytes.Repeat([]byte{1}, size)); err != nil {
					break
				}
			}
		}
	}
	await(t, "the agent to notice", func() bool {
		fill() // what is acknowledged makes room again
		return contains(a.log, "because its disk takes no writes")
	})
	await(t, "the metric", func() bool {
		return len(s.promQuery(t, `max_over_time(sonde_agent_spool_degraded[5m]) == 1`)) > 0
	})
	s.kill()
	measureFor(t, time.Second)
	restarted := time.Now()
	s = startServer(t, dir)
	await(t, "what was in memory", func() bool {
		lives := s.lives(t)
		return len(lives) == 1 && lives[0].last.After(restarted) && lives[0].whole()
	})
	if err := filler.Truncate(0); err != nil {
		t.Fatal(err)
	}
	await(t, "the agent to recover", func() bool { return contains(a.log, "takes writes again") })
	await(t, "the metric", func() bool { return len(s.promQuery(t, `sonde_agent_spool_degraded == 0`)) > 0 })
	a.stop(t)
}

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"sonde.dev/sonde/agent/witness"
)

// soakAgents is how many witnesses a soak has.
const soakAgents = 2

// TestSoak breaks everything at random for a while: it kills, ends and suspends
// the server and the agents, cuts links and has them swallow what the server
// says, several at a time. Then it counts.
//
// SOAK says for how long, SOAK_SEED begins the same sequence of faults again.
// Taken is what an agent's ledger calls kept: agents run as with
// --spool-flush-after=0s, so that it is on disk when they note it. A sample that
// was on its way there when its agent was killed counts on neither side.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("takes its time")
	}
	duration, seed := 15*time.Second, rand.Uint64()
	var err error
	if text := os.Getenv("SOAK"); text != "" {
		if duration, err = time.ParseDuration(text); err != nil || duration > 6*time.Hour {
			t.Fatalf("SOAK: %q is no duration of up to 6h", text)
		}
	}
	if text := os.Getenv("SOAK_SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("SOAK_SEED: %q is no number", text)
		}
	}
	fmt.Printf("soak of %v with SOAK_SEED=%d\n", duration, seed)
	s := newSoak(t, rand.New(rand.NewPCG(seed, 0)))
	for end := time.Now().Add(duration); time.Now().Before(end); {
		measureFor(t, time.Duration(s.random.Int64N(int64(500*time.Millisecond))))
		s.fault(t)
	}
	s.heal()
	var all witness.Count
	for i, p := range s.agents {
		p.stop(t)
		all = all.Add(settle(t, s.server, s.configs[i], func(witness.Tick) bool { return false }))
	}
	fmt.Printf("faults: %v\n", s.faults)
	fmt.Printf("%d more samples were being written when their agent was killed, %d of them are stored\n", all.Doubtful, all.DoubtfulStored)
	fmt.Println(all)
	if !all.Whole() {
		t.Errorf("%+v", all)
	}
}

// soak is what one breaks. One goroutine uses it.
type soak struct {
	random  *rand.Rand
	server  *sonde
	configs [soakAgents]witness.Config
	agents  [soakAgents]*process
	links   [soakAgents]*link
	// healing undoes the faults that last, by what they are.
	healing map[string]func()
	faults  map[string]int
}

func newSoak(t *testing.T, random *rand.Rand) *soak {
	t.Helper()
	s := &soak{random: random, server: startServer(t, t.TempDir()), healing: make(map[string]func()), faults: make(map[string]int)}
	for i := range s.agents {
		s.links[i] = newLink(t, s.server.url)
		s.configs[i] = newWitness(t, s.server, fmt.Sprint("agent-", i), s.links[i].url)
		s.agents[i] = startWitness(t, s.configs[i])
	}
	return s
}

// fault makes one fault, or ends one that lasts.
func (s *soak) fault(t *testing.T) {
	t.Helper()
	i := s.random.IntN(soakAgents)
	way := s.links[i]
	switch s.random.IntN(12) {
	case 0, 1:
		s.faults["server killed"]++
		s.server.kill()
		s.restart(t)
	case 2:
		s.faults["server ended"]++
		s.resume("server suspended")
		s.server.stop(t)
		s.restart(t)
	case 3, 4:
		s.faults["agent killed"]++
		s.agents[i].kill()
		delete(s.healing, fmt.Sprint("agent suspended ", i))
		s.agents[i] = startWitness(t, s.configs[i])
	case 5:
		s.faults["agent ended"]++
		s.resume(fmt.Sprint("agent suspended ", i))
		s.agents[i].stop(t)
		s.agents[i] = startWitness(t, s.configs[i])
	case 6:
		s.lasting("server suspended", "", suspend(s.server.process))
	case 7:
		s.lasting("agent suspended", fmt.Sprint(" ", i), suspend(s.agents[i]))
	case 8, 9:
		s.lasting("link cut", fmt.Sprint(" ", i), func() func() { way.cut(); return way.mend })
	case 10:
		s.lasting("link mute", fmt.Sprint(" ", i), func() func() {
			way.mute.Store(true)
			return func() { way.mute.Store(false) }
		})
	case 11:
		s.heal()
	}
}

// restart starts the server that has ended.
func (s *soak) restart(t *testing.T) {
	t.Helper()
	delete(s.healing, "server suspended")
	s.server = startServer(t, s.server.dir)
}

// lasting begins a fault that begin returns the end of, or ends it.
func (s *soak) lasting(what, where string, begin func() (end func())) {
	if s.resume(what + where) {
		return
	}
	s.faults[what]++
	s.healing[what+where] = begin()
}

// resume ends a fault; it reports whether there was one.
func (s *soak) resume(fault string) bool {
	end, ok := s.healing[fault]
	if ok {
		end()
		delete(s.healing, fault)
	}
	return ok
}

func (s *soak) heal() {
	for _, end := range s.healing {
		end()
	}
	clear(s.healing)
}

// suspend stops a process until its end is called.
func suspend(p *process) func() func() {
	return func() func() {
		_ = p.cmd.Process.Signal(syscall.SIGSTOP)
		return func() { _ = p.cmd.Process.Signal(syscall.SIGCONT) }
	}
}

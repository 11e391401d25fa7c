package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// TestClusterFaults breaks one part after the other of a cluster that is at work:
// three servers, PostgreSQL, a store and 51 agents. After each fault every sample
// is stored once, a change of the configuration reaches every agent, and every
// server shows what comes.
func TestClusterFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("takes its time")
	}
	c := newCluster(t)
	for _, fault := range []struct {
		name string
		run  func(*cluster, *testing.T)
	}{
		{"database restarted", (*cluster).databaseRestarted},
		{"database crashed", (*cluster).databaseCrashed},
		{"store killed", (*cluster).storeKilled},
		{"server cut off from the database", (*cluster).serverCutOff},
		{"server cut off for long", (*cluster).serverCutOffForLong},
		{"server killed", (*cluster).serverKilled},
		{"server suspended", (*cluster).serverSuspended},
		{"servers restarted in turn", (*cluster).serversRestarted},
		{"credential given by each server", (*cluster).credentialRotated},
		{"batch sent to two servers", (*cluster).batchTwice},
	} {
		if !t.Run(fault.name, func(t *testing.T) { fault.run(c, t) }) {
			return
		}
	}
	c.finish(t)
}

func (c *cluster) databaseRestarted(t *testing.T) { c.withoutDatabase(t, c.postgres.Stop) }
func (c *cluster) databaseCrashed(t *testing.T)   { c.withoutDatabase(t, c.postgres.Abort) }

// withoutDatabase ends PostgreSQL and starts it again. No agent loses its session
// over it.
func (c *cluster) withoutDatabase(t *testing.T, end func(testing.TB)) {
	before := c.ended(t, "")
	end(t)
	c.awaitTaken(t, 4)
	c.wantWhole(t, t.Name()+", without it", c.store)
	for _, s := range c.servers {
		_, err := newSteering(t, s).config.ApplyConfig(t.Context(), c.newConfig(0, nil))
		if connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("a change gives %v", err)
		}
	}
	c.postgres.Start(t)
	c.wantChange(t, c.servers[0])
	if after := c.ended(t, ""); after != before {
		t.Errorf("%d sessions ended", after-before)
	}
	c.wantAllWell(t)
}

// wantChange makes a change on a server and waits until every agent has it in
// force and every server knows.
func (c *cluster) wantChange(t *testing.T, s *sonde) {
	t.Helper()
	c.awaitApplied(t, c.change(t, s, nil), clusterAgents, c.servers[:]...)
}

// wantAllWell wants nothing to be left of a fault.
func (c *cluster) wantAllWell(t *testing.T) {
	t.Helper()
	c.awaitUp(t, c.servers[:]...)
	c.wantLive(t)
	c.wantWhole(t, t.Name(), c.servers[1].url)
}

// storeKilled has the store away for so long that servers send agents away, and
// starts it anew over its data.
func (c *cluster) storeKilled(t *testing.T) {
	before, told := c.ended(t, `code="unavailable"`), len(c.logged("the server cannot store samples now"))
	c.killStore()
	eventually(t, "agents to be sent away", func() bool { return c.ended(t, `code="unavailable"`) >= before+clusterAgents })
	c.awaitTaken(t, 6)
	if n := len(c.logged("the server cannot store samples now")) - told; n < clusterWitnesses {
		t.Errorf("%d agents were told why", n)
	}
	for _, w := range c.witnesses {
		if spooled(t, w.StateDir) == 0 {
			t.Errorf("%s has nothing on its disk", w.Name)
		}
	}
	c.startStore()
	c.awaitSessions(t, c.servers[:]...)
	c.wantChange(t, c.servers[1])
	c.wantAllWell(t)
}

// logged are the lines that the witnesses logged with a text in them.
func (c *cluster) logged(text string) (found []string) {
	for _, a := range c.agents {
		for line := range strings.Lines(a.log.String()) {
			if strings.Contains(line, text) {
				found = append(found, line)
			}
		}
	}
	return found
}

// spooled is how many bytes of samples an agent has on its disk.
func spooled(t *testing.T, stateDir string) (size int64) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(stateDir, "spool"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil { // else it has just gone
			size += info.Size()
		}
	}
	return size
}

// serverKilled kills the server that moves rollouts, and starts it again.
func (c *cluster) serverKilled(t *testing.T) {
	i := c.leader(t)
	c.servers[i].kill()
	others := c.others(i)
	c.awaitSessions(t, others...)
	c.awaitApplied(t, c.change(t, others[0], &sondev1.RolloutPlan{StepsPercent: []uint32{20, 100}, WatchSeconds: 1}), clusterAgents, others...)
	c.wantWhole(t, t.Name()+", without it", others[0].url)
	c.restart(i)
	c.awaitUp(t, c.servers[i])
	c.wantChange(t, c.servers[i])
	c.wantAllWell(t)
}

// serverCutOff lets get lost what goes between a server and the database, until
// another server moves rollouts. Connections live through it.
func (c *cluster) serverCutOff(t *testing.T) {
	i := c.leader(t)
	c.cutOff(t, i, func() bool { return c.leader(t) != i })
}

// serverCutOffForLong is serverCutOff until the server gives its connections up.
func (c *cluster) serverCutOffForLong(t *testing.T) {
	i := c.leader(t)
	const deaf = "the database does not say what other servers change"
	before := strings.Count(c.servers[i].log.String(), deaf)
	c.cutOff(t, i, func() bool { return c.leader(t) != i && strings.Count(c.servers[i].log.String(), deaf) > before })
}

// cutOff cuts a server off from the database until done. It keeps its agents, and
// stores what they send.
func (c *cluster) cutOff(t *testing.T, i int, done func() bool) {
	if c.island == nil {
		t.Skipf("needs root, ip and nsenter, to make a network: %v", c.alone)
	}
	off, others := c.servers[i], c.others(i)
	has, ended := off.sessions(t), c.ended(t, "")
	if has == 0 {
		t.Fatal("the server has no agents")
	}
	if err := c.island.cables[i].cut(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the others to go on without the server", done)
	for _, s := range others {
		eventually(t, "the agents of the server to be away", func() bool { return s.up(t) == clusterAgents-has })
	}
	c.wantWhole(t, t.Name()+", without it", c.store)
	revision := c.change(t, others[0], &sondev1.RolloutPlan{StepsPercent: []uint32{50, 100}, WatchSeconds: 1})
	c.awaitApplied(t, revision, clusterAgents-has, others...)
	if err := c.island.cables[i].mend(); err != nil {
		t.Fatal(err)
	}
	c.awaitApplied(t, revision, clusterAgents, c.servers[:]...)
	eventually(t, "the database to give up the connections that the server has given up", func() bool {
		return c.postgres.Count(t, c.databaseOf(clusterServers), c.island.cables[i].orphans(t)) == 0
	})
	if n := off.sessions(t); n != has {
		t.Errorf("the server has %d agents, %d before", n, has)
	}
	if n := c.ended(t, ""); n != ended {
		t.Errorf("%d sessions ended", n-ended)
	}
	c.wantChange(t, off)
	c.wantAllWell(t)
}

// serverSuspended stops the server with the most agents until these are on the
// others, and lets it go on with sessions that are no longer its own.
func (c *cluster) serverSuspended(t *testing.T) {
	i := 0
	for k, s := range c.servers {
		if s.sessions(t) > c.servers[i].sessions(t) {
			i = k
		}
	}
	off, others := c.servers[i], c.others(i)
	resume := suspend(off.process)()
	defer resume()
	c.awaitSessions(t, others...)
	revision := c.change(t, others[0], nil)
	c.awaitApplied(t, revision, clusterAgents, others...)
	resume()
	eventually(t, "the server to give its sessions up", func() bool { return off.sessions(t) == 0 })
	c.awaitSessions(t, others...)
	c.awaitApplied(t, revision, clusterAgents, c.servers[:]...)
	c.wantChange(t, off)
	c.wantAllWell(t)
}

// serversRestarted ends one server after the other and starts it again. Each agent
// is taken in by the first server that it asks.
func (c *cluster) serversRestarted(t *testing.T) {
	const second = "failures=2"
	before := c.logged(second)
	for i := range c.servers {
		c.servers[i].stop(t)
		c.awaitSessions(t, c.others(i)...)
		c.restart(i)
		// A session is counted before its agent is welcome; then it delivers.
		c.wantWhole(t, fmt.Sprintf("%s, %d of them", t.Name(), i+1), c.store)
	}
	for _, line := range c.logged(second) {
		if !slices.Contains(before, line) {
			t.Errorf("an agent was turned away: %s", line)
		}
	}
	c.wantChange(t, c.servers[2])
	c.wantAllWell(t)
}

// credentialRotated asks each server for a new credential of an agent, which has
// its session with one of them.
func (c *cluster) credentialRotated(t *testing.T) {
	times := func() (n int) {
		for _, s := range c.servers {
			n += strings.Count(s.log.String(), "the agent has a new credential")
		}
		return n
	}
	before := times()
	for i, s := range c.servers {
		var nothing struct{}
		s.call(t, "FleetService/RotateCredential", fmt.Sprintf(`{"id":%q}`, c.agent), &nothing)
		eventually(t, "the agent to have it", func() bool { return times() == before+i+1 })
	}
	c.awaitUp(t, c.servers[:]...)
}

// batchTwice sends a batch to one server after the other, which know nothing of
// each other's acknowledgements: a sample twice is the same sample.
func (c *cluster) batchTwice(t *testing.T) {
	w := newWriter(t, c.servers[0], "twice")
	for _, s := range c.servers {
		if err := w.once(t.Context(), s.url, 1); err != nil {
			t.Fatal(err)
		}
	}
	found := c.servers[0].promQuery(t, `count_over_time(counted_total{agent="`+w.id+`"}[2h])`)
	if len(found) != writerSeries {
		t.Errorf("%d series, want %d", len(found), writerSeries)
	}
	for _, series := range found {
		if series.Value[1] != "1" {
			t.Errorf("%v has %v samples, want 1", series.Metric, series.Value[1])
		}
	}
	for _, s := range c.servers {
		if n := s.metric(t, "sonde_server_ingest_refused_samples_total", ""); n > 0 {
			t.Errorf("%s has refused %v samples", s.url, n)
		}
	}
}

// finish ends the agents, lets them send what they still have, and counts.
func (c *cluster) finish(t *testing.T) {
	for _, a := range c.agents {
		a.stop(t)
	}
	for i := range c.witnesses {
		c.witnesses[i].Past.Only = true
	}
	startWitness(t, c.witnesses...)
	c.wantWhole(t, fmt.Sprintf("%d agents", clusterWitnesses), c.servers[0].url)
}

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	"sonde.dev/sonde/agent/witness"
	"sonde.dev/sonde/internal/postgrestest"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

const (
	clusterServers = 3
	// clusterWitnesses run in clusterProcesses; with one agent that measures this
	// machine they are clusterAgents.
	clusterWitnesses = 50
	clusterProcesses = 5
	clusterAgents    = clusterWitnesses + 1
	// witnessPace is how often each takes a tick: the store has to keep up with
	// all of them on a small machine.
	witnessPace = 500 * time.Millisecond
)

// cluster is servers over one database and one store, and the agents that know
// all of them.
type cluster struct {
	t        *testing.T // whose end is that of all processes
	postgres *postgrestest.Cluster
	database string // as the test reaches it
	// island has the database, with a cable for each server; nil: alone says why.
	island *island
	alone  error

	store     string // URL
	storeDir  string
	killStore func()

	servers   [clusterServers]*sonde
	flags     [clusterServers][]string
	witnesses []witness.Config
	agents    []*process // the witnesses'
	agent     string     // the id of the one that measures this machine
	changes   int
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, storeDir: t.TempDir()}
	if c.island, c.alone = newIsland(t, clusterServers+1); c.alone == nil {
		c.postgres = postgrestest.StartAt(t, c.island.place())
	} else {
		c.postgres = postgrestest.Start(t)
	}
	c.database = c.postgres.Database(t)
	address := freeAddress(t)
	c.store = "http://" + address
	c.startStore()
	for i := range c.servers {
		dir := t.TempDir()
		if i > 0 {
			// They have the secrets of the first.
			for _, name := range []string{"join-token", "admin-token"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(c.servers[0].secret(t, name)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		file := filepath.Join(dir, "database")
		if err := os.WriteFile(file, []byte(c.databaseOf(i)), 0o600); err != nil {
			t.Fatal(err)
		}
		c.flags[i] = []string{"--database-file", file, "--metrics-write", c.store + "/api/v1/write", "--metrics-read", c.store}
		c.servers[i] = startServer(t, dir, c.flags[i]...)
	}
	c.startAgents()
	return c
}

// freeAddress is one on loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// databaseOf is the URL of the database for a server.
func (c *cluster) databaseOf(i int) string {
	if c.island == nil {
		return c.database
	}
	u, err := url.Parse(c.database)
	if err != nil {
		c.t.Fatal(err)
	}
	u.Host = net.JoinHostPort(c.island.cables[i].address.String(), u.Port())
	return u.String()
}

func (c *cluster) startStore() {
	c.killStore = startPrometheus(c.t, c.storeDir, strings.TrimPrefix(c.store, "http://"))
}

// startAgents runs the agents until all of them have a session.
func (c *cluster) startAgents() {
	c.t.Helper()
	var urls []string
	for _, s := range c.servers {
		urls = append(urls, s.url)
	}
	all := strings.Join(urls, ",")
	for i := range clusterWitnesses {
		w := newWitness(c.t, c.servers[0], fmt.Sprintf("witness-%02d", i), all)
		w.Interval = witnessPace
		c.witnesses = append(c.witnesses, w)
	}
	for configs := range slices.Chunk(c.witnesses, clusterWitnesses/clusterProcesses) {
		c.agents = append(c.agents, startWitness(c.t, configs...))
	}
	start(c.t, "sonde-agent", "--server", all, "--join-token-file", filepath.Join(c.servers[0].dir, "join-token"),
		"--state-dir", c.t.TempDir(), "--default-probes", "disk,sched")
	c.awaitSessions(c.t, c.servers[:]...)
	for _, a := range c.servers[0].agents(c.t).Agents {
		if !strings.HasPrefix(a.Name, "witness-") {
			c.agent = a.ID
		}
	}
}

// restart starts a server that has ended.
func (c *cluster) restart(i int) {
	c.t.Helper()
	c.servers[i] = startServer(c.t, c.servers[i].dir, c.flags[i]...)
}

// eventually is await for what takes all of a cluster its time.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	awaitWithin(t, 2*time.Minute, 100*time.Millisecond, what, done)
}

// sessions is how many agents a server has.
func (s *sonde) sessions(t *testing.T) int {
	return int(s.metric(t, "sonde_server_ingest_sessions", ""))
}

// ended is how many sessions servers have ended.
func (c *cluster) ended(t *testing.T, labels string) (n int) {
	t.Helper()
	for _, s := range c.servers {
		n += int(s.metric(t, "sonde_server_ingest_sessions_ended_total", labels))
	}
	return n
}

// awaitSessions waits until servers have all agents.
func (c *cluster) awaitSessions(t *testing.T, servers ...*sonde) {
	t.Helper()
	eventually(t, "all agents", func() bool {
		n := 0
		for _, s := range servers {
			n += s.sessions(t)
		}
		return n == clusterAgents
	})
}

// awaitUp waits until servers show all agents as connected.
func (c *cluster) awaitUp(t *testing.T, servers ...*sonde) {
	t.Helper()
	for _, s := range servers {
		eventually(t, s.url+" to show all agents as up", func() bool { return s.up(t) == clusterAgents })
	}
}

func (s *sonde) up(t *testing.T) (n int) {
	t.Helper()
	for _, a := range s.agents(t).Agents {
		if a.Status.State == "AGENT_STATE_UP" {
			n++
		}
	}
	return n
}

// change makes a revision on a server that is new to every agent, with a plan or
// for all at once.
func (c *cluster) change(t *testing.T, s *sonde, plan *sondev1.RolloutPlan) uint64 {
	t.Helper()
	steer := newSteering(t, s)
	res, err := steer.config.ApplyConfig(t.Context(), c.newConfig(steer.newest(t), plan))
	if err != nil {
		t.Fatal(err)
	}
	return res.Revision.Number
}

func (c *cluster) newConfig(base uint64, plan *sondev1.RolloutPlan) *sondev1.ApplyConfigRequest {
	c.changes++
	interval := uint32(2000 + c.changes)
	return &sondev1.ApplyConfigRequest{
		BaseRevision: base, Plan: plan,
		Config: &sondev1.FleetConfig{Policies: []*sondev1.Policy{{Name: "all", Settings: &sondev1.Settings{
			Collectors: map[string]*sondev1.CollectorSettings{"processes": {IntervalMs: &interval}},
		}}}},
	}
}

// awaitApplied waits until servers know that agents have a revision in force:
// all, or so many.
func (c *cluster) awaitApplied(t *testing.T, revision uint64, n int, servers ...*sonde) {
	t.Helper()
	for _, s := range servers {
		steer := newSteering(t, s)
		eventually(t, fmt.Sprintf("revision %d at %d agents, as %s sees it", revision, n, s.url), func() bool {
			res, err := steer.config.ListAgentConfigs(t.Context(), &sondev1.ListAgentConfigsRequest{})
			if err != nil {
				t.Fatal(err)
			}
			applied := 0
			for _, a := range res.Configs {
				if a.Revision == revision && a.State == sondev1.ConfigState_CONFIG_STATE_APPLIED {
					applied++
				}
			}
			return applied >= n
		})
	}
}

// wantWhole waits until all that the witnesses have taken is stored, and counts
// it. base is a server, or the store.
func (c *cluster) wantWhole(t *testing.T, fault, base string) {
	t.Helper()
	var all witness.Count
	for _, w := range c.witnesses {
		taken := ledger(t, w)
		var count witness.Count
		// Not whole after the deadline is for the count to show.
		for end := time.Now().Add(time.Minute); ; {
			stored, err := w.Stored(t.Context(), base, c.servers[0].dir)
			if err != nil {
				t.Fatal(err)
			}
			newest := taken.Ticks[len(taken.Ticks)-1].At
			for i := range stored {
				stored[i] = slices.DeleteFunc(stored[i], func(s witness.Sample) bool { return s.At > newest })
			}
			if count = taken.Count(stored); count.Whole() || time.Now().After(end) {
				break
			}
			measureFor(t, 100*time.Millisecond)
		}
		if !count.Whole() {
			t.Errorf("%s: %+v", w.Name, count)
		}
		all = all.Add(count)
	}
	fmt.Printf("%s: %v\n", fault, all)
}

// awaitTaken waits until every witness has taken n more ticks.
func (c *cluster) awaitTaken(t *testing.T, n int) {
	t.Helper()
	var before [clusterWitnesses]int
	for i, w := range c.witnesses {
		before[i] = len(ledger(t, w).Ticks)
	}
	for i, w := range c.witnesses {
		eventually(t, "ticks", func() bool { return len(ledger(t, w).Ticks) >= before[i]+n })
	}
}

// wantLive wants every server to show the steps of the agent that measures this
// machine as they come, whoever has its session.
func (c *cluster) wantLive(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var watching errgroup.Group
	for _, s := range c.servers {
		watching.Go(func() error { return s.watch(ctx, c.agent) })
	}
	if err := watching.Wait(); err != nil {
		t.Errorf("live view: %v", err)
	}
}

// watch follows an agent for three steps that have a value.
func (s *sonde) watch(ctx context.Context, agent string) error {
	token, err := os.ReadFile(filepath.Join(s.dir, "admin-token"))
	if err != nil {
		return err
	}
	ctx, call := connect.NewClientContext(ctx)
	call.RequestHeader().Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	stream, err := sondev1connect.NewQueryServiceClient(h2c(), s.url, connect.WithGRPC()).Watch(ctx, &sondev1.WatchRequest{
		Exprs: []string{fmt.Sprintf("node_load1{agent=%q}", agent)}, StepMs: 1000, FollowAgent: agent,
	})
	if err != nil {
		return err
	}
	defer stream.Close()
	for shown := 0; shown < 3; {
		if !stream.Receive() {
			return fmt.Errorf("%s showed %d steps: %w", s.url, shown, stream.Err())
		}
		if len(stream.Msg().Results[0].Values) == 1 {
			shown++
		}
	}
	return nil
}

// leader is the server that moves rollouts, as it said itself.
func (c *cluster) leader(t *testing.T) (leader int) {
	t.Helper()
	var latest time.Time
	for i, s := range c.servers {
		for line := range strings.Lines(s.log.String()) {
			var entry struct {
				Time time.Time
				Msg  string
			}
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "this server moves rollouts now" && entry.Time.After(latest) {
				leader, latest = i, entry.Time
			}
		}
	}
	if latest.IsZero() {
		t.Fatal("no server moves rollouts")
	}
	return leader
}

// others are all servers but one.
func (c *cluster) others(i int) []*sonde {
	return slices.Delete(slices.Clone(c.servers[:]), i, i+1)
}

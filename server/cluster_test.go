package server

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"sonde.dev/sonde/internal/postgrestest"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
	"sonde.dev/sonde/server/internal/fleet"
)

// member is one of the servers that share a database.
type member struct {
	*Server
	dir   string
	fleet *fleet.Service
	http  *http.Client
	stop  func()
}

func join(t *testing.T, database string) *member {
	t.Helper()
	m := &member{dir: t.TempDir()}
	var err error
	m.Server, err = New(t.Context(), Config{
		DataDir: m.dir, Database: database, Listen: "127.0.0.1:0", TLS: TLSAuto, Retention: 24 * time.Hour, MaxSeries: 1000,
		QueryTimeout: 10 * time.Second, QuerySamples: 1e6, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Out: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	m.fleet = fleet.NewService(m.control, m.live, m.steering, time.Now)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	m.http = &http.Client{Transport: transport}
	m.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	t.Cleanup(m.stop)
	return m
}

func (m *member) client() sondev1connect.AgentServiceClient {
	return sondev1connect.NewAgentServiceClient(m.http, m.URL(), connect.WithGRPC())
}

// host is an agent that applies whatever it is told.
type host struct {
	id, credential string
}

func enroll(t *testing.T, m *member, joinToken, name string) *host {
	t.Helper()
	res, err := m.client().Enroll(t.Context(), &sondev1.EnrollRequest{
		JoinToken: joinToken, Host: &sondev1.HostFacts{Hostname: name},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &host{res.AgentId, res.Credential}
}

// connection is an open session of a host.
type connection struct {
	told  chan uint64 // the hashes of settings
	given chan string // credentials
	ended chan error
	close func()
}

func (h *host) connect(t *testing.T, m *member) *connection {
	t.Helper()
	boot := make([]byte, 16)
	rand.Read(boot)
	c, err := h.open(t, m, boot)
	if err != nil {
		t.Fatalf("no welcome: %v", err)
	}
	return c
}

// open connects as the process of a boot. The error is the server's.
func (h *host) open(t *testing.T, m *member, boot []byte) (*connection, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	callCtx, call := connect.NewClientContext(ctx)
	call.RequestHeader().Set("Authorization", "Bearer "+h.credential)
	stream, err := m.client().Connect(callCtx)
	if err != nil {
		t.Fatal(err)
	}
	hello := &sondev1.Hello{AgentId: h.id, BootId: boot, SubmissionIntervalMs: 1000, Host: &sondev1.HostFacts{Hostname: "h"},
		Features: []string{"credential-update"}}
	if err := stream.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Hello{Hello: hello}}); err != nil {
		t.Fatal(err)
	}
	c := &connection{told: make(chan uint64, 100), given: make(chan string, 1), ended: make(chan error, 1)}
	welcome := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() { c.ended <- serve(stream, c, welcome) })
	c.close = sync.OnceFunc(func() {
		cancel()
		done.Wait()
	})
	t.Cleanup(c.close)
	select {
	case <-welcome:
	case err := <-c.ended:
		return nil, err
	case <-time.After(patience):
		t.Fatal("no welcome")
	}
	return c, nil
}

// serve answers a server until the stream ends.
func serve(stream *connect.BidiStreamForClientSimple[sondev1.ConnectRequest, sondev1.ConnectResponse], c *connection, welcome chan<- struct{}) error {
	for {
		res, err := stream.Receive()
		if err != nil {
			return err
		}
		answer := new(sondev1.ConnectRequest)
		switch m := res.Message.(type) {
		case *sondev1.ConnectResponse_Welcome:
			close(welcome)
			continue
		case *sondev1.ConnectResponse_Ping:
			answer.Message = &sondev1.ConnectRequest_Pong{Pong: &sondev1.Pong{Id: m.Ping.Id, UnixNanos: uint64(time.Now().UnixNano())}}
		case *sondev1.ConnectResponse_ConfigUpdate:
			c.told <- m.ConfigUpdate.Hash
			answer.Message = &sondev1.ConnectRequest_ConfigResult{ConfigResult: &sondev1.ConfigResult{Hash: m.ConfigUpdate.Hash, SubmissionIntervalMs: 1000}}
		case *sondev1.ConnectResponse_CredentialUpdate:
			c.given <- m.CredentialUpdate.Credential
			answer.Message = &sondev1.ConnectRequest_CredentialResult{CredentialResult: &sondev1.CredentialResult{}}
		default:
			continue
		}
		if err := stream.Send(answer); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
}

// patience is how long a condition may take that takes no time on an idle
// machine, leases that run out aside.
const patience = time.Minute

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting: %s", what)
		}
	}
}

func wait[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("still waiting: %s", what)
		panic("unreachable")
	}
}

// state is that of an agent as a server shows it.
func (m *member) state(t *testing.T, h *host) fleet.AgentState {
	t.Helper()
	a, err := m.fleet.Get(t.Context(), h.id)
	if err != nil {
		t.Fatal(err)
	}
	return a.Status.State
}

func (m *member) apply(t *testing.T, interval uint32, plan fleet.RolloutPlan) fleet.Revision {
	t.Helper()
	newest, _, err := m.steering.Config(t.Context(), 0)
	if err != nil && fleet.ErrorCode(err) != fleet.NotFound {
		t.Fatal(err)
	}
	config := fleet.FleetConfig{Policies: []fleet.Policy{{Name: "all", Settings: fleet.Settings{SubmissionIntervalMS: &interval}}}}
	r, err := m.steering.Apply(t.Context(), config, fleet.Proposal{Author: "test", Base: newest.Number, Plan: plan})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (m *member) rollout(t *testing.T, number uint64) fleet.Rollout {
	t.Helper()
	r, _, err := m.steering.Config(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	return r.Rollout
}

func secret(t *testing.T, m *member, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// The server that came first made the secrets; the next takes part without.
func TestSharedSecrets(t *testing.T) {
	database := postgrestest.Start(t).Database(t)
	a := join(t, database)
	b := join(t, database)
	for _, name := range []string{joinTokenFile, adminTokenFile} {
		if _, err := os.Stat(filepath.Join(b.dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the second server has a file %s (%v)", name, err)
		}
	}
	enroll(t, b, secret(t, a, joinTokenFile), "h")
}

func TestShared(t *testing.T) {
	cluster := postgrestest.Start(t)
	database := cluster.Database(t)
	a := join(t, database)
	b := join(t, database)
	token := secret(t, a, joinTokenFile)
	h := enroll(t, a, token, "h")
	c := h.connect(t, b)

	await(t, "A shows the agent of B as up", func() bool { return a.state(t, h) == fleet.Up })
	a.apply(t, 500, fleet.RolloutPlan{})
	first := wait(t, "the configuration of A at the agent of B", c.told)
	await(t, "A hears that it is in force", func() bool {
		configs, err := a.steering.AgentConfigs(t.Context(), h.id)
		return err == nil && configs[0].State == fleet.ConfigApplied && configs[0].InForce == first
	})

	// The agent moves from B to A: one session, and what B says counts no more.
	moved := h.connect(t, a)
	if err := wait(t, "the end of the session with B", c.ended); connect.CodeOf(err) != connect.CodeAborted {
		t.Errorf("the session with B ended with %v", err)
	}
	await(t, "B shows the agent of A as up", func() bool { return b.state(t, h) == fleet.Up })
	if _, ok := b.ingest.Status(h.id); !ok || len(b.ingest.Presences(time.Now())) != 0 {
		t.Error("B still has a session")
	}

	// PostgreSQL restarts under both.
	cluster.Stop(t)
	if _, err := a.fleet.Get(t.Context(), h.id); fleet.ErrorCode(err) != fleet.Unavailable {
		t.Errorf("without a database: %v", err)
	}
	cluster.Start(t)
	b.apply(t, 600, fleet.RolloutPlan{})
	for {
		if hash := wait(t, "the configuration of B at the agent of A", moved.told); hash != first {
			break
		}
	}

	// Renamed on B, it loses its session with A and comes back under the new name.
	if _, err := b.fleet.Update(t.Context(), h.id, fleet.Change{Name: new("renamed")}); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, "the end of the renamed agent's session", moved.ended); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("the renamed agent's session ended with %v", err)
	}
	again := h.connect(t, a)

	// Removed on B, it loses its session with A for good.
	if err := b.fleet.Remove(t.Context(), h.id); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, "the end of the removed agent's session", again.ended); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("the removed agent's session ended with %v", err)
	}
}

// A change that was made while a server heard nothing is taken up once it hears
// again.
func TestCatchUp(t *testing.T) {
	cluster := postgrestest.Start(t)
	database := cluster.Database(t)
	a := join(t, database)
	b := join(t, cluster.As(t, database, "b"))
	h := enroll(t, a, secret(t, a, joinTokenFile), "h")
	removed := enroll(t, a, secret(t, a, joinTokenFile), "removed")
	c, r := h.connect(t, b), removed.connect(t, b)

	cluster.Shut(t, "b")
	a.apply(t, 500, fleet.RolloutPlan{})
	if err := a.fleet.Remove(t.Context(), removed.id); err != nil {
		t.Fatal(err)
	}
	cluster.Exec(t, "ALTER USER b LOGIN")
	wait(t, "the configuration", c.told)
	if err := wait(t, "the end of the removed agent's session", r.ended); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("it ended with %v", err)
	}
}

// Two processes with one credential that follow each other from server to server
// are found out.
func TestCopyBesideAnotherServer(t *testing.T) {
	database := postgrestest.Start(t).Database(t)
	a := join(t, database)
	b := join(t, database)
	h := enroll(t, a, secret(t, a, joinTokenFile), "h")
	one, two := []byte("0000000000000001"), []byte("0000000000000002")
	var last *connection
	for _, next := range []struct {
		to   *member
		boot []byte
	}{{a, one}, {b, one}, {a, one}, {b, two}} {
		c, err := h.open(t, next.to, next.boot)
		if err != nil {
			t.Fatal(err)
		}
		if last != nil {
			if err := wait(t, "the end of the session before", last.ended); connect.CodeOf(err) != connect.CodeAborted {
				t.Errorf("it ended with %v", err)
			}
		}
		last = c
	}
	if _, err := h.open(t, b, one); connect.CodeOf(err) != connect.CodeAlreadyExists {
		t.Errorf("the copy gets %v", err)
	}
	for _, m := range []*member{a, b} {
		await(t, "the copy to be shown", func() bool {
			seen, err := m.fleet.Get(t.Context(), h.id)
			return err == nil && seen.Status.Clone.Hostname == "h"
		})
	}
}

// Any server gives an agent a new credential, by way of the one that has its
// session; that one takes it up later if it does not hear of it.
func TestRotatedFromElsewhere(t *testing.T) {
	cluster := postgrestest.Start(t)
	database := cluster.Database(t)
	a := join(t, database)
	b := join(t, cluster.As(t, database, "b"))
	h := enroll(t, a, secret(t, a, joinTokenFile), "h")
	if _, err := a.fleet.RotateCredential(t.Context(), h.id); fleet.ErrorCode(err) != fleet.State {
		t.Errorf("an agent that is not connected: %v", err)
	}
	c := h.connect(t, b)
	taken := func() {
		t.Helper()
		next := wait(t, "a new credential", c.given)
		if next == h.credential {
			t.Error("it is the one of before")
		}
		h.credential = next
		await(t, "the agent to have it alone", func() bool {
			known, err := a.control.Agent(t.Context(), h.id)
			return err == nil && !known.CredentialStaged && !known.RotationAsked
		})
	}
	await(t, "A shows the agent of B as up", func() bool { return a.state(t, h) == fleet.Up })
	for range 2 {
		if _, err := a.fleet.RotateCredential(t.Context(), h.id); err != nil {
			t.Fatal(err)
		}
		taken()
	}
	cluster.Shut(t, "b")
	if err := a.cluster.AskRotation(t.Context(), h.id); err != nil {
		t.Fatal(err)
	}
	cluster.Exec(t, "ALTER USER b LOGIN")
	taken()

	// Nobody has its session when it is asked for: the next has it.
	c.close()
	if err := a.cluster.AskRotation(t.Context(), h.id); err != nil {
		t.Fatal(err)
	}
	c = h.connect(t, a)
	taken()
	select {
	case <-c.given:
		t.Error("the agent was given two credentials")
	default:
	}
	h.connect(t, b)
}

// The server that moves a rollout is cut off from the database; the other goes on
// with it.
func TestRolloutHandedOver(t *testing.T) {
	cluster := postgrestest.Start(t)
	database := cluster.Database(t)
	a := join(t, cluster.As(t, database, "a"))
	await(t, "A moves rollouts", func() bool { return leads(t, cluster, database) })
	b := join(t, database)
	token := secret(t, a, joinTokenFile)
	one, two := enroll(t, a, token, "one"), enroll(t, a, token, "two")
	onA := one.connect(t, a)
	onB := two.connect(t, b)

	r := b.apply(t, 500, fleet.RolloutPlan{StepsPercent: []uint32{50, 100}, WatchSeconds: 2, IgnoreFailures: true})
	if r.Rollout.State != fleet.RolloutRunning {
		t.Fatalf("the rollout is %s", r.Rollout.State)
	}
	select { // the first step
	case <-onA.told:
	case <-onB.told:
	case <-time.After(patience):
		t.Fatal("nobody was told")
	}
	cluster.Shut(t, "a")
	onA.close()
	moved := one.connect(t, b)
	await(t, "B finishes the rollout", func() bool { return b.rollout(t, r.Number).State == fleet.RolloutDone })
	await(t, "both have it in force", func() bool {
		configs, err := b.steering.AgentConfigs(t.Context(), "")
		return err == nil && len(configs) == 2 && configs[0].State == fleet.ConfigApplied && configs[1].State == fleet.ConfigApplied
	})
	if got := b.rollout(t, r.Number); got.State != fleet.RolloutDone {
		t.Errorf("the rollout is %+v", got)
	}
	moved.close()
	// A can drain again.
	cluster.Exec(t, "ALTER USER a LOGIN")
}

// leads reports whether some server has the lease of rollouts.
func leads(t *testing.T, cluster *postgrestest.Cluster, database string) bool {
	t.Helper()
	return cluster.Count(t, database, "SELECT count(*) FROM sonde.leases WHERE name = 'rollout'") == 1
}

// A server that ends gives its lease back.
func TestLeaseGivenBack(t *testing.T) {
	cluster := postgrestest.Start(t)
	database := cluster.Database(t)
	a := join(t, database)
	await(t, "A moves rollouts", func() bool { return leads(t, cluster, database) })
	a.stop()
	if leads(t, cluster, database) {
		t.Error("the lease is still held")
	}
}

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	"sonde.dev/sonde/agent/witness"
	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

// These tests count what a witness took, by its ledger, against what the server
// has: every sample once. That a server is killed at each point of the way of a
// batch is in package server.

// TestAgentKilledAtEachStepOfTheSpool has an agent die by SIGKILL before each
// kind of operation on its disk: while its server answers, while it does not,
// and while it sends what had gathered. What the spool had taken is stored by the
// next process.
func TestAgentKilledAtEachStepOfTheSpool(t *testing.T) {
	s := startServer(t, t.TempDir())
	type step struct {
		op  string
		nth int
	}
	for _, test := range []struct {
		name string
		// cut: without a link. gathered: with a backlog before each step.
		cut, gathered bool
		steps         []step
	}{
		{"acknowledged", false, false, []step{
			{"mkdir", 1}, {"lock", 1}, {"list", 1}, {"create", 1}, {"create", 2}, {"create", 5}, {"write", 1}, {"write", 2}, {"write", 7},
			{"sync", 1}, {"sync", 2}, {"sync", 7}, {"syncdir", 1}, {"syncdir", 2}, {"close", 1}, {"close", 3},
			{"remove", 1}, {"remove", 2}, {"remove", 4}, {"rename", 1},
		}},
		{"without a server", true, false, []step{
			{"write", 1}, {"write", 2}, {"write", 9}, {"sync", 1}, {"sync", 9}, {"list", 1}, {"open", 1}, {"read", 1}, {"read", 3},
			{"create", 1}, {"syncdir", 1}, {"close", 1},
		}},
		{"replaying", false, true, []step{
			{"open", 1}, {"open", 2}, {"read", 2}, {"read", 4}, {"create", 1}, {"write", 2}, {"sync", 2}, {"syncdir", 1},
			{"close", 1}, {"remove", 1}, {"remove", 2}, {"rename", 1},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			way := newLink(t, s.url)
			c := newWitness(t, s, test.name, way.url)
			first := startWitness(t, c)
			await(t, "the first samples", func() bool {
				stored, err := c.Stored(t.Context(), s.url, s.dir)
				return err == nil && len(stored[0]) > 0
			})
			first.stop(t)
			if test.cut {
				way.cut()
			}
			for _, step := range test.steps {
				c.DieAt = ""
				if test.gathered {
					way.cut()
					p := startWitness(t, c)
					awaitTicks(t, c, 10)
					p.stop(t)
					way.mend()
				}
				c.DieAt, c.DieAtCount = step.op, step.nth
				p := startWitness(t, c)
				if step.op == "rename" { // of the file of acknowledgements, when it ends
					awaitTicks(t, c, 5)
					_ = p.cmd.Process.Signal(syscall.SIGTERM)
				}
				await(t, fmt.Sprintf("death before %s %d", step.op, step.nth), p.ended)
				if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
					t.Errorf("%s %d: ended with %v:\n%s", step.op, step.nth, p.cmd.ProcessState, p.log)
				}
			}
			way.mend()
			wantWholeCount(t, s, c)
		})
	}
}

// TestLinkCutForSixHours cuts the link of an agent that then takes a tick a
// second for six hours of its time, and is restarted twice meanwhile, once by
// SIGTERM and once by SIGKILL. When the link is back, live samples come first
// and the rest beside them.
func TestLinkCutForSixHours(t *testing.T) {
	s := startServer(t, t.TempDir())
	way := newLink(t, s.url)
	c := newWitness(t, s, "w", way.url)
	begin := time.Now().Add(-6 * time.Hour).Truncate(time.Second)
	past := func(from, to time.Duration) witness.Past {
		return witness.Past{From: begin.Add(from), To: begin.Add(to), Every: time.Second, Batch: 10, Only: true}
	}
	kept := func(n int) func() bool { return func() bool { return ledger(t, c).Kept() >= n } }

	c.Past = past(-time.Minute, 0)
	p := startWitness(t, c)
	await(t, "the samples before the cut", func() bool {
		stored, err := c.Stored(t.Context(), s.url, s.dir)
		return err == nil && len(stored[0]) == 60
	})
	way.cut()
	p.stop(t)

	c.Past = past(0, 2*time.Hour)
	p = startWitness(t, c)
	await(t, "two hours", kept(60+7200))
	p.stop(t)
	c.Past = past(2*time.Hour, 4*time.Hour)
	p = startWitness(t, c)
	await(t, "four hours", kept(60+14400))
	p.kill()
	c.Past = past(4*time.Hour, 6*time.Hour)
	c.Past.Only = false // and on in the present
	p = startWitness(t, c)
	await(t, "six hours", kept(60+21600+10))
	stored, err := c.Stored(t.Context(), s.url, s.dir)
	if err != nil || len(stored[0]) != 60 {
		t.Fatalf("%d samples came through a link that is cut, %v", len(stored[0]), err)
	}
	way.mend()
	awaitStored(t, s, c)
	p.stop(t)
	wantWholeCount(t, s, c)
}

// TestAckLost has the link swallow what the server says, so that batches are
// stored and the agent never hears of it: once with the server that knows their
// sequence numbers, and once with the next process, which does not.
func TestAckLost(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, dir)
	way := newLink(t, s.url)
	c := newWitness(t, s, "w", way.url)
	p := startWitness(t, c)
	stored := func() float64 { return s.metric(t, "sonde_server_ingest_samples_total", "") }
	storeUnheard := func() (heard int) {
		t.Helper()
		awaitStored(t, s, c)
		heard = len(ledger(t, c).Ticks)
		way.mute.Store(true)
		before := stored()
		await(t, "samples that nobody hears of", func() bool { return stored() > before+30 })
		return heard
	}
	for range 3 {
		storeUnheard()
		way.cut()
		way.mend()
	}
	for range 2 {
		heard := storeUnheard()
		s.kill()
		way.cut()
		s = startServer(t, dir)
		unheard := float64(len(ledger(t, c).Ticks)-heard) * witness.Series
		way.mend()
		await(t, "the batches to come again", func() bool { return stored() >= unheard })
	}
	p.stop(t)
	wantWholeCount(t, s, c)
}

// TestSameBatchThrice sends one batch on three streams, the last of them to
// another process of the server.
func TestSameBatchThrice(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, dir)
	w := newWriter(t, s, "thrice")
	for send := range 3 {
		if send == 2 {
			s.kill()
			s = startServer(t, dir)
		}
		if err := w.once(t.Context(), s.url, 1); err != nil {
			t.Fatalf("sending it for time %d: %v", send+1, err)
		}
	}
	series := s.promQuery(t, `counted_total{agent="`+w.id+`"}[2h]`)
	if len(series) != writerSeries {
		t.Errorf("%d series, want %d", len(series), writerSeries)
	}
	for _, one := range series {
		if len(one.Values) != 1 {
			t.Errorf("%s has %d samples, want 1", one.Metric["i"], len(one.Values))
		}
	}
}

// once sends one batch on a stream of its own and waits for its acknowledgement.
func (w *writer) once(ctx context.Context, url string, seq uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx, call := connect.NewClientContext(ctx)
	call.RequestHeader().Set("Authorization", "Bearer "+w.credential)
	stream, err := sondev1connect.NewAgentServiceClient(h2c(), url, connect.WithGRPC()).Connect(ctx)
	if err != nil {
		return err
	}
	defer stream.CloseResponse()
	floats := make([]float64, writerSeries)
	for i := range floats {
		floats[i] = w.value(seq, i)
	}
	payload, err := wire.NewEncoder().Encode(nil, []wire.Block{{Schema: w.schema, Times: []int64{w.at(seq)}, Floats: floats}})
	if err != nil {
		return err
	}
	for _, m := range []*sondev1.ConnectRequest{
		{Message: &sondev1.ConnectRequest_Hello{Hello: &sondev1.Hello{AgentId: w.id, BootId: w.boot, SubmissionIntervalMs: 1000}}},
		{Message: &sondev1.ConnectRequest_Schema{Schema: w.schema.Proto()}},
		{Message: &sondev1.ConnectRequest_Batch{Batch: &sondev1.Batch{Seq: seq, Payload: payload}}},
	} {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	for {
		res, err := stream.Receive()
		if err != nil {
			return err
		}
		if res.GetAck().GetSeq() == seq {
			return nil
		}
	}
}

// TestTwoServersInTurn gives an agent two servers, which are killed in turn. The
// second began as a copy of the first, so that it knows the agent; their samples
// are their own. What was taken is in one or the other, and in none of them
// twice; it is in both where one stored it and did not live to say so.
func TestTwoServersInTurn(t *testing.T) {
	dirs := [2]string{t.TempDir(), filepath.Join(t.TempDir(), "copy")}
	a := startServer(t, dirs[0])
	c := newWitness(t, a, "w", a.url)
	c.Past.Only = true
	p := startWitness(t, c)
	awaitIdentity(t, c)
	p.stop(t)
	a.stop(t)
	if err := os.CopyFS(dirs[1], os.DirFS(dirs[0])); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dirs[1], "address")); err != nil {
		t.Fatal(err)
	}
	b := startServer(t, dirs[1])
	c.Past.Only = false
	c.Servers = a.url + "," + b.url
	p = startWitness(t, c)
	servers, running := [2]*sonde{a, b}, 1
	for range 6 {
		awaitStored(t, servers[running], c)
		servers[running].kill()
		running = 1 - running
		servers[running] = startServer(t, dirs[running])
	}
	awaitTicks(t, c, 1)
	p.stop(t)
	servers[1-running] = startServer(t, dirs[1-running])
	c.Past.Only = true
	p = startWitness(t, c)

	l := ledger(t, c)
	var union witness.Count
	await(t, "all that was taken", func() bool {
		var both [witness.Series][]witness.Sample
		seen := make(map[witness.Sample]bool)
		shared := 0
		for _, s := range servers {
			stored, err := c.Stored(t.Context(), s.url, s.dir)
			if err != nil {
				t.Fatal(err)
			}
			if n := l.Count(stored); n.Doubled+n.Strange > 0 {
				t.Fatalf("%s has %+v", s.url, n)
			}
			for i := range stored {
				for _, sample := range stored[i] {
					if seen[sample] {
						shared++
						continue
					}
					seen[sample] = true
					both[i] = append(both[i], sample)
				}
			}
		}
		if union = l.Count(both); union.Whole() {
			t.Logf("%v, %d of them in both stores", union, shared)
		}
		return union.Whole()
	})
	p.stop(t)
}

// TestFullDisk fills the disk of the agent, and that of the server, while the
// agent goes on. When there is room again, every sample is there.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	t.Run("agent", func(t *testing.T) {
		t.Parallel()
		small := smallDisk(t, "2m")
		dir := t.TempDir()
		s := startServer(t, dir)
		c := newWitness(t, s, "w", s.url)
		c.StateDir = small
		p := startWitness(t, c)
		awaitTicks(t, c, 10)
		full := fillDisk(t, small)
		await(t, "the agent to notice", func() bool {
			full.fill() // what is acknowledged makes room again
			return contains(p.log, "because its disk takes no writes")
		})
		s.kill()
		awaitTicks(t, c, 50)
		s = startServer(t, dir)
		awaitTicks(t, c, 50)
		full.empty(t)
		await(t, "the agent to recover", func() bool { return contains(p.log, "takes writes again") })
		awaitTicks(t, c, 2) // with the second, the ledger has it that the first is kept, and all before
		p.stop(t)
		wantWholeCount(t, s, c)
		if doubtful := len(ledger(t, c).Ticks) - ledger(t, c).Kept(); doubtful > 0 {
			t.Errorf("%d ticks of an agent that nobody killed are not kept", doubtful)
		}
	})
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		small := smallDisk(t, "64m")
		s := startServer(t, small)
		c := newWitness(t, s, "w", s.url)
		p := startWitness(t, c)
		awaitTicks(t, c, 10)
		full := fillDisk(t, small)
		await(t, "the server to turn batches away", func() bool {
			full.fill()
			return contains(s.log, "the server cannot store samples now")
		})
		awaitTicks(t, c, 100)
		full.empty(t)
		awaitTicks(t, c, 10)
		p.stop(t)
		wantWholeCount(t, s, c)
	})
}

// smallDisk mounts a file system of a size.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// ballast is a file that takes all the room there is.
type ballast struct{ *os.File }

func fillDisk(t *testing.T, dir string) ballast {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	b := ballast{f}
	b.fill()
	return b
}

func (b ballast) fill() {
	for size := 1 << 20; size > 0; size /= 2 {
		for {
			if _, err := b.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
}

func (b ballast) empty(t *testing.T) {
	t.Helper()
	if err := b.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
}

// TestClockSteps steps the clock of an agent forward by an hour, back by two and
// forward again. What lies in the future is refused, counted and nothing else:
// the rest is stored, that of the hour before too.
func TestClockSteps(t *testing.T) {
	s := startServer(t, t.TempDir())
	c := newWitness(t, s, "w", s.url)
	c.Steps = []witness.Step{{After: 50, By: time.Hour}, {After: 100, By: -time.Hour}, {After: 150}}
	p := startWitness(t, c)
	awaitTicks(t, c, 200)
	p.stop(t)
	future := time.Now().Add(30 * time.Minute).UnixMilli()
	count := settle(t, s, c, func(tick witness.Tick) bool { return tick.At > future })
	if !count.Whole() {
		t.Errorf("%+v", count)
	}
	if n := s.metric(t, "sonde_server_ingest_refused_samples_total", `reason="future"`); n != 50*witness.Series {
		t.Errorf("%v samples were refused as of the future, want %d", n, 50*witness.Series)
	}
	if all := s.metric(t, "sonde_server_ingest_refused_samples_total", ""); all != 50*witness.Series {
		t.Errorf("%v samples were refused, want no others", all)
	}
	if list := s.agents(t).Agents; len(list) != 1 || list[0].Status.LastError == "" {
		t.Errorf("the agent's page does not tell: %+v", list)
	}
}

// TestDroppedSamplesAreTold leaves an agent samples that its spool may not keep:
// once a server is back, it has by why, how many and of which time they were.
func TestDroppedSamplesAreTold(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, dir)
	c := newWitness(t, s, "w", s.url)
	begin := time.Now().Add(-2 * time.Hour).Truncate(time.Second)
	c.Past = witness.Past{Only: true}
	p := startWitness(t, c)
	awaitIdentity(t, c)
	s.kill()
	p.stop(t)
	c.Past = witness.Past{From: begin, To: begin.Add(time.Hour), Every: time.Second, Batch: 60, Only: true}
	p = startWitness(t, c)
	await(t, "an hour", func() bool { return ledger(t, c).Kept() == 3600 })
	p.stop(t)

	a := start(t, "sonde-agent", "--server", c.Servers, "--state-dir", c.StateDir,
		"--default-probes", "none", "--spool-max-age", "1m")
	await(t, "the agent to begin", func() bool { return contains(a.log, "agent began") })
	s = startServer(t, dir)
	seconds := func(t time.Time) string { return fmt.Sprint(t.Unix()) }
	for expr, want := range map[string]string{
		`sonde_agent_samples_dropped_total{reason="aged"}`:           fmt.Sprint(3600 * witness.Series),
		`sonde_agent_dropped_first_timestamp_seconds{reason="aged"}`: seconds(begin),
		`sonde_agent_dropped_last_timestamp_seconds{reason="aged"}`:  seconds(begin.Add(time.Hour - time.Second)),
		`sum(sonde_agent_samples_dropped_total{reason!="aged"})`:     "0",
		`count(sonde_agent_dropped_last_timestamp_seconds)`:          "1",
	} {
		var got []promSample
		await(t, expr, func() bool { got = s.promQuery(t, expr); return len(got) > 0 })
		if got[0].Value[1] != want {
			t.Errorf("%s is %v, want %s", expr, got[0].Value[1], want)
		}
	}
	stored, err := c.Stored(t.Context(), s.url, s.dir)
	if err != nil || len(stored[0]) > 0 {
		t.Errorf("%d samples that were dropped are stored, %v", len(stored[0]), err)
	}
}

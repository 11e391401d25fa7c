package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"sonde.dev/sonde/agent/witness"
)

// witnessConfig is the variable whose value, a list of [witness.Config], makes
// this test's binary as many witnesses.
const witnessConfig = "SONDE_E2E_WITNESS"

func runWitness(config string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "witness:", err)
		return 1
	}
	var configs []witness.Config
	if err := json.Unmarshal([]byte(config), &configs); err != nil {
		return fail(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	running, ctx := errgroup.WithContext(ctx)
	for _, c := range configs {
		w, err := witness.New(c, log.With("witness", c.Name))
		if err != nil {
			return fail(err)
		}
		running.Go(func() error { return w.Run(ctx) })
	}
	fmt.Println("the witness began")
	if err := running.Wait(); err != nil {
		return fail(err)
	}
	return 0
}

// newWitness returns a witness's configuration: it connects to url, and enrols
// at s.
func newWitness(t *testing.T, s *sonde, name, url string) witness.Config {
	t.Helper()
	dir := t.TempDir()
	return witness.Config{
		Name: name, Servers: url, TokenFile: filepath.Join(s.dir, "join-token"),
		StateDir: filepath.Join(dir, "state"), Ledger: filepath.Join(dir, "ledger"), Interval: 10 * time.Millisecond,
	}
}

// startWitness runs witnesses as one process of their own.
func startWitness(t *testing.T, configs ...witness.Config) *process {
	t.Helper()
	config, err := json.Marshal(configs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), witnessConfig+"="+string(config))
	p := startCommand(t, "the witness "+configs[0].Name, cmd)
	await(t, "the witness to begin", func() bool { return p.ended() || contains(p.log, "the witness began") })
	return p
}

// ended reports whether the program has.
func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// ledger reads what a witness wrote down; nothing before it has begun.
func ledger(t *testing.T, c witness.Config) witness.Ledger {
	t.Helper()
	l, err := witness.Read(c.Ledger)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return l
}

// awaitTicks waits until a witness has taken n more ticks.
func awaitTicks(t *testing.T, c witness.Config, n int) {
	t.Helper()
	before := len(ledger(t, c).Ticks)
	await(t, fmt.Sprint(n, " ticks"), func() bool { return len(ledger(t, c).Ticks) >= before+n })
}

// awaitIdentity waits until a witness has enrolled and kept who it is.
func awaitIdentity(t *testing.T, c witness.Config) {
	t.Helper()
	await(t, "the agent to enrol", func() bool {
		_, err := os.Stat(filepath.Join(c.StateDir, "identity.json"))
		return err == nil
	})
}

// awaitStored waits until the server has a tick that is yet to be taken, so that
// the witness is connected and has caught up.
func awaitStored(t *testing.T, s *sonde, c witness.Config) {
	t.Helper()
	next := len(ledger(t, c).Ticks)
	await(t, "a live sample", func() bool {
		l := ledger(t, c)
		stored, err := c.Stored(t.Context(), s.url, s.dir)
		return err == nil && len(l.Ticks) > next && len(stored[0]) > 0 && stored[0][len(stored[0])-1].At >= l.Ticks[next].At
	})
}

// settle lets a witness that does not run send what it still has, and counts
// what was taken, all but what is refused, against what the server has.
func settle(t *testing.T, s *sonde, c witness.Config, refused func(witness.Tick) bool) witness.Count {
	t.Helper()
	c.Past, c.DieAt = witness.Past{Only: true}, ""
	p := startWitness(t, c)
	l := ledger(t, c).Without(refused)
	var count witness.Count
	begun := time.Now()
	// Not whole after the deadline is for the caller to report.
	await(t, "all that was taken", func() bool {
		stored, err := c.Stored(t.Context(), s.url, s.dir)
		if err != nil {
			t.Fatal(err)
		}
		count = l.Count(stored)
		return count.Whole() || time.Since(begun) > deadline/2
	})
	p.stop(t)
	t.Logf("%s: %v", c.Name, count)
	if count.Doubtful > 0 {
		t.Logf("%s: %d more were being written when it was killed, %d of them are stored", c.Name, count.Doubtful, count.DoubtfulStored)
	}
	return count
}

// wantWholeCount is settle where everything must be stored once.
func wantWholeCount(t *testing.T, s *sonde, c witness.Config) {
	t.Helper()
	if count := settle(t, s, c, func(witness.Tick) bool { return false }); !count.Whole() {
		t.Errorf("%s: %+v", c.Name, count)
	}
}

// metric returns the sum of the series of one of the server's own metrics whose
// labels contain a text.
func (s *sonde) metric(t *testing.T, name, labels string) (sum float64) {
	t.Helper()
	_, body := s.request(t, "GET", "/metrics", "", nil)
	for line := range strings.Lines(string(body)) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || !strings.Contains(rest, labels) || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &v); err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	return sum
}

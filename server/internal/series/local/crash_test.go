package local

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"sonde.dev/sonde/internal/durable"
	"sonde.dev/sonde/internal/wire"
	"sonde.dev/sonde/server/internal/series"
)

// childEnv names the directory for the process that is to be killed, firstEnv
// the number of the first Write it makes.
const (
	childEnv = "SONDE_TEST_CRASH_DIR"
	firstEnv = "SONDE_TEST_CRASH_FIRST"
)

// crashSeries is wide, so that a record spans pages of the log and a kill can
// tear it.
const crashSeries = 4000

func crashTarget() *series.Target {
	var all []series.Series
	for i := range crashSeries {
		all = append(all, metric("a", "n", strconv.Itoa(i)))
	}
	return series.NewTarget(append(all, series.Series{Labels: metric("d").Labels, Histogram: true}))
}

// crashRows makes the rows of the Write number n; every third is out of order.
func crashRows(target *series.Target, n int64) series.Rows {
	t := epoch + 100_000_000 + n
	if n%3 == 2 {
		t -= 50_000_000
	}
	floats := make([]float64, crashSeries)
	for i := range floats {
		floats[i] = rand.Float64()
	}
	floats[0], floats[crashSeries-1] = float64(n), float64(n)
	return series.Rows{
		Target: target, Times: []int64{t}, Floats: floats,
		Histograms: []wire.Histogram{{Count: uint64(n), Zero: uint64(n)}},
	}
}

// child appends Writes and prints the number of each that is acknowledged,
// until it is killed.
func child() int {
	s, err := open(Options{Dir: os.Getenv(childEnv), MinFree: 1, Logger: slog.New(slog.DiscardHandler)},
		tuning{segmentSize: 1 << 20, flush: durable.SyncData})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	target := crashTarget()
	first, _ := strconv.ParseInt(os.Getenv(firstEnv), 10, 64)
	for n := first; ; n++ {
		err := s.Append(context.Background(), &series.Write{
			Rows: []series.Rows{crashRows(target, n)},
			Done: func(_ series.Result, err error) {
				if err == nil {
					fmt.Println(n)
				}
			},
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
}

// TestKilledAtAnyMoment kills a process that appends, again and again in one
// directory, and then looks for every sample that was acknowledged.
func TestKilledAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	var acked []int64
	next := int64(0)
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), childEnv+"="+dir, firstEnv+"="+strconv.FormatInt(next, 10))
		cmd.Stderr = t.Output()
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		last := next - 1
		scan := func() bool {
			line, err := lines.ReadString('\n')
			if err != nil {
				return false
			}
			if last, err = strconv.ParseInt(line[:len(line)-1], 10, 64); err != nil {
				t.Fatalf("child printed %q", line)
			}
			acked = append(acked, last)
			return true
		}
		for range 3 {
			if !scan() {
				t.Fatal("child ended by itself")
			}
		}
		kill := time.AfterFunc(rand.N(20*time.Millisecond), func() { _ = cmd.Process.Kill() })
		for scan() {
		}
		kill.Stop()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		next = last + 1
	}

	s := openTest(t, dir)
	got := read(t, s)
	for _, name := range []string{metric("a", "n", "0").Labels.String(), metric("a", "n", strconv.Itoa(crashSeries-1)).Labels.String()} {
		values := map[string]bool{}
		for _, sample := range got[name] {
			values[sample] = true
		}
		for _, n := range acked {
			r := crashRows(crashTarget(), n)
			if want := fmt.Sprintf("%d %v", r.Times[0]-epoch, float64(n)); !values[want] {
				t.Errorf("%s: acknowledged sample %q is missing", name, want)
			}
		}
	}
	if have := len(got[metric("d").Labels.String()]); have < len(acked) {
		t.Errorf("%d histograms, want at least %d", have, len(acked))
	}
	t.Logf("%d writes of %d samples were acknowledged by %d processes", len(acked), crashSeries+1, rounds)
}

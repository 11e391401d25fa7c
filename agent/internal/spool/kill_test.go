package spool

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
)

// childVariable makes the test's binary append to the spool in the folder that
// it names until it is killed.
const childVariable = "SPOOL_TEST_CHILD"

func child(dir string) {
	s, err := Open(Options{Dir: dir, Encode: encodeNumbers, Logger: slog.Default()}) // FlushAfter is 0
	if err != nil {
		panic(err)
	}
	first, _ := strconv.ParseUint(os.Getenv(childVariable+"_FIRST"), 10, 64)
	for n := first; ; n++ {
		if _, _, err := s.Append(numberBatch(n)); err != nil || s.Stats().Degraded != nil {
			panic(fmt.Sprint(err, s.Stats().Degraded))
		}
		fmt.Println(n)
	}
}

// A process that is killed at any moment has lost nothing of what Append
// promised with FlushAfter 0, over several processes.
func TestSIGKILL(t *testing.T) {
	dir := t.TempDir()
	promised := uint64(0)
	for _, lines := range []int{1, 2, 17, 50, 131} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"="+dir, fmt.Sprintf("%s_FIRST=%d", childVariable, promised))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(out)
		for i := 0; sc.Scan(); i++ {
			if promised, err = strconv.ParseUint(sc.Text(), 10, 64); err != nil {
				t.Fatal(err)
			}
			promised++
			if i == lines {
				cmd.Process.Kill() // what it says after this is promised too
			}
		}
		cmd.Wait()
	}
	o := testOptions(nil)
	o.Dir = dir
	s := mustOpen(t, o)
	// What was written and not said may come twice: the next child began there.
	got := slices.Compact(slices.Sorted(slices.Values(drain(t, s))))
	if uint64(len(got)) < promised || !slices.Equal(got[:promised], numbers(0, promised-1)) {
		t.Errorf("%d promised, got %v", promised, got)
	}
	if c := s.Stats().Dropped[Corrupt]; c.Batches != 0 {
		t.Errorf("damage: %v", c)
	}
}

//go:build e2e

package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestUp runs what `make up` runs once the programs are built: the first chart,
// Ctrl-C, and again with the history still there.
func TestUp(t *testing.T) {
	home := t.TempDir()
	run := func() (*logBuffer, *sonde, func()) {
		out := &logBuffer{}
		cmd := exec.Command("../scripts/up.sh")
		cmd.Env = append(os.Environ(), "SONDE_HOME="+home, "SONDE_LISTEN=127.0.0.1:17070",
			"SONDE_AGENT_DEFAULT_PROBES=server,server-tcp,disk,sched")
		cmd.Stdout, cmd.Stderr = out, out
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		stop := func() {
			t.Helper()
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
			if err := cmd.Wait(); err != nil {
				t.Errorf("after Ctrl-C it ends with %v:\n%s", err, out.tail(4000))
			}
			for _, said := range []string{"agent ended", "server ended"} {
				if !contains(out, said) {
					t.Errorf("after Ctrl-C it does not say %q:\n%s", said, out.tail(4000))
				}
			}
			if _, err := http.Get("http://127.0.0.1:17070/healthz"); err == nil {
				t.Error("the server still answers after Ctrl-C")
			}
		}
		link := regexp.MustCompile(`http://127\.0\.0\.1:17070/login\?code=\S+`)
		await(t, "the link", func() bool { return link.MatchString(out.String()) })
		return out, &sonde{dir: filepath.Join(home, "server"), url: "http://127.0.0.1:17070"}, stop
	}
	_, s, stop := run()
	await(t, "samples of this machine", func() bool { return len(s.promQuery(t, "node_load1")) > 0 })
	first := s.promQuery(t, "node_load1[1h]")[0].Values[0][0]
	stop()

	_, s, stop = run()
	await(t, "new samples behind the old ones", func() bool {
		series := s.promQuery(t, "node_load1[1h]")
		return len(series) == 1 && series[0].Values[0][0] == first && len(series[0].Values) > 3
	})
	if n := len(s.agents(t).Agents); n != 1 {
		t.Errorf("%d agents after a second start, want 1", n)
	}
	stop()
}

// TestUpSaysWhatIsWrong shows that a port in use ends it with the reason.
func TestUpSaysWhatIsWrong(t *testing.T) {
	s := startServer(t, t.TempDir())
	cmd := exec.Command("../scripts/up.sh")
	cmd.Env = append(os.Environ(), "SONDE_HOME="+t.TempDir(), "SONDE_LISTEN="+strings.TrimPrefix(s.url, "http://"))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another program, perhaps another sonde server") {
		t.Errorf("up on a port in use: %v:\n%s", err, out)
	}
}

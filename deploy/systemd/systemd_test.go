// Package systemd tests the units with systemd's own tools and with the programs
// that they start.
package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// programs builds what the units start, and returns their folder.
func programs(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	build := exec.Command("go", "build", "-C", "../..", "-trimpath", "-o", bin, "./cmd/sonde", "./cmd/sonde-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the programs: %v\n%s", err, out)
	}
	return bin
}

func read(t *testing.T, unit string) string {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// needAnalyze skips the test on machines without systemd, but not on CI.
func needAnalyze(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err == nil {
		return
	}
	const missing = "systemd-analyze is not installed: scripts/deps.sh installs it"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

func TestUnits(t *testing.T) {
	bin := programs(t)
	units := map[string]struct {
		// exposure bounds what systemd-analyze security says, times ten.
		exposure string
	}{"sonde.service": {"14"}, "sonde-agent.service": {"18"}}
	for unit, want := range units {
		// In the place of the programs that are not installed here.
		text := strings.ReplaceAll(read(t, unit), "/usr/local/bin", bin)
		t.Run(unit+" starts its program", func(t *testing.T) { checkStart(t, text) })
		t.Run(unit+" is understood", func(t *testing.T) {
			needAnalyze(t)
			copied := filepath.Join(t.TempDir(), unit)
			if err := os.WriteFile(copied, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", copied).CombinedOutput()
			if err != nil || len(out) > 0 {
				t.Errorf("systemd-analyze verify: %v\n%s", err, out)
			}
			out, err = exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+want.exposure, copied).CombinedOutput()
			if err != nil {
				t.Errorf("systemd-analyze security: %v\n%s", err, out)
			}
		})
	}
}

// checkStart runs what a unit runs, with --check-config.
func checkStart(t *testing.T, unit string) {
	t.Helper()
	start := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(unit)
	if start == nil {
		t.Fatal("it has no ExecStart")
	}
	words := strings.Fields(strings.NewReplacer("%S", t.TempDir(), "%d", t.TempDir()).Replace(start[1]))
	cmd := exec.Command(words[0], append(words[1:], "--check-config")...)
	cmd.Env = []string{"SONDE_AGENT_SERVER=https://sonde.example:7070"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

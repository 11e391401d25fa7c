//go:build container

package docker

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// localProbes are the default probes that stay on this machine.
const localProbes = "server,server-tcp,disk,sched"

// TestAgent runs the agent by the command of docs/containers.md against a real
// server, and looks at what arrives and at what the container may do.
func TestAgent(t *testing.T) {
	needImage(t, agentImage)
	dir := t.TempDir()
	s := startServer(t, dir, bridgeAddress(t))

	// The agent's user must be able to read both files.
	join := shared(t, filepath.Join(dir, "data/join-token"))
	probes := filepath.Join(t.TempDir(), "probes.yaml")
	if err := os.WriteFile(probes, []byte("- {name: loopback, kind: icmp, target: 127.0.0.1, interval: 1s}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	readable(t, filepath.Dir(probes))

	name := fmt.Sprintf("sonde-test-%d", os.Getpid())
	t.Cleanup(func() { _, _ = run("docker", "volume", "rm", "--force", name) })
	start := func() string {
		t.Helper()
		command := strings.NewReplacer(
			"--name sonde-agent", "--name "+name,
			"sonde-agent:/state", name+":/state",
			"/etc/sonde/join-token", join,
			"https://sonde.example:7070", s.url,
			"--read-only", "--read-only --volume "+probes+":/probes.yaml:ro",
		).Replace(documentedRun(t))
		command += " --default-probes " + localProbes + " --probes-file /probes.yaml"
		container, err := run("sh", "-c", command)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() {
				out, _ := exec.Command("docker", "logs", "--tail", "50", container).CombinedOutput()
				t.Logf("the agent's log:\n%s", out)
			}
			_, _ = run("docker", "rm", "--force", container)
		})
		return container
	}
	container := start()

	var id string
	await(t, "the agent to be up", func() bool {
		ids := s.up(t)
		if len(ids) == 1 {
			id = ids[0]
		}
		return len(ids) == 1
	})
	t.Run("measures the host", func(t *testing.T) { checkHost(t, s) })
	t.Run("is confined", func(t *testing.T) { checkConfined(t, container) })
	t.Run("pings without a capability", func(t *testing.T) {
		s.awaitValue(t, `sonde_probe_attempts_total{probe="loopback",outcome="success"}`, positive)
	})
	t.Run("is frugal", func(t *testing.T) {
		ticks := s.awaitValue(t, `sonde_agent_ticks_total{collector="cpu"}`, func(v float64) bool { return v >= 10 })
		memory := s.awaitValue(t, "process_resident_memory_bytes", positive)
		cpu := s.awaitValue(t, "process_cpu_seconds_total", positive)
		t.Logf("resident memory %.1f MiB; %.2f s of CPU, the start and %.0f ticks", memory/(1<<20), cpu, ticks)
	})
	t.Run("stays who it is", func(t *testing.T) {
		docker(t, "rm", "--force", container)
		await(t, "the agent to be gone", func() bool { return len(s.up(t)) == 0 })
		start()
		await(t, "the agent to be up again", func() bool { return len(s.up(t)) > 0 })
		if ids := s.up(t); !slices.Equal(ids, []string{id}) {
			t.Errorf("with the same volume it is %v, want %s", ids, id)
		}
	})
}

// bridgeAddress is where containers on the engine's default network reach this
// machine.
func bridgeAddress(t *testing.T) string {
	t.Helper()
	bridge, err := net.InterfaceByName("docker0")
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := bridge.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip := a.(*net.IPNet).IP.To4(); ip != nil {
			return ip.String()
		}
	}
	t.Fatalf("%s has no IPv4 address", bridge.Name)
	return ""
}

func positive(v float64) bool { return v > 0 }

// shared returns the name of a copy of a file that everybody may read.
func shared(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	readable(t, dir)
	name := filepath.Join(dir, filepath.Base(path))
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func readable(t *testing.T, dir string) {
	t.Helper()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

// documentedRun returns the command of docs/containers.md that runs an agent.
func documentedRun(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root(), "docs/containers.md"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile("(?s)\ndocker run --detach --name sonde-agent.*?\n```").FindString(string(page))
	if command == "" {
		t.Fatal("docs/containers.md has no command that runs an agent")
	}
	return strings.TrimSpace(strings.TrimSuffix(command, "```"))
}

// checkHost checks that values of this machine arrive, not of the container.
func checkHost(t *testing.T, s *server) {
	nodename, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile("/etc/hostname"); err == nil && len(text) > 1 {
		nodename = strings.TrimSpace(string(text))
	}
	s.awaitValue(t, fmt.Sprintf("node_uname_info{nodename=%q}", nodename), positive)

	// The bridge is on this machine and in no container.
	s.awaitValue(t, `node_network_receive_bytes_total{device="docker0"}`, positive)
	s.awaitValue(t, `node_network_up{device="docker0"}`, positive)

	var root syscall.Statfs_t
	if err := syscall.Statfs("/", &root); err != nil {
		t.Fatal(err)
	}
	size := float64(root.Blocks) * float64(root.Bsize)
	s.awaitValue(t, `node_filesystem_size_bytes{mountpoint="/"}`, func(v float64) bool { return v == size })

	s.awaitValue(t, "container_spec_memory_limit_bytes", func(v float64) bool { return v == 192<<20 })
	s.awaitValue(t, "container_cpu_usage_seconds_total", positive)

	// The collectors that read nothing here would read nothing on the host.
	if failures, ok := s.value(t, `sum(sonde_agent_collector_failures_total) > 0`); ok {
		t.Errorf("collectors failed %v times", failures)
	}
}

// checkConfined checks what the kernel and the engine say of the container.
func checkConfined(t *testing.T, container string) {
	var list []struct {
		State      struct{ Pid int }
		HostConfig struct{ ReadonlyRootfs, Privileged bool }
		Mounts     []struct {
			Destination string
			RW          bool
		}
	}
	if err := json.Unmarshal([]byte(docker(t, "inspect", container)), &list); err != nil {
		t.Fatal(err)
	}
	got := list[0]
	if !got.HostConfig.ReadonlyRootfs || got.HostConfig.Privileged {
		t.Errorf("host config %+v, want a read-only root and no privileges", got.HostConfig)
	}
	for _, mount := range got.Mounts {
		if mount.RW != (mount.Destination == "/state") {
			t.Errorf("%s: writable is %v", mount.Destination, mount.RW)
		}
	}
	status := processStatus(t, got.State.Pid)
	for key, want := range map[string]string{
		"Uid": "65532 65532 65532 65532", "Gid": "65532 65532 65532 65532",
		"CapPrm": "0000000000000000", "CapEff": "0000000000000000", "CapBnd": "0000000000000000",
		"NoNewPrivs": "1", "Seccomp": "2",
	} {
		if status[key] != want {
			t.Errorf("%s of the process is %q, want %q", key, status[key], want)
		}
	}
	// The program itself is the only one there to try with.
	out, err := exec.Command("docker", "exec", container, "/usr/bin/sonde-agent",
		"--server", "http://127.0.0.1:9", "--state-dir", "/elsewhere").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "read-only file system") {
		t.Errorf("writing outside of the volume: %v\n%s", err, out)
	}
	if out, err := exec.Command("docker", "exec", container, "sh").CombinedOutput(); err == nil {
		t.Errorf("there is a shell: %s", out)
	}
}

// processStatus reads /proc/PID/status.
func processStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	status := make(map[string]string)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		status[key] = strings.Join(strings.Fields(value), " ")
	}
	return status
}

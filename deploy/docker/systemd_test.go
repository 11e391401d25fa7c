//go:build container

package docker

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	systemdImage = "sonde-test-systemd"

	systemdJoinToken  = "sonde_join_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	systemdAdminToken = "sonde_api_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// TestSystemd boots this machine's systemd in a container and lets it start the
// units of deploy/systemd as docs/deployment.md says.
func TestSystemd(t *testing.T) {
	bin := t.TempDir()
	readable(t, bin)
	buildPrograms(t, bin, "./cmd/sonde", "./cmd/sonde-agent")
	if err := importImage(systemdImage, systemdMachine); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = run("docker", "image", "rm", "--force", systemdImage) })
	container := docker(t, "run", "--detach", "--name", fmt.Sprintf("sonde-systemd-%d", os.Getpid()),
		// What systemd needs; not --privileged, which asks for rights that a test's
		// machine may not have itself.
		"--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE", "--cap-add", "NET_ADMIN",
		"--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
		"--cgroupns", "private", "--env", "container=docker", "--stop-signal", "SIGRTMIN+3",
		"--tmpfs", "/run", "--tmpfs", "/tmp", "--volume", bin+":/usr/local/bin:ro", systemdImage)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("docker", "exec", container, "systemctl", "status", "--no-pager", "--lines=40", "sonde", "sonde-agent").CombinedOutput()
			t.Logf("%s", out)
			out, _ = exec.Command("docker", "logs", container).CombinedOutput()
			t.Logf("%s", out)
		}
		_, _ = run("docker", "rm", "--force", "--volumes", container)
	})

	address := docker(t, "inspect", "--format", "{{.NetworkSettings.IPAddress}}", container)
	s := &server{url: "http://" + address + ":7070", token: systemdAdminToken}
	await(t, "the server", func() bool { return answers(s.url + "/readyz") })
	await(t, "the agent", func() bool { return len(s.up(t)) == 1 })
	ids := s.up(t)

	// It sees others' processes and all mounts, and may ping.
	s.awaitValue(t, "node_processes_pids", func(v float64) bool { return v >= 4 })
	s.awaitValue(t, `node_filesystem_size_bytes{mountpoint="/usr/local/bin"}`, positive)
	s.awaitValue(t, `sonde_probe_attempts_total{probe="gateway",outcome="success"}`, positive)
	if failures, ok := s.value(t, "sum(sonde_agent_collector_failures_total) > 0"); ok {
		t.Errorf("collectors failed %v times", failures)
	}

	for _, unit := range []string{"sonde", "sonde-agent"} {
		checkUnprivileged(t, container, unit)
		// What it is stays through a restart, under whatever user.
		docker(t, "exec", container, "systemctl", "restart", unit)
		await(t, unit+" to be back", func() bool { return answers(s.url+"/readyz") && len(s.up(t)) == 1 })
		if got := s.up(t); got[0] != ids[0] {
			t.Errorf("after the restart of %s the agent is %s, want %s", unit, got[0], ids[0])
		}
		docker(t, "exec", container, "systemctl", "stop", unit)
		if result := docker(t, "exec", container, "systemctl", "show", "--property=Result", unit); result != "Result=success" {
			t.Errorf("%s stopped with %s", unit, result)
		}
		docker(t, "exec", container, "systemctl", "start", unit)
		await(t, unit+" to be back", func() bool { return answers(s.url+"/readyz") && len(s.up(t)) == 1 })
	}
}

func checkUnprivileged(t *testing.T, container, unit string) {
	t.Helper()
	pid := strings.TrimPrefix(docker(t, "exec", container, "systemctl", "show", "--property=MainPID", unit), "MainPID=")
	status := docker(t, "exec", container, "grep", "-E", "^(Uid|CapBnd|NoNewPrivs|Seccomp):", "/proc/"+pid+"/status")
	for _, want := range []string{"CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			t.Errorf("%s: want %q in\n%s", unit, want, status)
		}
	}
	if strings.Contains(status, "Uid:\t0\t") {
		t.Errorf("%s runs as root", unit)
	}
}

// systemdMachine is what a host is to the units.
func systemdMachine(s *standIn) error {
	if err := s.tree("/usr/lib/systemd", "/usr/lib/systemd", everything); err != nil {
		return err
	}
	for _, name := range []string{"systemd", "systemd-journald", "systemd-sysctl"} {
		if err := s.program("/usr/lib/systemd/"+name, "/usr/lib/systemd/"+name); err != nil {
			return err
		}
	}
	if err := s.programs("systemctl", "grep", "mount", "mountpoint", "umount"); err != nil {
		return err
	}
	for _, name := range []string{"sonde.service", "sonde-agent.service"} {
		if err := s.file(filepath.Join(root(), "deploy/systemd", name), "/etc/systemd/system/"+name); err != nil {
			return err
		}
	}
	if err := s.file(filepath.Join(root(), "deploy/systemd/50-sonde-agent.conf"), "/etc/sysctl.d/50-sonde-agent.conf"); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"/etc/os-release":               "ID=test\n",
		"/etc/machine-id":               "",
		"/etc/passwd":                   "root:x:0:0::/:/bin/sh\n",
		"/etc/group":                    "root:x:0:\n",
		"/etc/sonde/server.env":         "SONDE_LISTEN=0.0.0.0:7070\nSONDE_TLS=off\n",
		"/etc/sonde-agent/agent.env":    "SONDE_AGENT_SERVER=http://127.0.0.1:7070\nSONDE_AGENT_DEFAULT_PROBES=" + localProbes + ",gateway\n",
		"/etc/sonde-agent/join-token":   systemdJoinToken,
		"/etc/sonde/admin-token":        systemdAdminToken,
		"/etc/systemd/system/up.target": "[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=sonde.service sonde-agent.service\n",
		"/etc/systemd/system/sonde.service.d/override.conf": `[Service]
LoadCredential=join-token:/etc/sonde-agent/join-token
LoadCredential=admin-token:/etc/sonde/admin-token
Environment=SONDE_JOIN_TOKEN_FILE=%d/join-token SONDE_ADMIN_TOKEN_FILE=%d/admin-token
`,
	} {
		if err := s.text(name, text, 0o644); err != nil {
			return err
		}
	}
	// The engine mounts these for reading only, unless a container is privileged.
	if err := s.text("/boot.sh", `#!/bin/sh
set -e
for dir in /proc/sys /sys/fs/cgroup /sys/fs/cgroup/*; do
  ! mountpoint -q "$dir" || mount -o remount,bind,rw "$dir"
done
# As a host's mounts are: credentials reach a service by a mount.
mount --make-rshared /
exec /usr/lib/systemd/systemd --unit=up.target --log-target=console --show-status=0
`, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"/proc", "/sys", "/dev", "/run", "/var/lib", "/var/tmp", "/root", "/home"} {
		if err := s.folder(name, 0, 0o755); err != nil {
			return err
		}
	}
	s.changes = []string{"ENV PATH=/usr/bin:/bin", `CMD ["/boot.sh"]`}
	return nil
}

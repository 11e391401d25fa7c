//go:build container

package docker

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCompose starts the Compose project as a person would, with three agents.
func TestCompose(t *testing.T) {
	// Compose would build them too, and finds all layers made here.
	needImage(t, serverImage)
	needImage(t, agentImage)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	t.Setenv("SONDE_PORT", port)
	t.Setenv("SONDE_AGENT_DEFAULT_PROBES", localProbes)
	t.Setenv("VERSION", testVersion)
	t.Setenv("COMPOSE_PROJECT_NAME", fmt.Sprintf("sonde-test-%d", os.Getpid()))

	t.Cleanup(func() {
		if t.Failed() {
			out, err := compose("logs", "--no-color", "--tail=50")
			t.Log(out, err)
		}
		if _, err := compose("down", "--volumes", "--timeout", "5"); err != nil {
			t.Error(err)
		}
	})
	if _, err := compose("up", "--build", "--detach", "--scale", "agent=3"); err != nil {
		t.Fatal(err)
	}

	s := &server{url: "http://127.0.0.1:" + port}
	await(t, "the link that people can open", func() bool {
		log, err := compose("logs", "--no-color", "server")
		return err == nil && strings.Contains(log, s.url+"/login?")
	})
	container, err := compose("ps", "-q", "server")
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "admin-token")
	docker(t, "cp", container+":/data/admin-token", copied)
	token, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	s.token = strings.TrimSpace(string(token))

	await(t, "three agents", func() bool { return len(s.up(t)) == 3 })
	s.awaitValue(t, "count(node_memory_MemTotal_bytes)", func(v float64) bool { return v == 3 })
}

// compose runs Compose, as a plugin of the client or as a program of its own.
func compose(args ...string) (string, error) {
	args = append([]string{"-f", "deploy/compose/compose.yaml"}, args...)
	if _, err := run("docker", "compose", "version"); err == nil {
		return run("docker", append([]string{"compose"}, args...)...)
	}
	return run("docker-compose", args...)
}

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
	p := startProject(t, "deploy/compose/compose.yaml")
	s := &server{url: p.url}
	await(t, "the link that people can open", func() bool {
		log, err := p.compose("logs", "--no-color", "server")
		return err == nil && strings.Contains(log, s.url+"/login?")
	})
	s.token = p.file(t, "server", "/data/admin-token")

	await(t, "three agents", func() bool { return len(s.up(t)) == 3 })
	s.awaitValue(t, "count(node_memory_MemTotal_bytes)", func(v float64) bool { return v == 3 })
}

// project is a Compose project that runs.
type project struct {
	path string
	// url is where it is published.
	url string
}

// startProject starts the project in a file, with three agents, until t ends.
func startProject(t *testing.T, path string) *project {
	t.Helper()
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

	p := &project{path, "http://127.0.0.1:" + port}
	t.Cleanup(func() {
		if t.Failed() {
			out, err := p.compose("logs", "--no-color", "--tail=50")
			t.Log(out, err)
		}
		if _, err := p.compose("down", "--volumes", "--timeout", "5"); err != nil {
			t.Error(err)
		}
	})
	if _, err := p.compose("up", "--build", "--detach", "--scale", "agent=3"); err != nil {
		t.Fatal(err)
	}
	return p
}

// container returns the id of a service's container.
func (p *project) container(t *testing.T, service string) string {
	t.Helper()
	id, err := p.compose("ps", "-q", service)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// file returns the text of a file in a service's container.
func (p *project) file(t *testing.T, service, path string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "file")
	docker(t, "cp", p.container(t, service)+":"+path, copied)
	text, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// compose runs Compose, as a plugin of the client or as a program of its own.
func (p *project) compose(args ...string) (string, error) {
	args = append([]string{"-f", p.path}, args...)
	if _, err := run("docker", "compose", "version"); err == nil {
		return run("docker", append([]string{"compose"}, args...)...)
	}
	return run("docker-compose", args...)
}

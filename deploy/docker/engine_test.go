//go:build container

// Package docker tests the container images and the Compose project with a real
// engine; scripts/with-docker.sh gives it one.
package docker

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// run runs a command at the root of the repository and returns what it printed,
// without the space around it.
func run(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = root()
	// The builder that comes with the engine is there without plugins.
	if exec.Command("docker", "buildx", "version").Run() != nil {
		cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		text := stdout.String() + stderr.String()
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, text[max(len(text)-4000, 0):])
	}
	return strings.TrimSpace(stdout.String()), nil
}

// root is the folder with go.mod.
func root() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return dir
}

// buildPrograms builds programs for this machine into a folder.
func buildPrograms(t *testing.T, dir string, packages ...string) {
	t.Helper()
	build := exec.Command("go", append([]string{"build", "-trimpath", "-o", dir}, packages...)...)
	build.Dir = root()
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the programs: %v\n%s", err, out)
	}
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := run("docker", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Names of the images as the Compose project gives them.
const (
	agentImage  = "sonde-agent"
	serverImage = "sonde-server"
)

var builds = map[string]func() error{
	agentImage:  sync.OnceValue(func() error { return build(agentImage, "agent.Dockerfile") }),
	serverImage: sync.OnceValue(func() error { return build(serverImage, "server.Dockerfile") }),
}

// needImage builds an image, once.
func needImage(t *testing.T, image string) {
	t.Helper()
	began := time.Now()
	if err := builds[image](); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s built after %v", image, time.Since(began).Round(time.Second))
}

func build(image, dockerfile string) error {
	args := []string{"build", "--tag", image, "--file", filepath.Join("deploy/docker", dockerfile), "--build-arg", "VERSION=" + testVersion}
	if network := os.Getenv("SONDE_BUILD_NETWORK"); network != "" {
		args = append(args, "--network", network)
	}
	_, err := run("docker", append(args, ".")...)
	return err
}

// testVersion is the version that the images are built as.
const testVersion = "0.0.0-test"

// deadline bounds every wait for a condition; it is reached only by a failure.
const deadline = time.Minute

// await waits until done says so.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	timeout := time.After(deadline)
	for !done() {
		select {
		case <-poll.C:
		case <-timeout:
			t.Fatalf("waited %v in vain for %s", deadline, what)
		}
	}
}

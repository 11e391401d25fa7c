//go:build container

package docker

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// maxAgentImage is what the agent's image may take, in bytes.
const maxAgentImage = 15 << 20

type imageConfig struct {
	Size   int64
	Config struct {
		User       string
		Entrypoint []string
		Volumes    map[string]struct{}
		Labels     map[string]string
	}
}

func inspectImage(t *testing.T, image string) imageConfig {
	t.Helper()
	var list []imageConfig
	if err := json.Unmarshal([]byte(docker(t, "image", "inspect", image)), &list); err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func TestAgentImage(t *testing.T) {
	needImage(t, agentImage)
	checkImage(t, agentImage, "/usr/bin/sonde-agent", "state/")
	if size := inspectImage(t, agentImage).Size; size > maxAgentImage {
		t.Errorf("the image has %d bytes, more than %d", size, maxAgentImage)
	}
}

func TestServerImage(t *testing.T) {
	needImage(t, serverImage)
	checkImage(t, serverImage, "/usr/bin/sonde", "data/")
	version := docker(t, "run", "--rm", "--network", "none", serverImage, "--version")
	if !strings.Contains(version, testVersion) {
		t.Errorf("--version says %q, want it to contain %q", version, testVersion)
	}
}

// checkImage checks what both images promise: one static program, no shell, and
// a user without rights whose folder is the volume.
func checkImage(t *testing.T, image, program, volume string) {
	t.Helper()
	got := inspectImage(t, image)
	t.Logf("%s: %.1f MiB", image, float64(got.Size)/(1<<20))
	if got.Config.User != "65532:65532" {
		t.Errorf("runs as %q, want 65532:65532", got.Config.User)
	}
	if !slices.Equal(got.Config.Entrypoint, []string{program}) {
		t.Errorf("entrypoint %q, want %s alone, without a shell", got.Config.Entrypoint, program)
	}
	if version := got.Config.Labels["org.opencontainers.image.version"]; version != testVersion {
		t.Errorf("label of the version is %q, want %q", version, testVersion)
	}
	files := imageFiles(t, image)
	want := []string{volume, program[1:], "etc/ssl/certs/ca-certificates.crt"}
	for _, name := range want {
		if files[name] == nil {
			t.Errorf("the image has no %s", name)
		}
	}
	for name, header := range files {
		if header.Typeflag == tar.TypeReg && header.Size > 0 && !slices.Contains(want, name) {
			t.Errorf("the image has %s, which nothing needs", name)
		}
	}
	if h := files[volume]; h != nil && (h.Uid != 65532 || h.Gid != 65532 || h.Mode&0o777 != 0o700) {
		t.Errorf("%s belongs to %d:%d, mode %o, want 65532:65532, mode 700", volume, h.Uid, h.Gid, h.Mode&0o777)
	}
}

// imageFiles returns what is in an image, and the few empty files and folders
// that the engine adds to a container.
func imageFiles(t *testing.T, image string) map[string]*tar.Header {
	t.Helper()
	container := docker(t, "create", image)
	archive := filepath.Join(t.TempDir(), "image.tar")
	docker(t, "export", "--output", archive, container)
	docker(t, "rm", "--volumes", container)
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := make(map[string]*tar.Header)
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = header
	}
}

// TestServerEncrypts shows that the image does not open an unencrypted port unless
// it is told to: without a certificate it makes one.
func TestServerEncrypts(t *testing.T) {
	needImage(t, serverImage)
	var out lines
	cmd := exec.Command("docker", "run", "--rm", "--name", "sonde-encrypts", "--network", "none", serverImage)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer exec.Command("docker", "rm", "--force", "sonde-encrypts").Run()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(out.String(), "/login?"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no link after a minute:\n%s", out.String())
		}
	}
	if text := out.String(); strings.Contains(text, "http://") || !strings.Contains(text, "by an authority of its own") {
		t.Errorf("it said:\n%s", text)
	}
	// As docs/containers.md says, by a name that the certificate has.
	link, err := exec.Command("docker", "exec", "sonde-encrypts", "sonde", "login-link", "--server", "https://localhost:7070",
		"--token-file", "/data/admin-token", "--server-ca", "/data/tls/ca.pem").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(link), "https://localhost:7070/login?") {
		t.Errorf("another link: %v: %s", err, link)
	}
}

// lines collects what a container prints.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

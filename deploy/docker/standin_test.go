//go:build container

package docker

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The images that the Dockerfiles and the Compose project begin with. Where the
// engine does not have one, a stand-in of the same name is made of this machine's
// own toolchain and of what its package caches hold: the tests reach for nothing
// outside. Pull the images first to test with the real ones.
const (
	golangImage  = "golang:1.26-bookworm"
	nodeImage    = "node:20-bookworm"
	busyboxImage = "busybox:1.37"
)

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	for image, make := range map[string]func(*standIn) error{
		golangImage:  golangStandIn,
		nodeImage:    nodeStandIn,
		busyboxImage: busyboxStandIn,

		postgresImage:   postgresStandIn,
		prometheusImage: prometheusStandIn,
		haproxyImage:    haproxyStandIn,
	} {
		began := time.Now()
		made, err := needBase(image, make)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", image, err)
			return 1
		}
		if made {
			fmt.Printf("stand-in for %s made in %v\n", image, time.Since(began).Round(100*time.Millisecond))
			defer run("docker", "image", "rm", "--force", image)
		}
	}
	return m.Run()
}

// needBase makes sure that an image is there, and says whether it is a stand-in.
func needBase(image string, make func(*standIn) error) (made bool, err error) {
	if _, err := run("docker", "image", "inspect", image); err == nil {
		return false, nil
	}
	return true, importImage(image, make)
}

// standIn is an image on its way to the engine.
type standIn struct {
	tar *tar.Writer
	has map[string]bool
	// changes are instructions such as ENV.
	changes []string
}

func importImage(image string, fill func(*standIn) error) error {
	read, write := io.Pipe()
	s := &standIn{tar: tar.NewWriter(write), has: make(map[string]bool)}
	archive, err := os.CreateTemp("", "sonde-standin-*.tar")
	if err != nil {
		return err
	}
	defer os.Remove(archive.Name())
	defer archive.Close()
	go func() {
		err := s.base()
		if err == nil {
			err = fill(s)
		}
		write.CloseWithError(errors.Join(err, s.tar.Close()))
	}()
	if _, err := io.Copy(archive, read); err != nil {
		return err
	}
	args := []string{"import"}
	for _, change := range s.changes {
		args = append(args, "--change", change)
	}
	_, err = run("docker", append(args, archive.Name(), image)...)
	return err
}

// base writes what every image has: a shell, and links as on the host.
func (s *standIn) base() error {
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if target, err := os.Readlink("/" + name); err == nil {
			if err := s.tar.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}); err != nil {
				return err
			}
		}
	}
	if err := s.tar.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}); err != nil {
		return err
	}
	return s.programs("sh")
}

func golangStandIn(s *standIn) error {
	goroot, err := run("go", "env", "GOROOT")
	if err != nil {
		return err
	}
	err = s.tree(goroot, "/usr/local/go", func(path string) bool {
		switch path {
		case "test", "api", "doc", "misc":
			return false
		}
		return filepath.Base(path) != "testdata"
	})
	if err != nil {
		return err
	}
	if err := s.modules("/goproxy"); err != nil {
		return err
	}
	if err := s.compiled("/go/cache"); err != nil {
		return err
	}
	if err := s.file("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt"); err != nil {
		return err
	}
	s.changes = []string{
		"ENV PATH=/usr/local/go/bin:/usr/bin:/bin",
		"ENV GOPATH=/go", "ENV GOCACHE=/go/cache", "ENV GOTOOLCHAIN=local", "ENV GOPROXY=file:///goproxy",
	}
	return s.programs("install")
}

// modules writes the modules of go.mod into dir, in the form of a module proxy.
func (s *standIn) modules(dir string) error {
	cache, err := run("go", "env", "GOMODCACHE")
	if err != nil {
		return err
	}
	out, err := run("go", "mod", "download", "-json")
	if err != nil {
		return err
	}
	download := filepath.Join(cache, "cache/download")
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var module struct{ Zip string }
		if err := d.Decode(&module); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		path, err := filepath.Rel(download, module.Zip)
		if err != nil {
			return err
		}
		if err := s.file(module.Zip, filepath.Join(dir, path)); err != nil {
			return err
		}
	}
	// The graph of modules needs go.mod files of more than are downloaded.
	return filepath.WalkDir(download, func(path string, entry fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); err != nil || ext != ".mod" && ext != ".info" {
			return err
		}
		return s.file(path, filepath.Join(dir, strings.TrimPrefix(path, download)))
	})
}

func nodeStandIn(s *standIn) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return err
	}
	if npm, err = filepath.EvalSymlinks(npm); err != nil { // …/npm/bin/npm-cli.js
		return err
	}
	if err := s.tree(filepath.Dir(filepath.Dir(npm)), "/usr/lib/node_modules/npm", everything); err != nil {
		return err
	}
	link := &tar.Header{Name: "usr/bin/npm", Typeflag: tar.TypeSymlink, Linkname: "../lib/node_modules/npm/bin/" + filepath.Base(npm)}
	if err := s.tar.WriteHeader(link); err != nil {
		return err
	}
	cache, err := run("npm", "config", "get", "cache")
	if err != nil {
		return err
	}
	if err := s.tree(filepath.Join(cache, "_cacache"), "/npm/_cacache", func(path string) bool { return path != "tmp" }); err != nil {
		return err
	}
	if err := s.file("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt"); err != nil {
		return err
	}
	s.changes = []string{
		"ENV PATH=/usr/bin:/bin", "ENV npm_config_cache=/npm", "ENV npm_config_prefer_offline=true",
		"ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt",
	}
	if err := s.programs("env", "node"); err != nil {
		return err
	}
	// Packages with native code load it, and Node itself does not.
	librt, err := filepath.Glob("/usr/lib*/*/librt.so.1")
	for _, path := range librt {
		err = errors.Join(err, s.file(path, path))
	}
	return err
}

func busyboxStandIn(s *standIn) error {
	s.changes = []string{"ENV PATH=/usr/bin:/bin"}
	return s.programs("base64", "chmod", "cp", "head", "mv", "sleep", "tr")
}

// programs writes programs of this machine into /usr/bin, with the libraries
// that they load.
func (s *standIn) programs(names ...string) error {
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		if err := s.program(path, "/usr/bin/"+name); err != nil {
			return err
		}
	}
	return nil
}

func (s *standIn) program(from, to string) error {
	if err := s.file(from, to); err != nil {
		return err
	}
	libraries, err := run("ldd", from)
	if err != nil {
		return err
	}
	for word := range strings.FieldsSeq(libraries) {
		if !strings.HasPrefix(word, "/") {
			continue
		}
		// /lib is a link in the image as it is here.
		dir, err := filepath.EvalSymlinks(filepath.Dir(word))
		if err != nil {
			return err
		}
		if err := s.file(word, filepath.Join(dir, filepath.Base(word))); err != nil {
			return err
		}
	}
	return nil
}

func everything(string) bool { return true }

// tree writes the folder from as to; wanted gets paths below from, and a folder
// that is not wanted is left out with all that is in it.
func (s *standIn) tree(from, to string, wanted func(path string) bool) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && !wanted(below):
			return filepath.SkipDir
		case entry.IsDir():
			return nil
		case entry.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return s.tar.WriteHeader(&tar.Header{Name: filepath.Join(to, below)[1:], Typeflag: tar.TypeSymlink, Linkname: target})
		}
		return s.file(path, filepath.Join(to, below))
	})
}

// file writes the file from, or what it links to, as to, unless that is there.
func (s *standIn) file(from, to string) error {
	if s.has[to] {
		return nil
	}
	s.has[to] = true
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: to[1:], Mode: int64(info.Mode().Perm()), Size: info.Size()}
	if err := s.tar.WriteHeader(header); err != nil {
		return err
	}
	// A cache may grow while it is read.
	_, err = io.CopyN(s.tar, f, info.Size())
	return err
}

//go:build container

package docker

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// compiled writes what this machine's compiler has made of the packages of both
// programs into dir, a build cache: to build an image then takes seconds in place
// of minutes. The compiler finds there only what it would make itself.
func (s *standIn) compiled(dir string) error {
	cache, err := run("go", "env", "GOCACHE")
	if err != nil {
		return err
	}
	out, err := run("env", "CGO_ENABLED=0", "go", "list", "-trimpath", "-export", "-deps", "-f", "{{.Export}}", "./cmd/sonde", "./cmd/sonde-agent")
	if err != nil {
		return err
	}
	wanted := make(map[string]bool) // ids of outputs, which are the names of their files
	for path := range strings.FieldsSeq(out) {
		if err := s.file(path, filepath.Join(dir, strings.TrimPrefix(path, cache))); err != nil {
			return err
		}
		wanted[strings.TrimSuffix(filepath.Base(path), "-d")] = true
	}
	// An entry of the cache says what came out of an action: "v1 action output size time".
	return filepath.WalkDir(cache, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "-a") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if fields := bytes.Fields(text); len(fields) < 3 || !wanted[string(fields[2])] {
			return nil
		}
		return s.file(path, filepath.Join(dir, strings.TrimPrefix(path, cache)))
	})
}

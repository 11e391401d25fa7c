// Package migration reads the numbered SQL files of a schema.
package migration

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Step is one step of a schema. A step that was released never changes: what is
// wrong with it is put right by the next.
type Step struct {
	Version int
	Name    string
	SQL     string
}

// Steps returns the steps that are in the folder migrations of files, in their
// order. They are numbered from 1 without holes; a file that is not is a mistake
// of ours, which a test finds.
func Steps(files fs.FS) ([]Step, error) {
	paths, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var steps []Step
	for i, path := range paths {
		number, name, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(path, "migrations/"), ".sql"), "_")
		version, err := strconv.Atoi(number)
		if !ok || err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s: want number %04d", path, i+1)
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, err
		}
		steps = append(steps, Step{Version: version, Name: name, SQL: string(text)})
	}
	return steps, nil
}

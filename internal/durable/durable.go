// Package durable puts files on disk so that they survive a loss of power.
//
// What it promises holds as far as the file system and the disk keep theirs: a
// disk that acknowledges a flush and loses it afterwards defeats everything
// here.
//
// A write that was synced may still be lost when its file is new and the
// directory was not synced; see [SyncDir].
package durable

import (
	"fmt"
	"os"
	"path/filepath"
)

// SyncDir flushes the entries of a directory: files created, renamed and
// removed in it before the call are so after a loss of power too.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// WriteFile replaces the file at path with data, whole or not at all: whoever
// opens path at any moment, after a crash too, finds either the former content
// or the new. When it returns nil the new content is durable. The directory
// must exist; the file gets the permissions perm, umask or not.
//
// Two concurrent calls for one path are safe; one of them wins.
func WriteFile(path string, data []byte, perm os.FileMode) (err error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+name+".*.tmp")
	if err != nil {
		return fmt.Errorf("creating a temporary file for %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(dir)
}

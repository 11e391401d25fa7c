package spool

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sonde.dev/sonde/internal/durable"
)

// fileSystem is what the spool needs of a disk. Its methods behave as those of
// package os; errors wrap the system's. It is used by several goroutines.
type fileSystem interface {
	// MkdirAll makes dir with mode 0700 where it is missing.
	MkdirAll(dir string) error
	// List returns the names of the files in dir.
	List(dir string) ([]string, error)
	// Create makes a file for writing, with mode 0600. It fails with
	// fs.ErrExist when there is one.
	Create(name string) (file, error)
	Open(name string) (file, error)
	Truncate(name string, size int64) error
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes durable which files dir has.
	SyncDir(dir string) error
	// Lock takes the lock at name until the Closer is closed. The error is a
	// [*LockedError] when another process has it.
	Lock(name string) (io.Closer, error)
}

// file is an open file. Writes may be lost in a crash until Sync returns nil;
// after an error of Sync nothing is known about writes since the one before.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Size() (int64, error)
}

// LockedError says that another agent works on the same folder.
type LockedError struct {
	Path string
	// Process is the number of the process that has the lock, or empty.
	Process string
}

func (e *LockedError) Error() string {
	by := "another process"
	if e.Process != "" {
		by = "process " + e.Process
	}
	return filepath.Dir(e.Path) + " is in use by " + by + ": every agent needs a state folder of its own"
}

type osFS struct{}

type osFile struct{ *os.File }

func (f osFile) Sync() error { return durable.SyncData(f.File) }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (osFS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

func (osFS) List(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

func (osFS) Create(name string) (file, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Open(name string) (file, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Truncate(name string, size int64) error { return os.Truncate(name, size) }
func (osFS) Rename(from, to string) error           { return os.Rename(from, to) }
func (osFS) Remove(name string) error               { return os.Remove(name) }
func (osFS) SyncDir(dir string) error               { return durable.SyncDir(dir) }

func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		pid, _ := io.ReadAll(io.LimitReader(f, 20))
		f.Close()
		return nil, &LockedError{Path: name, Process: strings.TrimSpace(string(pid))}
	}
	if err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "flock", Path: name, Err: err}
	}
	// Only for the message above; a full disk must not stop the agent.
	if f.Truncate(0) == nil {
		_, _ = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	}
	return f, nil
}

// diskRefuses reports whether err is a state of the disk that may pass, in
// contrast to a mistake in how the agent was set up.
func diskRefuses(err error) bool {
	return errors.Is(err, unix.EROFS) || errors.Is(err, unix.ENOSPC) ||
		errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EIO)
}

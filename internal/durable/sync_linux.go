package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

// SyncData flushes the content of f, and of its metadata what is needed to
// read that content back. It may be called on any open descriptor of the file,
// one opened for reading too: what is flushed is the file, whoever wrote it.
//
// After an error the state of the file on disk is unknown and stays so: the
// kernel may have marked the pages clean, and a second call that succeeds then
// proves nothing.
func SyncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
		return nil
	}
}

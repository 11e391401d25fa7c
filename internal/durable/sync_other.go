//go:build !linux

package durable

import "os"

// SyncData flushes the content of f, and of its metadata what is needed to
// read that content back. It may be called on any open descriptor of the file,
// one opened for reading too: what is flushed is the file, whoever wrote it.
//
// After an error the state of the file on disk is unknown and stays so: the
// kernel may have marked the pages clean, and a second call that succeeds then
// proves nothing.
func SyncData(f *os.File) error { return f.Sync() }

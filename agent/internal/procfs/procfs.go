// Package procfs reads what the kernel tells of a machine: the files of /proc,
// /sys and the cgroup trees, and statfs.
//
// Each kernel file has one Go file here, one method of [FS] that opens it, and
// one function that parses its bytes. The roots are a value, so that the same
// code reads a live kernel, a host's trees mounted in a container, and recorded
// fixtures.
//
// It promises that absent is not zero (a value that this kernel does not give is
// reported as absent), that malformed input is a [*ParseError] which names file
// and line, and that reading a [Source] again allocates nothing. It does not
// decide what is worth measuring, gives values in the kernel's own units unless
// a field says otherwise, and reads Linux only.
package procfs

import (
	"path/filepath"
)

// FS says where the kernel's files are. The zero value is not usable; see
// [Default].
type FS struct {
	Proc string // a proc file system, as /proc
	Sys  string // a sysfs, as /sys
	Root string // the root under which mountpoints are found, as /
}

// Default returns the places where a process finds its own machine.
func Default() FS {
	return FS{Proc: "/proc", Sys: "/sys", Root: "/"}
}

func (fs FS) proc(name string) string { return filepath.Join(fs.Proc, name) }
func (fs FS) sys(name string) string  { return filepath.Join(fs.Sys, name) }
func (fs FS) root(name string) string { return filepath.Join(fs.Root, name) }

// net returns the places of a file of a network namespace, best first.
// PROC/net is that of the reader; when PROC is the host's, mounted into a
// container, that would be the container's own namespace, and the host's is
// found by way of process 1.
func (fs FS) net(name string) []string {
	own := fs.proc("net/" + name)
	if filepath.Clean(fs.Proc) == "/proc" {
		return []string{own}
	}
	return []string{fs.proc("1/net/" + name), own}
}

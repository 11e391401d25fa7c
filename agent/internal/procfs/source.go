package procfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// maxFileSize bounds what is read of one file. The largest real ones are
// /proc/stat and mounts of machines with thousands of interrupts or mounts.
const maxFileSize = 8 << 20

// Source is one kernel file, parsed to a T. It stays open and is read again from
// its start, because opening costs more than reading. Its descriptor is closed
// when the Source is collected. Not safe for concurrent use.
type Source[T any] struct {
	paths []string // the first that can be opened is used
	parse func([]byte, *T) error

	file  *os.File
	fd    int // file's: to ask for it is a system call
	buf   []byte
	value T
}

func newSource[T any](parse func([]byte, *T) error, paths ...string) *Source[T] {
	return &Source[T]{paths: paths, parse: parse}
}

// Read returns what the file says now. The value and every byte slice in it
// belong to the Source and hold until the next Read. An error matches
// [io/fs.ErrNotExist] when this kernel has no such file, and is a [*ParseError]
// when the content is malformed.
func (s *Source[T]) Read() (*T, error) {
	b, err := s.bytes()
	if err != nil {
		return nil, err
	}
	if err := s.parse(b, &s.value); err != nil {
		var malformed *ParseError
		if errors.As(err, &malformed) {
			malformed.File = s.file.Name()
		}
		return nil, err
	}
	return &s.value, nil
}

// bytes reads the whole file. A file that was open before is opened again when
// reading fails: what stood behind it, such as a cgroup, may have been replaced.
func (s *Source[T]) bytes() ([]byte, error) {
	if s.file != nil {
		if b, err := s.pread(); err == nil {
			return b, nil
		}
		s.file.Close()
		s.file = nil
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	b, err := s.pread()
	if err != nil {
		s.file.Close()
		s.file = nil
		return nil, err
	}
	return b, nil
}

func (s *Source[T]) open() error {
	var first error
	for _, path := range s.paths {
		file, err := os.Open(path)
		if err == nil {
			s.file, s.fd = file, int(file.Fd())
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (s *Source[T]) pread() ([]byte, error) {
	defer runtime.KeepAlive(s.file)
	if s.buf == nil {
		s.buf = make([]byte, 4096)
	}
	n := 0
	for {
		if n == len(s.buf) {
			if n >= maxFileSize {
				return nil, fmt.Errorf("reading %s: longer than %d bytes", s.file.Name(), maxFileSize)
			}
			s.buf = append(s.buf, make([]byte, len(s.buf))...)
		}
		m, err := unix.Pread(s.fd, s.buf[n:], int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: s.file.Name(), Err: err}
		case m == 0:
			return s.buf[:n], nil
		}
		n += max(m, 0)
	}
}

// readText returns a small file as text, without the white space at its end.
func readText(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, 1<<20))
	if err != nil {
		return "", err
	}
	return string(trimSpace(b)), nil
}

package spool

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
)

// memFS is a disk that remembers what is durable, so that a test can cut its
// power at any write. Faults are set by the functions named after them.
type memFS struct {
	mu    sync.Mutex
	files map[string]*memData
	// durable has the entries that SyncDir or an earlier one covered.
	durable map[string]*memData
	writes  int // calls of WriteAt so far

	// fault, if not nil, is asked before each operation.
	fault func(op, name string) error
	// torn, if not nil, says how many bytes a write puts down before it fails.
	torn func(write, size int) (n int, err error)
}

type memData struct {
	data   []byte
	synced []byte
}

func newMemFS() *memFS { return &memFS{files: map[string]*memData{}, durable: map[string]*memData{}} }

// crash returns the disk as it is after a loss of power. Of what was written
// and not flushed it has keep bytes a file.
func (m *memFS) crash(keep int) *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := newMemFS()
	for name, d := range m.durable {
		data := slices.Clone(d.synced)
		if len(d.data) > len(data) {
			data = append(data, d.data[len(data):min(len(d.data), len(data)+keep)]...)
		}
		c := &memData{data, slices.Clone(data)}
		after.files[name], after.durable[name] = c, c
	}
	return after
}

// kill returns the disk as another process finds it after a SIGKILL: the kernel
// has all that was written.
func (m *memFS) kill() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := newMemFS()
	for name, d := range m.files {
		c := &memData{slices.Clone(d.data), slices.Clone(d.data)}
		after.files[name], after.durable[name] = c, c
	}
	return after
}

func (m *memFS) check(op, name string) error {
	if m.fault != nil {
		if err := m.fault(op, filepath.Base(name)); err != nil {
			return &fs.PathError{Op: op, Path: name, Err: err}
		}
	}
	return nil
}

// failOps makes the named operations fail with err.
func (m *memFS) failOps(err error, ops ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = func(op, name string) error {
		if slices.Contains(ops, op) {
			return err
		}
		return nil
	}
}

// failWrites makes the disk take nothing.
func (m *memFS) failWrites(err error) {
	m.failOps(err, "mkdir", "create", "write", "sync", "truncate", "rename", "remove", "lock")
}

// heal removes all faults.
func (m *memFS) heal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault, m.torn = nil, nil
}

// tearWrite makes write number n put down k bytes and fail.
func (m *memFS) tearWrite(n, k int, err error) {
	m.torn = func(write, size int) (int, error) {
		if write != n || k >= size {
			return size, nil
		}
		return k, err
	}
}

func (m *memFS) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.check("mkdir", dir)
}

func (m *memFS) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.files {
		names = append(names, filepath.Base(name))
	}
	return names, nil
}

func (m *memFS) Create(name string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check("create", name); err != nil {
		return nil, err
	}
	if m.files[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	m.files[name] = &memData{}
	return &memFile{m, name, m.files[name]}, nil
}

func (m *memFS) Open(name string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check("open", name); err != nil {
		return nil, err
	}
	d := m.files[name]
	if d == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memFile{m, name, d}, nil
}

func (m *memFS) Truncate(name string, size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check("truncate", name); err != nil {
		return err
	}
	d := m.files[name]
	d.data = d.data[:size]
	d.synced = d.synced[:min(len(d.synced), int(size))]
	return nil
}

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check("rename", from); err != nil {
		return err
	}
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check("remove", name); err != nil {
		return err
	}
	if m.files[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(m.files, name)
	return nil
}

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check("syncdir", dir); err != nil {
		return err
	}
	m.durable = maps.Clone(m.files)
	return nil
}

type unlock struct{}

func (unlock) Close() error { return nil }

func (m *memFS) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return unlock{}, m.check("lock", name)
}

type memFile struct {
	m    *memFS
	name string
	d    *memData
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.check("read", f.name); err != nil {
		return 0, err
	}
	if off >= int64(len(f.d.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.d.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.check("write", f.name); err != nil {
		return 0, err
	}
	if off > int64(len(f.d.data)) {
		return 0, errors.New("write beyond the end")
	}
	n, err := len(p), error(nil)
	if f.m.torn != nil {
		n, err = f.m.torn(f.m.writes, len(p))
	}
	f.m.writes++
	f.d.data = append(f.d.data[:off], p[:n]...)
	return n, err
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.check("sync", f.name); err != nil {
		return err
	}
	f.d.synced = slices.Clone(f.d.data)
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return int64(len(f.d.data)), nil
}

func (f *memFile) Close() error { return nil }

package spool

import "io"

// steppedFS tells step of every operation before it is done.
type steppedFS struct {
	fs   fileSystem
	step func(op string)
}

func (s steppedFS) MkdirAll(dir string) error         { s.step("mkdir"); return s.fs.MkdirAll(dir) }
func (s steppedFS) List(dir string) ([]string, error) { s.step("list"); return s.fs.List(dir) }
func (s steppedFS) Truncate(name string, n int64) error {
	s.step("truncate")
	return s.fs.Truncate(name, n)
}
func (s steppedFS) Rename(from, to string) error        { s.step("rename"); return s.fs.Rename(from, to) }
func (s steppedFS) Remove(name string) error            { s.step("remove"); return s.fs.Remove(name) }
func (s steppedFS) SyncDir(dir string) error            { s.step("syncdir"); return s.fs.SyncDir(dir) }
func (s steppedFS) Lock(name string) (io.Closer, error) { s.step("lock"); return s.fs.Lock(name) }

func (s steppedFS) Create(name string) (file, error) {
	s.step("create")
	return s.file(s.fs.Create(name))
}

func (s steppedFS) Open(name string) (file, error) {
	s.step("open")
	return s.file(s.fs.Open(name))
}

func (s steppedFS) file(f file, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return steppedFile{f, s.step}, nil
}

type steppedFile struct {
	file
	step func(op string)
}

func (f steppedFile) ReadAt(p []byte, off int64) (int, error) {
	f.step("read")
	return f.file.ReadAt(p, off)
}
func (f steppedFile) WriteAt(p []byte, off int64) (int, error) {
	f.step("write")
	return f.file.WriteAt(p, off)
}
func (f steppedFile) Sync() error  { f.step("sync"); return f.file.Sync() }
func (f steppedFile) Close() error { f.step("close"); return f.file.Close() }

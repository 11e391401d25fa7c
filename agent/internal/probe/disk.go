package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	diskBlock   = 4096
	maxDiskSize = 1 << 20
)

func checkDisk(s *Spec) error {
	if !filepath.IsAbs(s.Target) || filepath.Clean(s.Target) != s.Target || strings.ContainsRune(s.Target, 0) {
		return &FieldError{"target", s.Target, "must be the absolute path of a directory, without . and .."}
	}
	if err := checkText(s.Target); err != nil {
		return err
	}
	if s.Disk.Size%diskBlock != 0 {
		return &FieldError{"disk.size", s.Disk.Size, fmt.Sprintf("must be a multiple of %d", diskBlock)}
	}
	return checkRange("disk.size", s.Disk.Size, diskBlock, maxDiskSize)
}

// diskProber overwrites one block of a file, syncs it, and reads it back from
// the device. The file has the size of the block, never grows, and is removed
// when the probe stops; one left behind by a crash is used again. Where the
// file system has no direct reads, the phase read stays empty: a read from
// memory says nothing about the device.
type diskProber struct {
	path string
	size int

	// Of the one attempt that runs, and of close after it.
	file   *os.File
	direct *os.File // nil without direct reads
	block  []byte   // aligned to a page, as direct reads need it
	count  uint64
}

func newDiskProber(s Spec, _ *Config) prober {
	size := s.Disk.Size
	if size == 0 {
		size = diskBlock
	}
	return &diskProber{path: filepath.Join(s.Target, ".sonde-probe-"+s.Name), size: size}
}

func (p *diskProber) attempt(ctx context.Context, a *attempt) (Outcome, error) {
	if err := p.open(); err != nil {
		return outcomeOf(err), err
	}
	// A device may be quick with what it has already, so each block is another.
	p.count++
	for i := 0; i < len(p.block); i += 8 {
		binary.NativeEndian.PutUint64(p.block[i:], p.count+uint64(i)*0x9e3779b97f4a7c15)
	}
	begin := time.Now()
	if _, err := p.file.WriteAt(p.block, 0); err != nil {
		return outcomeOf(err), err
	}
	written := time.Now()
	if err := p.file.Sync(); err != nil {
		return outcomeOf(err), err
	}
	end := time.Now()
	a.add(phaseWrite, written.Sub(begin))
	a.add(phaseFsync, end.Sub(written))
	if p.direct != nil {
		synced := end
		_, err := p.direct.ReadAt(p.block, 0)
		end = time.Now()
		switch {
		case errors.Is(err, syscall.EINVAL):
			// The device wants another alignment.
			p.direct.Close()
			p.direct = nil
		case err != nil:
			return outcomeOf(err), err
		default:
			a.add(phaseRead, end.Sub(synced))
		}
	}
	// The system calls do not know of ctx.
	if err := ctx.Err(); err != nil {
		return outcomeOf(err), err
	}
	a.add(phaseTotal, end.Sub(begin))
	return Success, nil
}

// open opens the file unless it is open. It follows no link.
func (p *diskProber) open() (err error) {
	if p.file != nil {
		return nil
	}
	if p.block == nil {
		p.block, err = unix.Mmap(-1, 0, p.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			return os.NewSyscallError("mmap", err)
		}
	}
	file, err := os.OpenFile(p.path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", p.path)
	}
	if err == nil {
		err = file.Truncate(int64(p.size))
	}
	if err != nil {
		file.Close()
		return err
	}
	p.file = file
	// Fails on file systems without direct reads.
	if direct, err := os.OpenFile(p.path, os.O_RDONLY|unix.O_DIRECT|unix.O_NOFOLLOW, 0); err == nil {
		p.direct = direct
	}
	return nil
}

func (p *diskProber) close() error {
	var err error
	if p.direct != nil {
		p.direct.Close()
	}
	if p.file != nil {
		p.file.Close()
		if err = os.Remove(p.path); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if p.block != nil {
		err = errors.Join(err, unix.Munmap(p.block))
	}
	return err
}

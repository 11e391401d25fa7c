package procfs

import (
	"path/filepath"
	"runtime"
)

// Uname names the kernel, as uname(2) does.
type Uname struct {
	Sysname, Release, Version, Machine, Nodename, Domainname string
}

// machines are the kernel's names of the architectures that Go's are.
var machines = map[string]string{
	"386": "i686", "amd64": "x86_64", "arm": "armv7l", "arm64": "aarch64", "loong64": "loongarch64",
	"mips64le": "mips64", "ppc64le": "ppc64le", "riscv64": "riscv64", "s390x": "s390x",
}

// Uname reads PROC/sys/kernel. The machine's name is there since Linux 6.1; on
// older kernels it is told from the architecture the program was built for.
func (fs FS) Uname() (Uname, error) {
	u := Uname{Machine: machines[runtime.GOARCH]}
	for _, part := range []struct {
		file string
		dst  *string
	}{
		{"ostype", &u.Sysname}, {"osrelease", &u.Release}, {"version", &u.Version},
		{"domainname", &u.Domainname},
	} {
		var err error
		if *part.dst, err = readText(fs.proc("sys/kernel/" + part.file)); err != nil {
			return Uname{}, err
		}
	}
	if arch, err := readText(fs.proc("sys/kernel/arch")); err == nil {
		u.Machine = arch
	}
	var err error
	u.Nodename, err = fs.Hostname()
	return u, err
}

// Hostname returns the host's name. PROC/sys/kernel/hostname is that of the
// reader's namespace, so in a container which has the host's root mounted
// elsewhere, /etc/hostname beneath that comes first.
func (fs FS) Hostname() (string, error) {
	if filepath.Clean(fs.Root) != "/" {
		if name, err := readText(fs.root("etc/hostname")); err == nil && name != "" {
			return name, nil
		}
	}
	return readText(fs.proc("sys/kernel/hostname"))
}

package procfs

import (
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func fixture(name string) FS {
	dir := filepath.Join("testdata", name)
	return FS{Proc: dir + "/proc", Sys: dir + "/sys", Root: dir + "/root"}
}

func read[T any](t *testing.T, source *Source[T]) *T {
	t.Helper()
	value, err := source.Read()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func check[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func value(t *testing.T, entries []Entry, group, name string) float64 {
	t.Helper()
	for _, e := range entries {
		if string(e.Group) == group && string(e.Name) == name {
			return e.Value
		}
	}
	t.Errorf("no %s %s", group, name)
	return 0
}

func TestStat(t *testing.T) {
	stat := read(t, fixture("host").Stat())
	check(t, "stat", *stat, Stat{
		CPUs: []CPU{
			{0, [...]float64{149.58, 1, 73.92, 5911.10, 5.11, 0, 3.16, 1.25}},
			{1, [...]float64{157.20, 0.2, 69.71, 4892.49, 10.48, 0, 0.95, 0.23}},
			{3, [...]float64{10.01, 0, 10.01, 1000.01, 0.01, 0, 0.01, 0.01}},
		},
		Interrupts: 1598553, ContextSwitches: 3363280, Forks: 99922, BootTime: 1795442416,
		Running: 3, Blocked: 1,
	})
}

func TestLoadavg(t *testing.T) {
	check(t, "loadavg", *read(t, fixture("host").Loadavg()), Loadavg{0.42, 1.29, 12.05})
}

func TestMeminfo(t *testing.T) {
	info := read(t, fixture("host").Meminfo())
	check(t, "SwapTotal", value(t, info.Entries, "", "SwapTotal"), 4194300*1024)
	check(t, "HugePages_Total", value(t, info.Entries, "", "HugePages_Total"), 0)
	check(t, "Hugepagesize", value(t, info.Entries, "", "Hugepagesize"), 2048*1024)
}

func TestPressure(t *testing.T) {
	check(t, "memory", *read(t, fixture("host").Pressure("memory")), Pressure{1.5, 0.25, true})
	if _, err := fixture("old").Pressure("cpu").Read(); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("without PSI: %v", err)
	}
}

func TestDiskstats(t *testing.T) {
	disks := read(t, fixture("host").Diskstats()).Disks
	check(t, "number", len(disks), 10)
	check(t, "nvme0n1", disks[2], Disk{
		Name: []byte("nvme0n1"), Reads: 45699, ReadsMerged: 9801, ReadBytes: 2513378 * 512, ReadSeconds: 42.435,
		Writes: 28777, WritesMerged: 62649, WrittenBytes: 6151760 * 512, WriteSeconds: 31.923,
		InFlight: 2, BusySeconds: 17.556, WeightedSeconds: 75.369,
		HasDiscards: true, Discards: 8780, DiscardsMerged: 43, DiscardedSectors: 784264, DiscardSeconds: 0.83,
		HasFlushes: true, Flushes: 4206, FlushSeconds: 0.18,
	})
	old := read(t, fixture("old").Diskstats()).Disks[0]
	check(t, "old", old, Disk{
		Name: []byte("sda"), Reads: 1004, ReadsMerged: 77, ReadBytes: 90312 * 512, ReadSeconds: 5.12,
		Writes: 12, WritesMerged: 4, WrittenBytes: 128 * 512, WriteSeconds: 0.009,
		BusySeconds: 4, WeightedSeconds: 5.129,
	})
}

func TestIsDisk(t *testing.T) {
	for name, want := range map[string]bool{"nvme0n1": true, "nvme0n1p1": false, "dm-0": true} {
		disk, known := fixture("host").IsDisk(name)
		check(t, name, [2]bool{disk, known}, [2]bool{want, true})
	}
	if _, known := fixture("old").IsDisk("sda"); known {
		t.Error("known without /sys/block")
	}
}

func TestMounts(t *testing.T) {
	mounts := read(t, fixture("host").Mounts()).Mounts
	check(t, "escaped", mounts[9], Mount{
		Device: []byte("/dev/sdb1"), Mountpoint: []byte("/media/old disk"), Type: []byte("xfs"), ReadOnly: true,
	})
	check(t, "first", mounts[0], Mount{Device: []byte("/dev/mapper/root"), Mountpoint: []byte("/"), Type: []byte("ext4")})
	// Without process 1; and "errors=remount-ro" does not mean read-only.
	check(t, "fallback", read(t, fixture("old").Mounts()).Mounts[1], Mount{
		Device: []byte("/dev/sda1"), Mountpoint: []byte("/"), Type: []byte("ext3"),
	})
}

func TestStatfs(t *testing.T) {
	stat, err := FS{Root: t.TempDir()}.Statfs("/")
	if err != nil {
		t.Fatal(err)
	}
	if stat.SizeBytes <= 0 || stat.FreeBytes > stat.SizeBytes || stat.AvailableBytes > stat.FreeBytes {
		t.Errorf("%+v", stat)
	}
	if _, err := (FS{Root: t.TempDir()}).Statfs("/none"); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("a mountpoint that is not there: %v", err)
	}
}

func TestNetDev(t *testing.T) {
	// The host's namespace is that of process 1.
	devices := read(t, fixture("host").NetDev()).Devices
	check(t, "devices", devices[1:], []NetDevice{
		{[]byte("eth0"), [...]uint64{818728990, 24771, 1, 2, 3, 4, 5, 6, 1505949, 14972, 7, 8, 9, 10, 11, 12}},
		{[]byte("wlan0.5"), [...]uint64{1<<64 - 1, 1, 0, 0, 0, 0, 0, 0, 2, 3, 0, 0, 0, 0, 0, 0}},
	})
	check(t, "fallback", string(read(t, fixture("old").NetDev()).Devices[0].Name), "eth0")
}

func TestNetCounters(t *testing.T) {
	snmp := read(t, fixture("host").NetSNMP()).Entries
	check(t, "MaxConn", value(t, snmp, "Tcp", "MaxConn"), -1)
	check(t, "InSegs", value(t, snmp, "Tcp", "InSegs") > 0, true)
	netstat := read(t, fixture("host").NetNetstat()).Entries
	check(t, "InOctets", value(t, netstat, "IpExt", "InOctets") > 0, true)
	sockets := read(t, fixture("old").NetSockstat()).Entries
	check(t, "mem", value(t, sockets, "TCP", "mem"), 3)
	check(t, "used", value(t, sockets, "sockets", "used"), 17)
	if _, err := fixture("old").NetSockstat6().Read(); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("without IPv6: %v", err)
	}
}

func TestNetLinks(t *testing.T) {
	links, err := fixture("host").NetLinks(nil)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "links", links, []NetLink{{"eth0", true, 1.25e9}, {"lo", false, 0}, {"wlan0.5", false, 0}})
}

func TestProcesses(t *testing.T) {
	p, err := fixture("host").Processes(10)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "processes", p, Processes{
		Count: 6, HasStates: true, Threads: 45,
		States: [len(ProcessStates)]int{1, 2, 1, 1, 0, 0, 1, 0},
	})
	if p, err = fixture("host").Processes(5); err != nil {
		t.Fatal(err)
	}
	check(t, "beyond the limit", p, Processes{Count: 6})
}

func TestCPUInfo(t *testing.T) {
	check(t, "cpuinfo", *read(t, fixture("host").CPUInfo()), CPUInfo{3, "AMD EPYC"})
}

func TestSelfMemory(t *testing.T) {
	check(t, "statm", read(t, fixture("v2").SelfMemory()).ResidentBytes, 3000*float64(os.Getpagesize()))
}

func TestUname(t *testing.T) {
	uname, err := fixture("host").Uname()
	if err != nil {
		t.Fatal(err)
	}
	check(t, "uname", uname, Uname{"Linux", "6.18.44", "#1 SMP PREEMPT_DYNAMIC", "x86_64", "rack7-node3", "(none)"})
	name, err := fixture("old").Hostname()
	if err != nil {
		t.Fatal(err)
	}
	check(t, "hostname", name, "old")
}

func TestOSRelease(t *testing.T) {
	host, err := fixture("host").OSRelease()
	if err != nil {
		t.Fatal(err)
	}
	check(t, "PRETTY_NAME", host["PRETTY_NAME"], "Debian GNU/Linux 12 (bookworm)")
	old, err := fixture("old").OSRelease()
	if err != nil {
		t.Fatal(err)
	}
	check(t, "usr/lib", old, OSRelease{"NAME": "Small", "ID": "small", "PRETTY_NAME": `Small "OS"`})
}

func TestCgroup(t *testing.T) {
	for name, want := range map[string]Cgroup{
		"v2": {
			HasCPU: true, CPUSeconds: 1.234567, HasThrottling: true, Periods: 500, ThrottledCount: 7, ThrottledSeconds: 0.25,
			HasPeriod: true, PeriodMicros: 100000, HasQuota: true, QuotaMicros: 50000,
			HasMemory: true, MemoryBytes: 20971520, HasWorkingSet: true, WorkingSetBytes: 15000000,
			HasMemoryLimit: true, MemoryLimit: 67108864,
		},
		"v1": {
			HasCPU: true, CPUSeconds: 2.5, HasThrottling: true, ThrottledSeconds: 1.5,
			HasPeriod: true, PeriodMicros: 100000,
			HasMemory: true, MemoryBytes: 8388608, HasWorkingSet: true, WorkingSetBytes: 8000000,
		},
		"plain": {
			HasCPU: true, CPUSeconds: 1.234567,
			HasMemory: true, MemoryBytes: 20971520, HasWorkingSet: true, WorkingSetBytes: 20971520,
		},
	} {
		reader, err := fixture(name).Cgroup()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := reader.Read()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		// What has no limit has no value that could be taken for one.
		if !got.HasQuota {
			got.QuotaMicros = 0
		}
		if !got.HasMemoryLimit {
			got.MemoryLimit = 0
		}
		check(t, name, *got, want)
	}
}

func TestContainer(t *testing.T) {
	for name, want := range map[string]string{"v2": "docker", "v1": "docker", "plain": "", "old": ""} {
		check(t, name, fixture(name).Container(), want)
	}
}

// A Source must see what a file says now, whatever happened to it.
func TestSourceReadsAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "loadavg")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	source := FS{Proc: dir}.Loadavg()
	if _, err := source.Read(); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("before there is a file: %v", err)
	}
	write("1.5 2 3 1/1 1\n")
	check(t, "first", *read(t, source), Loadavg{1.5, 2, 3})
	write("4 5 6 1/1 1\n")
	check(t, "second", *read(t, source), Loadavg{4, 5, 6})
	write("many\n")
	_, err := source.Read()
	var malformed *ParseError
	if !errors.As(err, &malformed) || malformed.File != path || malformed.Line != 1 {
		t.Errorf("malformed: %v", err)
	}
	write("7 8 9 1/1 1\n")
	check(t, "after an error", *read(t, source), Loadavg{7, 8, 9})
	write(strings.Repeat(" ", maxFileSize) + "1 1 1\n")
	if _, err := source.Read(); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a file without end: %v", err)
	}
}

// Reading a Source again must not allocate: it is done for every file, every second.
func TestSourceDoesNotAllocate(t *testing.T) {
	host := fixture("host")
	stat, disks, mounts, netstat := host.Stat(), host.Diskstats(), host.Mounts(), host.NetNetstat()
	all := func() {
		read(t, stat)
		read(t, disks)
		read(t, mounts)
		read(t, netstat)
	}
	all()
	if n := testing.AllocsPerRun(10, all); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

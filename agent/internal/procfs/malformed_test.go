package procfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// parser makes a parse function one that takes bytes only.
func parser[T any](parse func([]byte, *T) error) func([]byte) error {
	return func(b []byte) error {
		var value T
		return parse(b, &value)
	}
}

var parsers = map[string]func([]byte) error{
	"stat":        parser(parseStat),
	"loadavg":     parser(parseLoadavg),
	"meminfo":     parser(parseMeminfo),
	"vmstat":      parser(parseVmstat),
	"pressure":    parser(parsePressure),
	"diskstats":   parser(parseDiskstats),
	"mounts":      parser(parseMounts),
	"net/dev":     parser(parseNetDev),
	"net/snmp":    parser(parseNetCounters),
	"sockstat":    parser(parseNetSockstat),
	"statm":       parser(parseStatm),
	"cpuinfo":     parser(parseCPUInfo),
	"cpu.max":     parser(parseCPUMax),
	"memory.max":  parser(parseLimit),
	"self/cgroup": parser(parseCgroupFile),
	"mountinfo":   parser(parseMountinfo),
	"os-release":  func(b []byte) error { _, err := parseOSRelease(b); return err },
	"PID/stat": func(b []byte) error {
		if err := parseProcess(b, new(Processes)); err != nil {
			return err
		}
		return nil
	},
}

const whole = "ctxt 1\nbtime 1\nprocesses 1\nprocs_running 1\nprocs_blocked 1\n"

func TestMalformed(t *testing.T) {
	for _, test := range []struct {
		file, content string
		want          string // of the error, without its beginning
	}{
		{"stat", "", "no CPU lines"},
		{"stat", "cpu0 1 2 3 4 5 6 7 8\nintr 1\n", "no complete list"},
		{"stat", "cpu0 1 2 3 4 5 6 7\n" + whole, "line 1: 7 CPU times, not 8"},
		{"stat", "cpu  1\ncpu0 1 2 -3 4 5 6 7 8\n" + whole, "line 2: CPU time 3 of cpu0 is not a number"},
		{"stat", "cpux 1 2 3 4 5 6 7 8\n" + whole, `line 1: CPU number "x"`},
		{"stat", "cpu0 1 2 3 4 5 6 7 8\nintr\n", `line 2: intr is "", not a number`},
		{"stat", "cpu0 1 2 3 4 5 6 7 8\nbtime 18446744073709551616\n", `line 2: btime is "18446744073709551616"`},
		{"loadavg", "", `load 1 is "", not a number`},
		{"loadavg", "0.1 0.2\n", `line 1: load 3 is "", not a number`},
		{"loadavg", "0.1 nan 0.2\n", `line 1: load 2 is "nan"`},
		{"loadavg", "0.1 0. 0.2\n", `line 1: load 2 is "0."`},
		{"meminfo", "", "no values"},
		{"meminfo", "MemTotal 1 kB\n", "line 1: no colon"},
		{"meminfo", "MemTotal: 1 kB\nMemFree: x kB\n", `line 2: MemFree is "x"`},
		{"meminfo", "MemTotal: 1 MB\n", `line 1: MemTotal has the unit "MB"`},
		{"vmstat", "\n", "no values"},
		{"vmstat", "pgfault 1\npgmajfault\n", `line 2: pgmajfault is ""`},
		{"pressure", "", `no line "some"`},
		{"pressure", "full avg10=0.00 total=1\n", `no line "some"`},
		{"pressure", "some avg10=0.00\n", "line 1: no total"},
		{"pressure", "some total=1s\n", `line 1: total is "1s"`},
		{"diskstats", "8 0\n", "line 1: no device name"},
		{"diskstats", "8 0 sda 1 2 3 4\n", "line 1: sda has 4 values, not 11, 15 or 17"},
		{"diskstats", "8 0 sda 1 2 3 4 5 6 7 8 9 x 11\n", "line 1: value 10 of sda is not a number"},
		{"mounts", "/dev/sda1 / ext4\n", "line 1: fewer than 4 fields"},
		{"net/dev", "", "no headings"},
		{"net/dev", "a\nb\neth0 1 2\n", "line 3: no colon"},
		{"net/dev", "a\nb\n: 1 2\n", "line 3: no device name"},
		{"net/dev", "a\nb\neth0: 1 2\n", "line 3: eth0 has 2 counters, not 16"},
		{"net/dev", "a\nb\neth0: 1 -2\n", "line 3: counter 2 of eth0 is not a number"},
		{"net/snmp", "", "no counters"},
		{"net/snmp", "Tcp\n", "line 1: no protocol"},
		{"net/snmp", "Tcp: A B\nUdp: 1 2\n", `line 2: values of "Udp" after names of "Tcp"`},
		{"net/snmp", "Tcp: A B\n", `values of "" after names of "Tcp"`},
		{"net/snmp", "Tcp: A B\nTcp: 1\n", "line 2: Tcp has not as many values as names"},
		{"net/snmp", "Tcp: A\nTcp: 1 2\n", "line 2: Tcp has not as many values as names"},
		{"net/snmp", "Tcp: A\nTcp: --1\n", `line 2: Tcp A is "--1"`},
		{"sockstat", "", "no counters"},
		{"sockstat", "TCP inuse 1\n", "line 1: no protocol"},
		{"sockstat", "TCP: inuse\n", `line 1: TCP inuse is ""`},
		{"statm", "1\n", `line 1: resident size is ""`},
		{"cpuinfo", "model name: x\n", "no processors"},
		{"cpu.max", "max\n", `line 1: the period is ""`},
		{"cpu.max", "1x 100000\n", `line 1: the quota is "1x"`},
		{"memory.max", "", `"" is not a number`},
		{"self/cgroup", "0::/\n1:cpu\n", "line 2: fewer than 3 fields"},
		{"mountinfo", "1 2 0:3 / /mnt rw - ext4\n", "line 1: too few fields"},
		{"os-release", "NAME\n", "line 1: no ="},
		{"os-release", "A=1\nNAME=\"x\n", "line 2: the quotes of NAME do not match"},
		{"PID/stat", "1 init S\n", "line 1: no command name"},
		{"PID/stat", "1 (init)\n", "line 1: no state"},
		{"PID/stat", "1 (init) S 1 2 3\n", "line 1: the number of threads is not a number"},
	} {
		err := parsers[test.file]([]byte(test.content))
		var malformed *ParseError
		if !errors.As(err, &malformed) {
			t.Errorf("%s: %q: error %v", test.file, test.content, err)
			continue
		}
		malformed.File = "F"
		if !strings.HasPrefix(strings.TrimPrefix(malformed.Error(), "parsing F: "), test.want) &&
			!strings.Contains(malformed.Error(), test.want) {
			t.Errorf("%s: %q: error %q, want %q", test.file, test.content, malformed, test.want)
		}
	}
}

// FuzzParsers gives every parser the same bytes: none may panic, and what a
// parser refuses it must refuse with a ParseError.
func FuzzParsers(f *testing.F) {
	err := filepath.WalkDir("testdata", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if strings.HasPrefix(path, filepath.Join("testdata", "fuzz")) {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f.Add(content)
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for name, parse := range parsers {
			err := parse(content)
			var malformed *ParseError
			if err != nil && !errors.As(err, &malformed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machine describes where the figures come from.
func machine(ctx context.Context, b *bytes.Buffer) {
	fmt.Fprintf(b, "- machine: %s, %d cores, %.1f GiB of memory\n", cpuModel(), runtime.NumCPU(), memoryGiB())
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		fmt.Fprintf(b, "- kernel: %s %s\n", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]))
	}
	program := output1(ctx, filepath.Join(*dir, "sonde"), "--version")
	fmt.Fprintf(b, "- %s, %d runs\n", program, *runs)
	if quick() {
		b.WriteString("- a quick run, with fewer agents and hosts than the rows say: not for keeping\n")
	}
	var peers []string
	for _, s := range peerStores {
		if s.missing() == nil {
			peers = append(peers, s.title+" "+s.version())
		}
	}
	if exporterMissing() == nil {
		peers = append(peers, "node_exporter "+exporterVersion(ctx))
	}
	if len(peers) > 0 {
		fmt.Fprintf(b, "- peers: %s\n", strings.Join(peers, ", "))
	}
	if *web {
		fmt.Fprintf(b, "- browser: %s\n", output1(ctx, chromium(), "--version"))
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Fprintf(b, "- load average at the end: %s\n", strings.Join(strings.Fields(string(load))[:3], " "))
	}
}

var (
	modelLine  = regexp.MustCompile(`(?m)^(?:model name|Model)\s*:\s*(.+)$`)
	memoryInfo = regexp.MustCompile(`(?m)^MemTotal:\s+(\d+) kB$`)
)

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	if m := modelLine.FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return runtime.GOARCH
}

func memoryGiB() float64 {
	text, _ := os.ReadFile("/proc/meminfo")
	m := memoryInfo.FindSubmatch(text)
	if m == nil {
		return 0
	}
	kb, _ := strconv.ParseFloat(string(m[1]), 64) // \d+
	return kb / (1 << 20)
}

// output1 is the one line that a command prints, or "unknown".
func output1(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// sizes are those of the images, where an engine has them, else of the binaries.
func sizes(ctx context.Context) (agent, server, kind string) {
	image := func(name string) (string, bool) {
		bytes, err := strconv.ParseFloat(output1(ctx, "docker", "image", "inspect", "--format", "{{.Size}}", name), 64)
		return fmt.Sprintf("%.1f MiB", bytes*mib), err == nil
	}
	agent, haveAgent := image("sonde-agent")
	server, haveServer := image("sonde")
	if haveAgent && haveServer {
		return agent, server, "image, unpacked"
	}
	file := func(name string) string {
		st, err := os.Stat(filepath.Join(*dir, name))
		if err != nil {
			return "unknown"
		}
		return fmt.Sprintf("%.1f MiB", float64(st.Size())*mib)
	}
	return file("sonde-agent"), file("sonde"), "binary, stripped"
}

package remote_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sonde.dev/sonde/server/internal/series/remote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// storesDir is the folder with the stores that scripts/stores.sh builds.
const storesDir = "SONDE_STORES"

// kind is a program that tests write to.
type kind struct {
	name string
	// where finds the program; empty when it is not installed.
	where func() string
	args  func(dir, address string) []string
	// write is the path of remote write.
	write string
	// histograms is the form in which it takes them.
	histograms string
	// stop is the signal that what it has accepted survives.
	stop syscall.Signal
}

func built(name string) func() string {
	return func() string {
		if path := filepath.Join(os.Getenv(storesDir), name); os.Getenv(storesDir) != "" {
			return path
		}
		return ""
	}
}

func installed(name string) func() string {
	return func() string {
		path, _ := exec.LookPath(name) // empty: not installed
		return path
	}
}

func prometheusArgs(dir, address string) []string {
	config := filepath.Join(dir, "prometheus.yml")
	text := "storage:\n  tsdb:\n    out_of_order_time_window: 7d\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		panic(err)
	}
	return []string{
		"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"),
		"--web.listen-address=" + address, "--web.enable-remote-write-receiver", "--enable-feature=native-histograms",
	}
}

var kinds = []kind{
	// Debian's, of the time before remote write 2.0.
	{name: "prometheus", where: installed("prometheus"), args: prometheusArgs, write: "/api/v1/write", histograms: remote.Native, stop: syscall.SIGKILL},
	{name: "prometheus3", where: built("prometheus"), args: prometheusArgs, write: "/api/v1/write", histograms: remote.Native, stop: syscall.SIGKILL},
	{
		name: "victoria-metrics", where: built("victoria-metrics"), write: "/api/v1/write", histograms: remote.VMRange, stop: syscall.SIGTERM,
		args: func(dir, address string) []string {
			return []string{"-storageDataPath=" + dir, "-httpListenAddr=" + address, "-retentionPeriod=100y"}
		},
	},
}

// process is a running store.
type process struct {
	t       *testing.T
	kind    kind
	dir     string
	address string
	cmd     *exec.Cmd
}

func eachKind(t *testing.T, f func(t *testing.T, p *process)) {
	if testing.Short() {
		t.Skip("starts stores")
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			if k.where() == "" {
				t.Skipf("%s is not installed: see scripts/stores.sh", k.name)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			p := &process{t: t, kind: k, dir: t.TempDir(), address: l.Addr().String()}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			p.start()
			t.Cleanup(func() { p.stop(syscall.SIGKILL) })
			f(t, p)
		})
	}
}

func (p *process) url() string { return "http://" + p.address }

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.kind.where(), p.kind.args(p.dir, p.address)...)
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	until(p.t, "the store answers", func() error {
		defer http.DefaultClient.CloseIdleConnections()
		res, err := http.Get(p.url() + "/api/v1/query?query=1")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("HTTP %d", res.StatusCode)
		}
		return nil
	})
}

func (p *process) stop(signal syscall.Signal) {
	p.t.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Error(err)
	}
	_ = p.cmd.Wait() // the signal
}

// until waits for a condition.
func until(t *testing.T, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waiting until %s: %v", what, err)
		}
	}
}

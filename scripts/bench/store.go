package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// store is a peer that takes samples by Prometheus' remote write; scripts/stores.sh
// builds it.
type store struct {
	name  string // of its program
	title string
	v2    bool // it knows remote write 2.0
	// histograms is the form in which it takes them from a server of Sonde.
	histograms string
	args       func(dir, address string) []string
}

var victoriaMetrics = store{
	name: "victoria-metrics", title: "VictoriaMetrics", histograms: "vmrange",
	args: func(dir, address string) []string {
		return []string{"-storageDataPath=" + dir, "-httpListenAddr=" + address, "-retentionPeriod=30d", "-loggerLevel=ERROR"}
	},
}

var prometheus = store{
	name: "prometheus", title: "Prometheus", v2: true, histograms: "native",
	args: func(dir, address string) []string {
		return []string{
			"--config.file=" + filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path=" + filepath.Join(dir, "data"),
			"--web.listen-address=" + address, "--web.enable-remote-write-receiver", "--log.level=error",
		}
	},
}

func (s store) path() string { return filepath.Join(*stores, s.name) }

// missing says why the store cannot be measured.
func (s store) missing() error {
	if *stores == "" {
		return fmt.Errorf("%w: no folder of stores was named", errLeftOut)
	}
	if _, err := os.Stat(s.path()); err != nil {
		return fmt.Errorf("%w: %w (scripts/stores.sh builds it)", errLeftOut, err)
	}
	return nil
}

// version is that of the module that the program is from.
func (s store) version() string {
	info, err := buildinfo.ReadFile(s.path())
	if err != nil {
		return "unknown"
	}
	return info.Main.Version
}

// runningStore is one over a folder of its own.
type runningStore struct {
	*process
	dir, address string
}

func startStore(ctx context.Context, scratch string, s store) (*runningStore, error) {
	dir, err := os.MkdirTemp(scratch, s.name+"-*")
	if err != nil {
		return nil, err
	}
	// As docs/stores.md has it.
	config := "storage:\n  tsdb:\n    out_of_order_time_window: 7d\n"
	err = os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600)
	address, aerr := freeAddress()
	if err := errors.Join(err, aerr); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	p, err := start(ctx, s.path(), s.args(dir, address)...)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	r := &runningStore{process: p, dir: dir, address: address}
	if err := p.answers("http://" + address + "/api/v1/query?query=1"); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *runningStore) close() {
	r.stop()
	os.RemoveAll(r.dir)
}

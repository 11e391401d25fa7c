package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// exporterName is the program of Debian's package of the same name.
const exporterName = "prometheus-node-exporter"

// exporterMissing says why node_exporter cannot be measured.
func exporterMissing() error {
	if _, err := exec.LookPath(exporterName); err != nil {
		return fmt.Errorf("%w: %w (on Debian: apt-get install %s)", errLeftOut, err, exporterName)
	}
	return errors.Join(prometheus.missing(), victoriaMetrics.missing())
}

// exporterVersion is as its program says.
func exporterVersion(ctx context.Context) string {
	first, _, _ := strings.Cut(output1(ctx, exporterName, "--version"), " (")
	return strings.TrimPrefix(first, "node_exporter, version ")
}

// exporter measures node_exporter with its default collectors, and a Prometheus in
// agent mode that scrapes it once a second and writes to a store.
func exporter(ctx context.Context, dir string, window time.Duration) (results, error) {
	if err := exporterMissing(); err != nil {
		return nil, err
	}
	to, err := startStore(ctx, dir, victoriaMetrics)
	if err != nil {
		return nil, err
	}
	defer to.close()
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	host, err := start(ctx, exporterName, "--web.listen-address="+address)
	if err != nil {
		return nil, err
	}
	defer host.stop()
	metrics := "http://" + address + "/metrics"
	if err := host.answers(metrics); err != nil {
		return nil, err
	}
	scraper, err := startScraper(ctx, dir, address, to.address)
	if err != nil {
		return nil, err
	}
	defer scraper.close()
	if err := sleep(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	r := make(results)
	if err := r.use(ctx, window, map[string]*process{"exporter": host, "scraper": scraper.process}); err != nil {
		return nil, err
	}
	for _, what := range []string{" cpu", " rss"} {
		r.sum("exporter and scraper"+what, "exporter"+what, "scraper"+what)
	}
	count, err := exposed(metrics)
	r.add("exporter series", float64(count))
	return r, err
}

// startScraper runs a Prometheus in agent mode.
func startScraper(ctx context.Context, scratch, target, to string) (*runningStore, error) {
	dir, err := os.MkdirTemp(scratch, "scraper-*")
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf(`global: {scrape_interval: 1s}
scrape_configs:
  - job_name: node
    static_configs: [{targets: [%q]}]
remote_write:
  - url: http://%s/api/v1/write
`, target, to)
	err = os.WriteFile(config, []byte(text), 0o600)
	address, aerr := freeAddress()
	if err := errors.Join(err, aerr); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	p, err := start(ctx, prometheus.path(), "--agent", "--config.file="+config, "--storage.agent.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=error")
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	r := &runningStore{process: p, dir: dir, address: address}
	if err := p.answers("http://" + address + "/-/ready"); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// use adds the CPU a second and the memory of programs over the window.
func (r results) use(ctx context.Context, window time.Duration, programs map[string]*process) error {
	before := make(map[string]time.Duration)
	for name, p := range programs {
		cpu, err := p.cpu()
		if err != nil {
			return err
		}
		before[name] = cpu
	}
	began := time.Now()
	if err := sleep(ctx, window); err != nil {
		return err
	}
	for name, p := range programs {
		cpu, err := p.cpu()
		if err != nil {
			return err
		}
		r.add(name+" cpu", (cpu-before[name]).Seconds()/time.Since(began).Seconds())
		rss, anon, err := p.memory()
		if err != nil {
			return err
		}
		r.add(name+" rss", rss)
		r.add(name+" anon", anon)
	}
	return nil
}

// exposed counts the samples that a target exposes.
func exposed(url string) (count int, err error) {
	res, err := http.Get(url)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	for line := range bytes.Lines(body) {
		if line[0] != '#' {
			count++
		}
	}
	return count, err
}

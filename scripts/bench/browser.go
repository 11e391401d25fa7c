package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// script drives Chromium. It prints "ready" once that has started, reads the link
// that a server printed, and prints figures in milliseconds.
const script = "www/browser/bench.mjs"

// browserMissing says why nothing can be measured in a browser.
func browserMissing() error {
	if !*web {
		return fmt.Errorf("%w: the server has no web application in it (make build)", errLeftOut)
	}
	for _, path := range []string{"www/node_modules", chromium()} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%w: %w", errLeftOut, err)
		}
	}
	return nil
}

func chromium() string { return cmp.Or(os.Getenv("CHROMIUM"), "/usr/bin/chromium") }

// browser is a run of the script.
type browser struct {
	*process
	input io.WriteCloser
}

func startBrowser(ctx context.Context, args ...string) (*browser, error) {
	cmd := exec.CommandContext(ctx, "node", append([]string{script}, args...)...)
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p, err := startCommand(cmd)
	if err != nil {
		return nil, err
	}
	b := &browser{p, input}
	if err := p.await("the browser", func() bool { return strings.Contains(p.output.String(), "ready\n") }); err != nil {
		p.stop()
		return nil, err
	}
	return b, nil
}

// measure lets the script begin, and returns its figures.
func (b *browser) measure(link string) (results, error) {
	if _, err := fmt.Fprintln(b.input, link); err != nil {
		return nil, err
	}
	<-b.exited
	text := b.output.String()
	if b.err != nil {
		return nil, fmt.Errorf("%s: %w:\n%s", script, b.err, text)
	}
	r := make(results)
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", script, err)
		}
		r.add(name, v/ms)
	}
	return r, nil
}

var linkLine = regexp.MustCompile(`http://\S+/login\S+`)

// link is what the server prints for its first user.
func (s *server) link() (link string, err error) {
	err = s.await("its link", func() bool {
		link = linkLine.FindString(s.output.String())
		return link != ""
	})
	return link, err
}

// browserOverview opens the overview of so many live hosts.
func browserOverview(ctx context.Context, dir string, hosts, runs int) (results, error) {
	if err := browserMissing(); err != nil {
		return nil, err
	}
	s, err := startServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// All of them enrol, each with a flush of the disk, before the first has a
	// stream, which would be ended while nothing is heard on it.
	list := make([]*madeUpHost, hosts)
	for i := range list {
		if list[i], err = s.madeUpHost(ctx, fmt.Sprintf("host-%04d", i), hostSeries()); err != nil {
			return nil, err
		}
		defer list[i].close()
	}
	end := time.Now().Truncate(time.Second)
	for _, h := range list {
		if err := h.send(end.Add(-time.Minute), time.Minute, 60); err != nil {
			return nil, err
		}
	}
	var living errgroup.Group
	living.Go(func() error { return live(ctx, list, end) })
	defer living.Wait()
	defer cancel()
	b, err := startBrowser(ctx, "overview", fmt.Sprint(hosts), fmt.Sprint(runs))
	if err != nil {
		return nil, err
	}
	defer b.stop()
	link, err := s.link()
	if err != nil {
		return nil, err
	}
	r, err := b.measure(link)
	cancel()
	return r, errors.Join(err, living.Wait())
}

// live sends what hosts have taken since begin, every second until ctx ends.
func live(ctx context.Context, hosts []*madeUpHost, sent time.Time) error {
	for {
		next := sent.Add(time.Second)
		if err := sleep(ctx, time.Until(next)); err != nil {
			return nil
		}
		for _, h := range hosts {
			if err := h.send(sent, time.Second, 1); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
		}
		sent = next
	}
}

// firstChart measures from the start of a server and an agent without any data to
// a chart of the host in a browser, of which the start is not counted.
func firstChart(ctx context.Context, dir string, runs int) (results, error) {
	if err := browserMissing(); err != nil {
		return nil, err
	}
	r := make(results)
	for range runs {
		one, err := firstChartOnce(ctx, dir)
		if err != nil {
			return nil, err
		}
		r.merge(one)
	}
	return r, nil
}

func firstChartOnce(ctx context.Context, dir string) (results, error) {
	b, err := startBrowser(ctx, "first-chart")
	if err != nil {
		return nil, err
	}
	defer b.stop()
	began := time.Now()
	s, err := startServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	link, err := s.link()
	if err != nil {
		return nil, err
	}
	a, err := startAgent(ctx, dir, s)
	if err != nil {
		return nil, err
	}
	defer a.close()
	started := time.Since(began)
	r, err := b.measure(link)
	if err != nil {
		return nil, err
	}
	for i := range r["first chart"] {
		r["first chart"][i] += started.Seconds()
	}
	return r, nil
}

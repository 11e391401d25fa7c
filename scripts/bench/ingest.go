package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load is what `sonde bench agents` puts on a server.
type load struct {
	agents, series int
	submission     time.Duration
	// window is how long the server is watched. It begins between two batches,
	// once every agent has sent one, and is a multiple of submission.
	window time.Duration
}

// warmUp is how long the load runs before the server is watched.
func (l load) warmUp() time.Duration {
	return (3*time.Second + l.submission - 1).Truncate(l.submission)
}

// ingest measures the server under l. With count, what goes over its sockets is
// counted by a proxy, which CPU is not to be measured with.
func ingest(ctx context.Context, dir string, l load, count bool) (r results, err error) {
	s, err := startServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	r = make(results)
	idle, _, err := s.memory()
	if err != nil {
		return nil, err
	}
	r.add("server rss idle", idle)

	target := s.address
	var proxy *proxy
	if count {
		if proxy, err = newProxy(s.address); err != nil {
			return nil, err
		}
		defer proxy.close()
		target = proxy.listener.Addr().String()
	}
	generator, err := start(ctx, filepath.Join(dir, "sonde"), "bench", "agents",
		"--server", "http://"+target, "--join-token-file", s.joinToken(),
		"--count", fmt.Sprint(l.agents), "--series", fmt.Sprint(l.series),
		"--submission-interval", l.submission.String(),
		"--duration", (l.warmUp() + l.submission/2 + l.window).String())
	if err != nil {
		return nil, err
	}
	defer generator.stop()
	err = generator.await("the first sample", func() bool { return strings.Contains(generator.output.String(), "measuring\n") })
	if err != nil {
		return nil, err
	}
	begin := time.Now().Truncate(l.submission).Add(l.warmUp() + l.submission/2)
	before, err := watch(ctx, s, proxy, begin)
	if err != nil {
		return nil, err
	}
	after, err := watch(ctx, s, proxy, begin.Add(l.window))
	if err != nil {
		return nil, err
	}
	rss, _, err := s.memory()
	if err != nil {
		return nil, err
	}
	r.add("server rss loaded", rss)
	samples := after.samples - before.samples
	if samples == 0 {
		return nil, errors.New("no sample was stored")
	}
	r.add("payload bytes a sample", (after.payload-before.payload)/samples)
	r.add("ns a sample", float64(after.cpu-before.cpu)/samples)
	r.add("socket bytes a sample", float64(after.up-before.up)/samples)
	r.add("socket bytes a sample, answers", float64(after.down-before.down)/samples)
	<-generator.exited
	if generator.err != nil {
		return nil, fmt.Errorf("sonde bench agents: %w:\n%s", generator.err, generator.output.String())
	}
	return r, r.addQuantiles("ack", delayLine, generator.output.String())
}

var delayLine = regexp.MustCompile(`(?m)^ack delay +p50 (\S+), p99 (\S+), max`)

// addQuantiles takes the p50 and the p99 of a line that a command reports.
func (r results) addQuantiles(name string, line *regexp.Regexp, report string) error {
	m := line.FindStringSubmatch(report)
	if m == nil {
		return fmt.Errorf("%s: the report is not understood:\n%s", name, report)
	}
	p50, err50 := time.ParseDuration(m[1])
	p99, err99 := time.ParseDuration(m[2])
	r.add(name+" p50", p50.Seconds())
	r.add(name+" p99", p99.Seconds())
	return errors.Join(err50, err99)
}

// counts are those of a server at one moment.
type counts struct {
	cpu              time.Duration
	samples, payload float64
	up, down         int64
}

// watch waits until at and reads the counts.
func watch(ctx context.Context, s *server, p *proxy, at time.Time) (c counts, err error) {
	if err := sleep(ctx, time.Until(at)); err != nil {
		return c, err
	}
	if p != nil {
		c.up, c.down = p.up.Load(), p.down.Load()
	}
	if c.cpu, err = s.cpu(); err != nil {
		return c, err
	}
	text, err := s.get("/metrics")
	if err != nil {
		return c, err
	}
	var perr error
	c.samples, err = counter(text, "sonde_server_ingest_samples_total")
	c.payload, perr = counter(text, "sonde_server_ingest_payload_bytes_total")
	return c, errors.Join(err, perr)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// proxy passes TCP connections on and counts their bytes.
type proxy struct {
	listener net.Listener
	up, down atomic.Int64
	copying  sync.WaitGroup
}

func newProxy(target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l}
	p.copying.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				near.Close()
				continue
			}
			p.copying.Go(func() { pass(far, near, &p.up) })
			p.copying.Go(func() { pass(near, far, &p.down) })
		}
	})
	return p, nil
}

// close waits until all connections have ended.
func (p *proxy) close() {
	p.listener.Close()
	p.copying.Wait()
}

func pass(to, from net.Conn, count *atomic.Int64) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		count.Add(int64(n))
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

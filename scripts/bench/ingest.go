package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
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
func ingest(ctx context.Context, dir string, l load, count bool) (results, error) {
	s, err := startServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.ingest(ctx, dir, l, count, nil)
}

// ingestElsewhere measures a server that keeps its samples in a store, and the
// store.
func ingestElsewhere(ctx context.Context, dir string, l load, to store) (results, error) {
	if err := to.missing(); err != nil {
		return nil, err
	}
	st, err := startStore(ctx, dir, to)
	if err != nil {
		return nil, err
	}
	defer st.close()
	url := "http://" + st.address
	s, err := startServer(ctx, dir, "--metrics-write", url+"/api/v1/write", "--metrics-read", url, "--metrics-histograms", to.histograms)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.ingest(ctx, dir, l, false, st.process)
}

// ingest measures the server, and the store if it has one elsewhere.
func (s *server) ingest(ctx context.Context, dir string, l load, count bool, elsewhere *process) (r results, err error) {
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
	generator, err := startLoad(ctx, dir, "http://"+target, s.joinToken(), l,
		"--duration", (l.warmUp() + l.submission/2 + l.window).String())
	if err != nil {
		return nil, err
	}
	defer generator.stop()
	read := func() (c counts, err error) {
		if proxy != nil {
			c.up, c.down = float64(proxy.up.Load()), float64(proxy.down.Load())
		}
		if elsewhere != nil {
			if c.store, err = elsewhere.cpu(); err != nil {
				return c, err
			}
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
	if err := r.watch(ctx, s.process, l, read); err != nil {
		return nil, err
	}
	rss, _, err := s.memory()
	if err != nil {
		return nil, err
	}
	r.add("server rss loaded", rss)
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

// counts are those of a program that takes samples, at one moment.
type counts struct {
	cpu              time.Duration
	store            time.Duration // of the CPU of a store elsewhere
	samples, payload float64
	up, down         float64
}

// watch adds what a sample costs the program p within the window of l, whose
// load has just begun; read counts what was taken.
func (r results) watch(ctx context.Context, p *process, l load, read func() (counts, error)) error {
	at := func(t time.Time) (counts, error) {
		if err := sleep(ctx, time.Until(t)); err != nil {
			return counts{}, err
		}
		cpu, err := p.cpu()
		if err != nil {
			return counts{}, err
		}
		c, err := read()
		c.cpu = cpu
		return c, err
	}
	begin := time.Now().Truncate(l.submission).Add(l.warmUp() + l.submission/2)
	before, err := at(begin)
	if err != nil {
		return err
	}
	after, err := at(begin.Add(l.window))
	if err != nil {
		return err
	}
	samples := after.samples - before.samples
	if samples == 0 {
		return errors.New("no sample was stored")
	}
	r.add("ns a sample", float64(after.cpu-before.cpu)/samples)
	r.add("store's ns a sample", float64(after.store-before.store)/samples)
	r.add("payload bytes a sample", (after.payload-before.payload)/samples)
	r.add("socket bytes a sample", (after.up-before.up)/samples)
	r.add("socket bytes a sample, answers", (after.down-before.down)/samples)
	return nil
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

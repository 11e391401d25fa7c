package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang/snappy"
	"github.com/google/uuid"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"golang.org/x/sync/errgroup"

	agentload "sonde.dev/sonde/agent/load"
)

// remoteWrite measures a store under l: the samples and labels that
// `sonde bench agents` leads to, in one request of remote write for each agent
// and batch.
func remoteWrite(ctx context.Context, dir string, st store, l load) (results, error) {
	if err := st.missing(); err != nil {
		return nil, err
	}
	s, err := startStore(ctx, dir, st)
	if err != nil {
		return nil, err
	}
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	writing, ctx := errgroup.WithContext(ctx)
	w := newWriter("http://"+s.address+"/api/v1/write", st.v2, l)
	defer w.client.CloseIdleConnections()
	writing.Go(func() error { return w.run(ctx, writing) })

	r := make(results)
	err = r.watch(ctx, s.process, l, func() (counts, error) {
		return counts{
			samples: float64(w.accepted.Load()), payload: float64(w.payload.Load()),
			up: float64(w.up.Load()), down: float64(w.down.Load()),
		}, nil
	})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // what went wrong with a request
		}
		cancel()
		_ = writing.Wait() // the same, or that it was cancelled
		return nil, fmt.Errorf("remote write to %s: %w", st.title, err)
	}
	if err := writing.Wait(); err != nil {
		return nil, fmt.Errorf("remote write to %s: %w", st.title, err)
	}
	rss, _, err := s.memory()
	r.add("server rss loaded", rss)
	return r, err
}

// writer sends the samples of many hosts by remote write, over a connection for
// each. Times are those of the agents of package load: a tick at every full
// second, a batch a little after each boundary of the submission interval.
type writer struct {
	url    string
	v2     bool
	load   load
	client *http.Client

	accepted, payload, up, down atomic.Int64
}

func newWriter(url string, v2 bool, l load) *writer {
	w := &writer{url: url, v2: v2, load: l}
	w.client = &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			MaxIdleConnsPerHost: l.agents,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, address)
				return countedConn{c, w}, err
			},
		},
	}
	return w
}

// countedConn counts the bytes of a writer's connections.
type countedConn struct {
	net.Conn
	w *writer
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.w.down.Add(int64(n))
	return n, err
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.w.up.Add(int64(n))
	return n, err
}

// tick is what every host has at a time, in milliseconds.
type tick struct {
	time   int64
	values []float64
}

// settle is how long after its boundary a batch leaves.
const settle = 30 * time.Millisecond

// run sends until the window of the load is over. A batch that finds the one
// before still on its way is an error.
func (w *writer) run(ctx context.Context, hosts *errgroup.Group) error {
	host := agentload.NewHost(w.load.series)
	batches := make([]chan []tick, w.load.agents)
	for i := range batches {
		batches[i] = make(chan []tick, 1)
		encode := w.encoder(host, i)
		hosts.Go(func() error {
			for batch := range batches[i] {
				if err := w.send(ctx, encode(batch), len(batch)*w.load.series); err != nil {
					return err
				}
			}
			return nil
		})
	}
	defer func() {
		for _, c := range batches {
			close(c)
		}
	}()
	var gathered []tick
	begun := time.Now()
	end := begun.Add(w.load.warmUp() + w.load.submission + w.load.window)
	for next := begun.Truncate(time.Second).Add(time.Second); next.Before(end); next = next.Add(time.Second) {
		if err := sleep(ctx, time.Until(next)); err != nil {
			return err
		}
		gathered = append(gathered, tick{next.UnixMilli(), slices.Clone(host.Next())})
		if !next.Truncate(w.load.submission).Equal(next) {
			continue
		}
		if err := sleep(ctx, settle); err != nil {
			return err
		}
		for _, c := range batches {
			select {
			case c <- gathered:
			default:
				return fmt.Errorf("a request takes longer than %v", w.load.submission)
			}
		}
		gathered = nil
	}
	return nil
}

// encoder returns what makes the body of a request of the host i.
func (w *writer) encoder(host *agentload.Host, i int) func([]tick) []byte {
	agent := uuid.NewString()
	list := make([]labels.Labels, w.load.series)
	for c := range list {
		metric, device := host.Series(c)
		list[c] = labels.FromStrings("__name__", metric, "agent", agent, "device", device,
			"instance", fmt.Sprintf("load-%05d", i), "job", "node")
	}
	if w.v2 {
		return encoderV2(list)
	}
	return encoderV1(list)
}

func encoderV1(list []labels.Labels) func([]tick) []byte {
	req := prompb.WriteRequest{Timeseries: make([]prompb.TimeSeries, len(list))}
	for c, ls := range list {
		req.Timeseries[c].Labels = prompb.FromLabels(ls, nil)
	}
	return func(batch []tick) []byte {
		for c := range req.Timeseries {
			ts := &req.Timeseries[c]
			ts.Samples = ts.Samples[:0]
			for _, t := range batch {
				ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: t.time, Value: t.values[c]})
			}
		}
		return compress(req.Marshal())
	}
}

func encoderV2(list []labels.Labels) func([]tick) []byte {
	symbols := writev2.NewSymbolTable()
	req := writev2.Request{Timeseries: make([]writev2.TimeSeries, len(list))}
	for c, ls := range list {
		ts := &req.Timeseries[c]
		ts.LabelsRefs = symbols.SymbolizeLabels(ls, nil)
		ts.Metadata.Type = writev2.Metadata_METRIC_TYPE_GAUGE
		if strings.HasSuffix(ls.Get("__name__"), "_total") {
			ts.Metadata.Type = writev2.Metadata_METRIC_TYPE_COUNTER
		}
	}
	req.Symbols = symbols.Symbols()
	return func(batch []tick) []byte {
		for c := range req.Timeseries {
			ts := &req.Timeseries[c]
			ts.Samples = ts.Samples[:0]
			for _, t := range batch {
				ts.Samples = append(ts.Samples, writev2.Sample{Timestamp: t.time, Value: t.values[c]})
			}
		}
		return compress(req.Marshal())
	}
}

func compress(message []byte, err error) []byte {
	if err != nil {
		panic(err) // it is made of numbers and of labels that are UTF-8
	}
	return snappy.Encode(nil, message)
}

func (w *writer) send(ctx context.Context, body []byte, samples int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	contentType, version := "application/x-protobuf", "0.1.0"
	if w.v2 {
		contentType, version = contentType+";proto=io.prometheus.write.v2.Request", "2.0.0"
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("X-Prometheus-Remote-Write-Version", version)
	res, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", res.Status, text)
	}
	if err != nil {
		return err
	}
	if w.v2 && res.Header.Get("X-Prometheus-Remote-Write-Samples-Written") != fmt.Sprint(samples) {
		return fmt.Errorf("%q of %d samples were written", res.Header.Get("X-Prometheus-Remote-Write-Samples-Written"), samples)
	}
	w.payload.Add(int64(len(body)))
	w.accepted.Add(int64(samples))
	return nil
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"

	"sonde.dev/sonde/internal/wire"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

// hostSeries are the series of a made-up host, as many as the expressions need.
func hostSeries() []wire.Series {
	var list []wire.Series
	add := func(name string, labels ...wire.Label) {
		list = append(list, wire.Series{Name: name, Labels: labels, Kind: wire.Float})
	}
	for _, cpu := range []string{"0", "1"} {
		for _, mode := range []string{"idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"} {
			add("node_cpu_seconds_total", wire.Label{Name: "cpu", Value: cpu}, wire.Label{Name: "mode", Value: mode})
		}
	}
	for _, name := range []string{"node_load1", "node_load5", "node_load15", "node_memory_MemTotal_bytes",
		"node_memory_MemAvailable_bytes", "node_memory_Cached_bytes", "node_memory_SwapFree_bytes",
		"node_pressure_cpu_waiting_seconds_total", "node_pressure_io_waiting_seconds_total", "node_procs_running",
		"node_context_switches_total", "node_forks_total", "node_netstat_Tcp_RetransSegs", "node_netstat_Tcp_OutSegs",
		"node_netstat_Tcp_CurrEstab"} {
		add(name)
	}
	for _, name := range []string{"node_disk_read_bytes_total", "node_disk_written_bytes_total", "node_disk_reads_completed_total",
		"node_disk_read_time_seconds_total", "node_disk_io_time_seconds_total", "node_network_receive_bytes_total", "node_network_transmit_bytes_total"} {
		add(name, wire.Label{Name: "device", Value: "a"})
		add(name, wire.Label{Name: "device", Value: "b"})
	}
	for _, name := range []string{"node_filesystem_size_bytes", "node_filesystem_avail_bytes"} {
		add(name, wire.Label{Name: "device", Value: "/dev/a"}, wire.Label{Name: "fstype", Value: "ext4"}, wire.Label{Name: "mountpoint", Value: "/"})
	}
	return list
}

// madeUpHost is an agent whose past can be sent: its samples bear any times.
type madeUpHost struct {
	id         string
	credential string
	ctx        context.Context // of its stream
	cancel     context.CancelFunc
	transport  *http.Transport
	client     sondev1connect.AgentServiceClient
	stream     *connect.BidiStreamForClientSimple[sondev1.ConnectRequest, sondev1.ConnectResponse] // nil before the first batch
	encoder    *wire.Encoder
	schema     *wire.Schema
	rows       int
	seq, acked uint64
}

// madeUpHost enrols one.
func (s *server) madeUpHost(ctx context.Context, name string, series []wire.Series) (*madeUpHost, error) {
	schema, err := wire.NewSchema(series)
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(s.joinToken())
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	h := &madeUpHost{transport: &http.Transport{Protocols: protocols}, encoder: wire.NewEncoder(), schema: schema}
	h.client = sondev1connect.NewAgentServiceClient(&http.Client{Transport: h.transport}, s.url, connect.WithGRPC())
	me, err := h.client.Enroll(ctx, &sondev1.EnrollRequest{JoinToken: string(bytes.TrimSpace(token)), Host: &sondev1.HostFacts{Hostname: name}})
	if err != nil {
		h.transport.CloseIdleConnections()
		return nil, err
	}
	h.id, h.credential = me.AgentId, me.Credential
	h.ctx, h.cancel = context.WithCancel(ctx)
	return h, nil
}

// connect opens the host's stream.
func (h *madeUpHost) connect() (err error) {
	ctx, call := connect.NewClientContext(h.ctx)
	call.RequestHeader().Set("Authorization", "Bearer "+h.credential)
	if h.stream, err = h.client.Connect(ctx); err != nil {
		return err
	}
	for _, m := range []*sondev1.ConnectRequest{
		{Message: &sondev1.ConnectRequest_Hello{Hello: &sondev1.Hello{AgentId: h.id, BootId: make([]byte, 16), SubmissionIntervalMs: 1000}}},
		{Message: &sondev1.ConnectRequest_Schema{Schema: h.schema.Proto()}},
	} {
		if err := h.stream.Send(m); err != nil {
			return err
		}
	}
	return nil
}

func (h *madeUpHost) close() {
	h.cancel()
	if h.stream != nil {
		h.stream.CloseRequest()
		h.stream.CloseResponse()
	}
	h.transport.CloseIdleConnections()
}

// inFlight is how many batches may wait for their acknowledgement, which is less
// than a server lets be.
const inFlight = 16

// send sends a sample of each series for every second of span after begin, in
// batches of so many ticks, and returns when all are durable but the last few.
func (h *madeUpHost) send(begin time.Time, span time.Duration, ticks int) error {
	if h.stream == nil {
		if err := h.connect(); err != nil {
			return err
		}
	}
	block := wire.Block{Schema: h.schema, Times: make([]int64, ticks), Floats: make([]float64, ticks*h.schema.Floats())}
	for at := begin; at.Before(begin.Add(span)); at = at.Add(time.Duration(ticks) * time.Second) {
		for k := range ticks {
			block.Times[k] = at.Add(time.Duration(k+1) * time.Second).UnixMilli()
			for c := range h.schema.Floats() {
				// Counters that grow at rates of their own, from a size like that of bytes.
				block.Floats[c*ticks+k] = 1e9 + float64((c%7+1)*h.rows) + float64((k*31+c)%5)/8
			}
			h.rows++
		}
		payload, err := h.encoder.Encode(nil, []wire.Block{block})
		if err != nil {
			return err
		}
		h.seq++
		if err := h.stream.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Batch{Batch: &sondev1.Batch{Seq: h.seq, Payload: payload}}}); err != nil {
			return err
		}
		if err := h.settle(inFlight); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until no more batches than these are not durable.
func (h *madeUpHost) settle(left uint64) error {
	for h.seq-h.acked > left {
		res, err := h.stream.Receive()
		if err != nil {
			return err
		}
		switch m := res.Message.(type) {
		case *sondev1.ConnectResponse_Ack:
			h.acked = m.Ack.Seq
		case *sondev1.ConnectResponse_Refusal:
			return fmt.Errorf("the server refused samples: %v: %s", m.Refusal.Reason, m.Refusal.Detail)
		}
	}
	return nil
}

// fill sends the samples of a new agent of the time up to end. It returns the
// agent's id once all are durable.
func (s *server) fill(ctx context.Context, end time.Time, span time.Duration) (string, error) {
	h, err := s.madeUpHost(ctx, "filled", hostSeries())
	if err != nil {
		return "", err
	}
	defer h.close()
	if err := h.send(end.Add(-span), span, 60); err != nil {
		return "", err
	}
	return h.id, h.settle(0)
}

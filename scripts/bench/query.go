package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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

// hostPage are expressions like those of a host's page; %s is the agent.
var hostPage = strings.Split(strings.TrimSpace(`
avg by (mode) (rate(node_cpu_seconds_total{agent="%s",mode!="idle"}[1m]))
clamp(1 - sum by (cpu) (rate(node_cpu_seconds_total{agent="%s",mode=~"idle|iowait"}[1m])), 0, 1)
{__name__=~"node_load1|node_load5|node_load15",agent="%s"}
rate(node_pressure_cpu_waiting_seconds_total{agent="%s"}[1m])
rate(node_pressure_io_waiting_seconds_total{agent="%s"}[1m])
{__name__=~"node_memory_.+_bytes",agent="%s"}
rate(node_disk_read_bytes_total{agent="%s"}[1m])
rate(node_disk_written_bytes_total{agent="%s"}[1m])
rate(node_disk_reads_completed_total{agent="%s"}[1m])
rate(node_disk_read_time_seconds_total{agent="%s"}[1m])
rate(node_disk_io_time_seconds_total{agent="%s"}[1m])
node_filesystem_size_bytes{agent="%s"}
node_filesystem_avail_bytes{agent="%s"}
rate(node_network_receive_bytes_total{agent="%s"}[1m])
rate(node_network_transmit_bytes_total{agent="%s"}[1m])
rate(node_netstat_Tcp_RetransSegs{agent="%s"}[1m])
node_netstat_Tcp_CurrEstab{agent="%s"}
node_procs_running{agent="%s"}
rate(node_context_switches_total{agent="%s"}[1m])
rate(node_forks_total{agent="%s"}[1m])`), "\n")

// overview are expressions like those of the overview, over all agents.
var overview = []string{
	`1 - avg by (agent) (rate(node_cpu_seconds_total{mode="idle"}[1m]))`,
	`1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes`,
	`max by (agent) (rate(node_disk_io_time_seconds_total[1m]))`,
	`max by (agent) (1 - node_filesystem_avail_bytes / node_filesystem_size_bytes)`,
	`sum by (agent) (rate(node_network_receive_bytes_total[1m]))`,
	`sum by (agent) (rate(node_network_transmit_bytes_total[1m]))`,
}

// queries fills a server with an hour of one host, and ten minutes of others up
// to hosts, at one sample a second, and measures how long it takes to answer.
func queries(ctx context.Context, dir string, hosts, runs int) (results, error) {
	s, err := startServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	end := time.Now().Truncate(time.Second)
	first, err := s.fill(ctx, end, time.Hour)
	for i := 1; i < hosts && err == nil; i++ {
		_, err = s.fill(ctx, end, 10*time.Minute)
	}
	if err != nil {
		return nil, err
	}
	exprs := make([]string, len(hostPage))
	for i, e := range hostPage {
		exprs[i] = fmt.Sprintf(e, first)
	}
	r := make(results)
	// One more than counts: the first run finds cold caches.
	for i := range runs + 1 {
		page, err := s.queryRange(ctx, exprs, end.Add(-time.Hour), end, 15*time.Second)
		if err != nil {
			return nil, err
		}
		over, err := s.queryRange(ctx, overview, end.Add(-5*time.Minute), end, 5*time.Second)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			r.add("host page", page.Seconds())
			r.add("overview", over.Seconds())
		}
	}
	return r, nil
}

// queryRange asks as a browser does, all expressions in one call, and returns
// how long the answer took to arrive.
func (s *server) queryRange(ctx context.Context, exprs []string, start, end time.Time, step time.Duration) (time.Duration, error) {
	token, err := os.ReadFile(filepath.Join(s.dir, "admin-token"))
	if err != nil {
		return 0, err
	}
	client := sondev1connect.NewQueryServiceClient(http.DefaultClient, s.url)
	ctx, call := connect.NewClientContext(ctx)
	call.RequestHeader().Set("Authorization", "Bearer "+string(bytes.TrimSpace(token)))
	began := time.Now()
	res, err := client.QueryRange(ctx, &sondev1.QueryRangeRequest{
		Exprs: exprs, StartMs: start.UnixMilli(), EndMs: end.UnixMilli(), StepMs: step.Milliseconds(),
	})
	elapsed := time.Since(began)
	if err != nil {
		return 0, err
	}
	for i, m := range res.Results {
		if len(m.Series) == 0 {
			return 0, fmt.Errorf("no answer to %s", exprs[i])
		}
	}
	return elapsed, nil
}

// fill enrols an agent and sends its samples of the time up to end. It returns
// the agent's id once all are durable.
func (s *server) fill(ctx context.Context, end time.Time, span time.Duration) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	client := sondev1connect.NewAgentServiceClient(&http.Client{Transport: transport}, s.url, connect.WithGRPC())
	token, err := os.ReadFile(s.joinToken())
	if err != nil {
		return "", err
	}
	me, err := client.Enroll(ctx, &sondev1.EnrollRequest{JoinToken: string(bytes.TrimSpace(token)), Host: &sondev1.HostFacts{Hostname: "filled"}})
	if err != nil {
		return "", err
	}
	ctx, call := connect.NewClientContext(ctx)
	call.RequestHeader().Set("Authorization", "Bearer "+me.Credential)
	stream, err := client.Connect(ctx)
	if err != nil {
		return "", err
	}
	defer stream.CloseResponse()
	defer stream.CloseRequest()
	schema, err := wire.NewSchema(hostSeries())
	if err != nil {
		return "", err
	}
	for _, m := range []*sondev1.ConnectRequest{
		{Message: &sondev1.ConnectRequest_Hello{Hello: &sondev1.Hello{AgentId: me.AgentId, BootId: make([]byte, 16), SubmissionIntervalMs: 1000}}},
		{Message: &sondev1.ConnectRequest_Schema{Schema: schema.Proto()}},
	} {
		if err := stream.Send(m); err != nil {
			return "", err
		}
	}
	const ticks = 60
	encoder := wire.NewEncoder()
	block := wire.Block{Schema: schema, Times: make([]int64, ticks), Floats: make([]float64, ticks*schema.Floats())}
	seq := uint64(0)
	for at := end.Add(-span); at.Before(end); at = at.Add(ticks * time.Second) {
		for k := range ticks {
			block.Times[k] = at.Add(time.Duration(k+1) * time.Second).UnixMilli()
			for c := range schema.Floats() {
				// Counters that grow at rates of their own, from a size like that of bytes.
				block.Floats[c*ticks+k] = 1e9 + float64((c%7+1)*(int(seq)*ticks+k)) + float64((k*31+c)%5)/8
			}
		}
		payload, err := encoder.Encode(nil, []wire.Block{block})
		if err != nil {
			return "", err
		}
		seq++
		if err := stream.Send(&sondev1.ConnectRequest{Message: &sondev1.ConnectRequest_Batch{Batch: &sondev1.Batch{Seq: seq, Payload: payload}}}); err != nil {
			return "", err
		}
	}
	// An hour is fewer batches than may be in flight.
	for acked := uint64(0); acked < seq; {
		res, err := stream.Receive()
		if err != nil {
			return "", err
		}
		switch m := res.Message.(type) {
		case *sondev1.ConnectResponse_Ack:
			acked = m.Ack.Seq
		case *sondev1.ConnectResponse_Refusal:
			return "", fmt.Errorf("the server refused samples: %v: %s", m.Refusal.Reason, m.Refusal.Detail)
		}
	}
	return me.AgentId, nil
}

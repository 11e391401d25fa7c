package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"connectrpc.com/connect"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

// startPrometheus runs a store over dir on an address, and returns what kills
// it.
func startPrometheus(t *testing.T, dir, address string) (kill func()) {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed: see scripts/deps.sh")
	}
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("storage: {tsdb: {out_of_order_time_window: 7d}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address,
		"--web.enable-remote-write-receiver", "--enable-feature=native-histograms")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // killed
		}
	}
	t.Cleanup(kill)
	return kill
}

// Two servers share a store. The agent hangs on the one, the live view on the
// other. The store dies, and comes back: what the agent measured meanwhile is
// there, each tick once.
func TestStoreElsewhere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	kill := startPrometheus(t, dir, address)
	flags := []string{"--metrics-write", "http://" + address + "/api/v1/write", "--metrics-read", "http://" + address}
	one, two := startServer(t, t.TempDir(), flags...), startServer(t, t.TempDir(), flags...)
	ready := func() bool {
		status, _ := one.request(t, http.MethodGet, "/readyz", "", nil)
		return status == http.StatusOK
	}
	await(t, "the store", ready)
	if _, err := os.Stat(filepath.Join(one.dir, "samples")); !os.IsNotExist(err) {
		t.Errorf("samples in the data directory: %v", err)
	}
	startAgent(t, one, t.TempDir())
	await(t, "the agent", func() bool { return len(one.agents(t).Agents) == 1 })
	agent := one.agents(t).Agents[0]
	selector := fmt.Sprintf(`{agent=%q}`, agent.ID)

	client := sondev1connect.NewQueryServiceClient(h2c(), two.url, connect.WithGRPC())
	ctx, call := connect.NewClientContext(t.Context())
	call.RequestHeader().Set("Authorization", "Bearer "+two.secret(t, "admin-token"))
	stream, err := client.Watch(ctx, &sondev1.WatchRequest{Exprs: []string{"node_load1" + selector}, StepMs: 1000, FollowAgent: agent.ID})
	if err != nil {
		t.Fatal(err)
	}
	for shown := 0; shown < 3; {
		if !stream.Receive() {
			t.Fatal(stream.Err())
		}
		if len(stream.Msg().Results[0].Values) == 1 {
			shown++
		}
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}

	kill()
	await(t, "the server to notice", func() bool { return contains(one.log, "the store does not take samples") })
	if ready() {
		t.Error("ready without a store")
	}
	startPrometheus(t, dir, address)
	await(t, "the store", ready)
	await(t, "the time without a store", func() bool {
		found := one.promQuery(t, "count_over_time(node_load1"+selector+"[1m])")
		return len(found) == 1 && len(strings.TrimSpace(fmt.Sprint(found[0].Value[1]))) > 1 // ten ticks and more
	})
	for _, s := range []*sonde{one, two} {
		found := s.promQuery(t, "node_load1"+selector+"[10m]")
		if len(found) != 1 {
			t.Fatalf("%d series", len(found))
		}
		var before float64
		for _, v := range found[0].Values {
			at := v[0].(float64)
			if before != 0 && at-before != 1 {
				t.Errorf("%v follows on %v", at, before)
			}
			before = at
		}
	}
}

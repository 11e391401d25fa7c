package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
	address := freeAddress(t)
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

	if err := two.watch(t.Context(), agent.ID); err != nil {
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

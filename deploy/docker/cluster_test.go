//go:build container

package docker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

var members = []string{"server-1", "server-2", "server-3"}

// TestCluster starts the project of a cluster as a person would, with three
// agents, kills a server that has some of them, and restarts all one by one.
func TestCluster(t *testing.T) {
	p := startProject(t, "deploy/compose/cluster.yaml")
	s := &server{url: p.url, several: true}
	s.token = p.file(t, "server-1", "/secrets/admin-token")
	await(t, "the balancer to have a server", func() bool { return answers(s.url + "/readyz") })
	await(t, "three agents", func() bool { return len(s.up(t)) == 3 })
	ids := s.up(t)
	s.awaitValue(t, "count(node_memory_MemTotal_bytes)", func(v float64) bool { return v == 3 })
	p.checkPublished(t)
	p.checkAddresses(t, s)

	// The balancer counts connections, so that no server has all agents.
	var most string
	var count float64
	for _, name := range members {
		if n := p.sessions(t, s, name); n > count {
			most, count = name, n
		}
	}
	if count == 0 || count == 3 {
		t.Errorf("%v of three agents are on one server, want them spread", count)
	}
	t.Logf("killing %s, which has %v of three agents", most, count)
	docker(t, "kill", p.container(t, most))
	s.awaitWhole(t, ids)

	t.Log("restarting one by one")
	if _, err := p.compose("up", "--detach", "--no-deps", most); err != nil {
		t.Fatal(err)
	}
	for _, name := range members {
		await(t, name+" to be ready", func() bool { return p.ready(t, name) })
		if _, err := p.compose("restart", name); err != nil {
			t.Fatal(err)
		}
		s.awaitWhole(t, ids)
	}
}

// awaitWhole waits until the same agents are up and their samples of the time
// from now on are there, and none in between is missing: a counter that each run
// of a collector raises by one has as many samples as it rose.
func (s *server) awaitWhole(t *testing.T, ids []string) {
	t.Helper()
	since, ok := s.value(t, "vector(time())")
	if !ok {
		t.Fatal("no time")
	}
	await(t, "the same agents to be up", func() bool { return slices.Equal(s.up(t), ids) })
	const runs = `sonde_agent_ticks_total{collector="self"}`
	all := func(v float64) bool { return v == float64(len(ids)) }
	s.awaitValue(t, fmt.Sprintf("count(timestamp(%s) > %f)", runs, since+2), all)
	s.awaitValue(t, fmt.Sprintf("count(max_over_time(%[1]s[1h]) - min_over_time(%[1]s[1h]) + 1 == count_over_time(%[1]s[1h]))", runs), all)
}

// address is where this machine reaches a service's container.
func (p *project) address(t *testing.T, service string) string {
	t.Helper()
	var list []struct {
		NetworkSettings struct {
			Networks map[string]struct{ IPAddress string }
		}
	}
	if err := json.Unmarshal([]byte(docker(t, "inspect", p.container(t, service))), &list); err != nil {
		t.Fatal(err)
	}
	for _, network := range list[0].NetworkSettings.Networks {
		return network.IPAddress
	}
	t.Fatalf("%s is in no network", service)
	return ""
}

func (p *project) ready(t *testing.T, service string) bool {
	t.Helper()
	return answers("http://" + p.address(t, service) + ":7070/readyz")
}

// answers says whether there is an answer and it is 200.
func answers(url string) bool {
	res, err := http.Get(url)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// sessions returns how many agents a server has.
func (p *project) sessions(t *testing.T, s *server, service string) float64 {
	t.Helper()
	one := &server{url: "http://" + p.address(t, service) + ":7070", token: s.token}
	text, _, err := one.send(t, http.MethodGet, "/metrics", "")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^sonde_server_ingest_sessions (\S+)$`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s has no sonde_server_ingest_sessions:\n%s", service, text)
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// checkAddresses checks that servers know from where agents come, though all come
// by way of the balancer.
func (p *project) checkAddresses(t *testing.T, s *server) {
	t.Helper()
	var log struct{ Entries []struct{ Address string } }
	s.request(t, http.MethodPost, "/sonde.v1.AccessService/ListAuditEntries", `{"search": "AgentService.Enroll"}`, &log)
	seen := make(map[string]bool)
	for _, entry := range log.Entries {
		seen[entry.Address] = true
	}
	if len(seen) != 3 {
		t.Errorf("three agents enrolled from %v", seen)
	}
}

// checkPublished checks that nothing but the balancer's port is to be reached
// from elsewhere.
func (p *project) checkPublished(t *testing.T) {
	t.Helper()
	for _, service := range append([]string{"balancer", "database", "metrics"}, members...) {
		ports := docker(t, "port", p.container(t, service))
		if want := service == "balancer"; (ports != "") != want {
			t.Errorf("%s publishes %q", service, ports)
		}
	}
}

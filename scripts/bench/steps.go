package main

import (
	"context"
	"time"
)

const (
	stormAgents = 1000
	stormAway   = 10 * time.Second
)

var (
	everySecond     = load{agents: 100, series: 200, submission: time.Second, window: 10 * time.Second}
	everyTenSeconds = load{agents: 100, series: 200, submission: 10 * time.Second, window: 10 * time.Second}
	idleAgents      = load{agents: 1000, series: 1, submission: time.Second, window: 5 * time.Second}
	watched         = load{agents: 100, series: 200, submission: time.Second, window: 20 * time.Second}
)

// quick is whether the script is tried rather than anything measured.
func quick() bool { return *runs == 1 }

// either is the first in a whole run, the second in a quick one.
func either[T any](whole, short T) T {
	if quick() {
		return short
	}
	return whole
}

// rounds are the steps that are repeated, in turns.
func rounds(ctx context.Context) []step {
	var list []step
	for _, at := range []struct {
		name string
		load load
	}{{"1s", everySecond}, {"10s", everyTenSeconds}} {
		list = append(list, step{"load, " + at.name, at.name + ": ", func() (results, error) { return ingest(ctx, *dir, at.load, false) }})
		for _, peer := range peerStores {
			list = append(list, step{"load, " + at.name + ", " + peer.title, at.name + " " + peer.title + ": ",
				func() (results, error) { return remoteWrite(ctx, *dir, peer, at.load) }})
		}
	}
	window := either(15*time.Second, 10*time.Second)
	return append(list,
		step{"agent", "", func() (results, error) { return agent(ctx, *dir, window) }},
		step{"agent, node_exporter", "", func() (results, error) { return exporter(ctx, *dir, window) }},
	)
}

// steps are those that are taken once, whatever they repeat by themselves.
func steps(ctx context.Context) []step {
	agents, warmUp := either(10_000, 2000), either(30*time.Second, 10*time.Second)
	many := load{agents: agents, series: 100, submission: time.Second, window: either(20*time.Second, 10*time.Second)}
	manySlow := load{agents: agents, series: 100, submission: 10 * time.Second, window: either(30*time.Second, 20*time.Second)}
	halved := many
	halved.window = either(10*time.Second, 5*time.Second)
	hosts := either(1000, 100)
	return []step{
		{"samples in VictoriaMetrics", "in VictoriaMetrics: ", func() (results, error) { return ingestElsewhere(ctx, *dir, everySecond, victoriaMetrics) }},
		{"samples in Prometheus", "in Prometheus: ", func() (results, error) { return ingestElsewhere(ctx, *dir, everySecond, prometheus) }},
		{"bytes on sockets, 1s", "1s counted: ", func() (results, error) { return ingest(ctx, *dir, everySecond, true) }},
		{"bytes on sockets, 10s", "10s counted: ", func() (results, error) { return ingest(ctx, *dir, everyTenSeconds, true) }},
		{"idle agents", "idle agents: ", func() (results, error) { return ingest(ctx, *dir, idleAgents, false) }},
		{"read to watched", "watched: ", func() (results, error) { return fresh(ctx, *dir, watched) }},
		{"changes of the configuration", "", func() (results, error) { return changes(ctx, *dir, "/dev/shm") }},
		{"changes of the configuration on a disk", "on a disk: ", func() (results, error) { return changes(ctx, *dir, *dir) }},
		{"many agents, 1s", "many 1s: ", func() (results, error) { return hold(ctx, *dir, many, warmUp) }},
		{"many agents, 10s", "many 10s: ", func() (results, error) { return hold(ctx, *dir, manySlow, warmUp) }},
		{"most agents in time", "most: ", func() (results, error) {
			return most(ctx, *dir, halved, warmUp/2, agents)
		}},
		{"storm", "storm: ", func() (results, error) { return storm(ctx, *dir, stormAgents, stormAway) }},
		{"queries", "", func() (results, error) { return queries(ctx, *dir, hosts, 2**runs) }},
		{"a month", "", func() (results, error) { return month(ctx, *dir, 2**runs) }},
		{"disk", "disk: ", func() (results, error) { return disk(ctx, *dir, either(time.Minute, 20*time.Second)) }},
		{"probe error", "probe error: ", func() (results, error) { return accuracy(ctx, *dir) }},
		{"browser, overview", "browser: ", func() (results, error) { return browserOverview(ctx, *dir, hosts, *runs) }},
		{"browser, first chart", "browser: ", func() (results, error) { return firstChart(ctx, *dir, *runs) }},
		{"encoding", "", func() (results, error) { return encoding(ctx, *dir, *runs) }},
		{"spool", "spool: ", func() (results, error) { return spooling(ctx, *dir, *runs) }},
	}
}

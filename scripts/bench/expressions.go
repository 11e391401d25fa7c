package main

import "strings"

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

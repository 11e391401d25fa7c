import { quote } from "@/lib/promql";

/**
 * What the page of one host asks. Every function takes the agent's id and,
 * where it needs one, the window of rate(), and writes one PromQL expression.
 */

const of = (agent: string) => `agent=${quote(agent)}`;
/** Of a host that was renamed within the window, each name has a part of the rate. */
const rate = (metric: string, agent: string, window: string, more = "") =>
  `sum without (instance) (rate(${metric}{${of(agent)}${more}}[${window}]))`;
const named = (pattern: string, agent: string) => `{__name__=~${quote(pattern)},${of(agent)}}`;

/** A selector: one metric for each thing that the page may have a section or chart for. */
export const presence = (agent: string) =>
  named(
    "node_cpu_seconds_total|node_load1|node_memory_MemTotal_bytes|node_memory_SwapTotal_bytes|node_vmstat_pgmajfault|node_pressure_(cpu|memory|io)_waiting_seconds_total|node_disk_io_time_seconds_total|node_filesystem_size_bytes|node_network_receive_bytes_total|node_netstat_Tcp_CurrEstab|node_procs_running|node_context_switches_total|container_cpu_usage_seconds_total|container_memory_usage_bytes|container_cpu_cfs_periods_total|sonde_agent_samples_total",
    agent,
  );

/** Averaged over the cores, so that all modes together are the whole machine. */
export const cpuByMode = (agent: string, window: string) =>
  `avg by (mode) (${rate("node_cpu_seconds_total", agent, window, ',mode!="idle"')})`;
/** As a share of the time that was counted: rate() takes what begins within its window for slower than it is. */
export const cpuByCore = (agent: string, window: string) =>
  `clamp(1 - sum by (cpu) (${rate("node_cpu_seconds_total", agent, window, ',mode=~"idle|iowait"')}) / sum by (cpu) (${rate("node_cpu_seconds_total", agent, window)}), 0, 1)`;
export const load = (agent: string) => named("node_load1|node_load5|node_load15", agent);

export const cpuPressure = (agent: string, window: string) =>
  rate("node_pressure_cpu_waiting_seconds_total", agent, window);
export const memoryWaiting = (agent: string, window: string) =>
  rate("node_pressure_memory_waiting_seconds_total", agent, window);
export const memoryStalled = (agent: string, window: string) =>
  rate("node_pressure_memory_stalled_seconds_total", agent, window);
export const ioWaiting = (agent: string, window: string) =>
  rate("node_pressure_io_waiting_seconds_total", agent, window);
export const ioStalled = (agent: string, window: string) =>
  rate("node_pressure_io_stalled_seconds_total", agent, window);

export const memory = (agent: string) =>
  named("node_memory_(MemTotal|MemFree|Buffers|Cached|SReclaimable)_bytes", agent);
export const swap = (agent: string) => named("node_memory_Swap(Total|Free)_bytes", agent);
export const pagesSwappedIn = (agent: string, window: string) => rate("node_vmstat_pswpin", agent, window);
export const pagesSwappedOut = (agent: string, window: string) => rate("node_vmstat_pswpout", agent, window);
export const majorFaults = (agent: string, window: string) => rate("node_vmstat_pgmajfault", agent, window);

export const diskRead = (agent: string, window: string) => rate("node_disk_read_bytes_total", agent, window);
export const diskWritten = (agent: string, window: string) => rate("node_disk_written_bytes_total", agent, window);
export const diskReads = (agent: string, window: string) => rate("node_disk_reads_completed_total", agent, window);
export const diskWrites = (agent: string, window: string) => rate("node_disk_writes_completed_total", agent, window);
/** iostat's r_await in seconds; no value while nothing is read. */
export const diskReadWait = (agent: string, window: string) =>
  `${rate("node_disk_read_time_seconds_total", agent, window)} / ${rate("node_disk_reads_completed_total", agent, window)}`;
export const diskWriteWait = (agent: string, window: string) =>
  `${rate("node_disk_write_time_seconds_total", agent, window)} / ${rate("node_disk_writes_completed_total", agent, window)}`;
export const diskBusy = (agent: string, window: string) => rate("node_disk_io_time_seconds_total", agent, window);
/** iostat's aqu-sz: operations in flight, averaged over the window. */
export const diskInFlight = (agent: string, window: string) =>
  rate("node_disk_io_time_weighted_seconds_total", agent, window);

/** Sizes and inodes of all file systems, told apart by __name__. */
export const filesystems = (agent: string) =>
  named("node_filesystem_(size_bytes|free_bytes|avail_bytes|files|files_free|readonly)", agent);
/** As df counts it: of what people may use, without the blocks kept for root. */
export const filesystemUsed = (agent: string) => {
  const metric = (name: string) => `node_filesystem_${name}_bytes{${of(agent)}}`;
  return `1 - ${metric("avail")} / (${metric("size")} - ${metric("free")} + ${metric("avail")})`;
};

export const networkIn = (agent: string, window: string) => rate("node_network_receive_bytes_total", agent, window);
export const networkOut = (agent: string, window: string) => rate("node_network_transmit_bytes_total", agent, window);
export const networkErrors = (agent: string, window: string) =>
  `sum by (device) (${rate("node_network_receive_errs_total", agent, window)} + ${rate("node_network_transmit_errs_total", agent, window)})`;
export const networkDrops = (agent: string, window: string) =>
  `sum by (device) (${rate("node_network_receive_drop_total", agent, window)} + ${rate("node_network_transmit_drop_total", agent, window)})`;
export const tcpSockets = (agent: string) =>
  named("node_netstat_Tcp_CurrEstab|node_sockstat_TCP_(inuse|alloc|tw)", agent);
export const tcpOpened = (agent: string, window: string) => rate("node_netstat_Tcp_ActiveOpens", agent, window);
export const tcpAccepted = (agent: string, window: string) => rate("node_netstat_Tcp_PassiveOpens", agent, window);
/** Share of the segments sent that were sent before. */
export const tcpRetransmitted = (agent: string, window: string) =>
  `${rate("node_netstat_Tcp_RetransSegs", agent, window)} / ${rate("node_netstat_Tcp_OutSegs", agent, window)}`;

export const processes = (agent: string) => named("node_processes_(pids|threads)", agent);
export const runnable = (agent: string) => named("node_procs_(running|blocked)", agent);
export const contextSwitches = (agent: string, window: string) => rate("node_context_switches_total", agent, window);
export const interrupts = (agent: string, window: string) => rate("node_intr_total", agent, window);
export const forks = (agent: string, window: string) => rate("node_forks_total", agent, window);

export const containerCpu = (agent: string, window: string) =>
  `sum(${rate("container_cpu_usage_seconds_total", agent, window)})`;
/** In cores; no series while there is no quota. */
export const containerCpuLimit = (agent: string) =>
  `max(container_spec_cpu_quota{${of(agent)}} > 0) / max(container_spec_cpu_period{${of(agent)}})`;
export const containerThrottled = (agent: string, window: string) =>
  `sum(${rate("container_cpu_cfs_throttled_periods_total", agent, window)}) / sum(${rate("container_cpu_cfs_periods_total", agent, window)})`;
export const containerMemory = (agent: string) => named("container_memory_(usage|working_set)_bytes", agent);
/** No series while there is no limit. */
export const containerMemoryLimit = (agent: string) => `container_spec_memory_limit_bytes{${of(agent)}} > 0`;

export const agentCpu = (agent: string, window: string) => rate("process_cpu_seconds_total", agent, window);
export const agentMemory = (agent: string) => `process_resident_memory_bytes{${of(agent)}}`;
export const agentSamples = (agent: string, window: string) => rate("sonde_agent_samples_total", agent, window);
export const agentSent = (agent: string, window: string) => rate("sonde_agent_bytes_sent_total", agent, window);
export const agentPending = (agent: string) => `sonde_agent_batches_pending{${of(agent)}}`;
export const ticksLate = (agent: string, window: string) =>
  `sum by (collector) (${rate("sonde_agent_ticks_late_total", agent, window)})`;
export const ticksMissed = (agent: string, window: string) =>
  `sum by (collector) (${rate("sonde_agent_ticks_missed_total", agent, window)})`;
export const collectorFailures = (agent: string, window: string) =>
  `sum by (collector) (${rate("sonde_agent_collector_failures_total", agent, window)})`;
export const agentDropped = (agent: string, window: string) =>
  `sum(${rate("sonde_agent_samples_dropped_total", agent, window)})`;

/** The latest stretch of time of which the agent dropped samples, and how many since its start; by reason. */
export const lossFirst = (agent: string, window: string) =>
  `last_over_time(sonde_agent_dropped_first_timestamp_seconds{${of(agent)}}[${window}])`;
export const lossLast = (agent: string, window: string) =>
  `last_over_time(sonde_agent_dropped_last_timestamp_seconds{${of(agent)}}[${window}])`;
export const lossTotal = (agent: string, window: string) =>
  `last_over_time(sonde_agent_samples_dropped_total{${of(agent)}}[${window}])`;

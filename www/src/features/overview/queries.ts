import type { QueryBuilder } from "@/lib/promql";

/*
 * One value an agent each, so that a fleet of a thousand is a thousand values.
 * window is what functions for counters look at. Values of now are irate()'s,
 * from the newest two samples, and are right whatever the intervals: a batch may
 * be ten seconds old, and has the end of a narrow window empty, which rate()
 * takes for a slower counter.
 */

/**
 * Interfaces whose traffic is counted again on the one that leaves the machine:
 * loopback, what bundles or divides others (bonds, teams, VLANs by their dot or
 * name), bridges, the ends of containers and virtual machines, and tunnels.
 */
const virtualDevices = [
  "lo|dummy.*|ifb.*",
  "bond.*|team.*|.*[.].*|vlan.*|macvlan.*|macvtap.*|ipvlan.*",
  "br-.*|br[0-9].*|virbr.*|vmbr.*|lxdbr.*|incusbr.*|docker.*|podman.*|ovs-.*",
  "veth.*|vnet.*|tap.*|fwbr.*|fwln.*|fwpr.*|cni.*|flannel.*|cali.*|cilium.*|lxc.*|kube-.*",
  "tun.*|wg.*|tailscale.*|zt.*|vxlan.*|geneve.*|gre.*|sit.*|ip6tnl.*",
].join("|");
/** Images that are full by nature, and memory. */
const pseudoFilesystems = "tmpfs|ramfs|squashfs|iso9660|erofs";
/** A host that was just renamed still has what it last had under its former name. */
const ofOneName = "max without (instance) ";
/** Probes that cross a network. */
const networkKinds = "icmp|tcp|http|dns|rtt";

/** Holds two samples of collectors and batches with intervals of up to 15 s. */
export const overviewWindow = "30s";

/** Share of CPU time that was not idle, 0 to 1. */
export const cpuByAgent: QueryBuilder = (window: string) =>
  `clamp_min(1 - avg by (agent) (irate(node_cpu_seconds_total{mode="idle"}[${window}])), 0)`;

/** The same over the window. Of a host that was renamed within it, each name has a part of the rate. */
export const cpuMeanByAgent: QueryBuilder = (window: string) =>
  `clamp_min(1 - avg by (agent) (sum without (instance) (rate(node_cpu_seconds_total{mode="idle"}[${window}]))), 0)`;

/** Share of memory that is not available, 0 to 1. */
export const memoryByAgent: QueryBuilder = () =>
  "1 - max by (agent) (node_memory_MemAvailable_bytes) / max by (agent) (node_memory_MemTotal_bytes)";

/** Share of time the busiest disk was working, 0 to 1. */
export const diskBusyByAgent: QueryBuilder = (window: string) =>
  `max by (agent) (irate(node_disk_io_time_seconds_total[${window}]))`;

/** Share of the fullest file system that people cannot write to any more, 0 to 1. */
export const diskFullByAgent: QueryBuilder = () =>
  `max by (agent) (1 - node_filesystem_avail_bytes{fstype!~"${pseudoFilesystems}"} / node_filesystem_size_bytes{fstype!~"${pseudoFilesystems}"})`;

/** Bytes a second. */
export const networkInByAgent: QueryBuilder = (window: string) =>
  `sum by (agent) (${ofOneName}(irate(node_network_receive_bytes_total{device!~"${virtualDevices}"}[${window}])))`;

export const networkOutByAgent: QueryBuilder = (window: string) =>
  `sum by (agent) (${ofOneName}(irate(node_network_transmit_bytes_total{device!~"${virtualDevices}"}[${window}])))`;

/** p99 in seconds of the slowest probe that crosses a network. */
export const latencyByAgent: QueryBuilder = (window: string) =>
  `max by (agent) (histogram_quantile(0.99, sum by (agent, probe, target) (rate(sonde_probe_duration_seconds{phase="total",kind=~"${networkKinds}"}[${window}]))))`;

/** Share of failed attempts of the probe that fails most of those that cross a network, 0 to 1. */
export const lossByAgent: QueryBuilder = (window: string) =>
  `max by (agent) (1 - sum by (agent, probe, target) (rate(sonde_probe_attempts_total{outcome="success",kind=~"${networkKinds}"}[${window}])) / sum by (agent, probe, target) (rate(sonde_probe_attempts_total{outcome!="skipped",kind=~"${networkKinds}"}[${window}])))`;

/** What the overview watches, in the order of the names. */
export const metricNames = [
  "cpu",
  "memory",
  "diskBusy",
  "diskFull",
  "networkIn",
  "networkOut",
  "latency",
  "loss",
] as const;
export type MetricName = (typeof metricNames)[number];

export function overviewQueries(): string[] {
  const queries: Record<MetricName, string> = {
    cpu: cpuByAgent(overviewWindow),
    memory: memoryByAgent(),
    diskBusy: diskBusyByAgent(overviewWindow),
    diskFull: diskFullByAgent(),
    networkIn: networkInByAgent(overviewWindow),
    networkOut: networkOutByAgent(overviewWindow),
    latency: latencyByAgent(overviewWindow),
    loss: lossByAgent(overviewWindow),
  };
  return metricNames.map((name) => queries[name]);
}

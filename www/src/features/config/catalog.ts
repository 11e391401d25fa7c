/** What can be set and within which bounds, as the contract in proto/sonde/v1/config.proto has it. Milliseconds. */
export const bounds = {
  policies: 256,
  probes: 256,
  submission: { min: 100, max: 600_000 },
  interval: { min: 100, max: 3_600_000 },
  timeout: { min: 1, max: 60_000 },
  watch: { min: 1_000, max: 86_400_000 },
  priority: { min: -1_000, max: 1_000 },
  redirects: { min: 0, max: 10 },
  messageBytes: 1_024,
  targetBytes: 1_024,
} as const;

export type CollectorInfo = { name: string; measures: string; defaultMs: number };

const collector = (name: string, measures: string, defaultMs = 1_000): CollectorInfo => ({ name, measures, defaultMs });

export const collectors: readonly CollectorInfo[] = [
  collector("cpu", "time of each core by mode"),
  collector("load", "load averages, running tasks"),
  collector("memory", "memory and swap"),
  collector("vmstat", "page faults, swapping, OOM kills"),
  collector("pressure", "waiting for CPU, memory, disks"),
  collector("disk", "reads, writes and time of each disk"),
  collector("filesystem", "space and inodes", 10_000),
  collector("network", "traffic of each interface"),
  collector("link", "state and speed of each interface", 10_000),
  collector("netstat", "TCP, UDP and ICMP counters"),
  collector("sockstat", "sockets in use"),
  collector("processes", "processes by state, threads", 10_000),
  collector("system", "boot time, kernel, release", 10_000),
  collector("container", "limits and use of its own cgroup"),
  collector("self", "the agent itself"),
  collector("probe", "results of all probes"),
];

export const probeKinds = ["icmp", "tcp", "http", "dns", "disk", "sched", "rtt"] as const;
export type ProbeKind = (typeof probeKinds)[number];

/** What a probe of the kind aims at; null for kinds without a target. */
export const targets: Record<ProbeKind, { label: string; example: string } | null> = {
  icmp: { label: "Host", example: "192.0.2.1 or host name" },
  tcp: { label: "Address", example: "db.example:5432" },
  http: { label: "URL", example: "https://www.example/health" },
  dns: { label: "Resolver", example: "192.0.2.53" },
  disk: { label: "Directory", example: "/var/lib/data" },
  sched: null,
  rtt: { label: "Name of the server", example: "server" },
};

export const kindTexts: Record<ProbeKind, string> = {
  icmp: "ICMP echo",
  tcp: "TCP connect",
  http: "HTTP request",
  dns: "DNS query",
  disk: "Disk write and read",
  sched: "Scheduler wake-up",
  rtt: "Round trip to the server",
};

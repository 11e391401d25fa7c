import type { LiveChartSpec } from "@/chart/live-chart";
import type { ChartSeries } from "@/chart/time-series-chart";
import { byLabel, byName, combine, everAbove, labelValues, mirrored, named, single } from "./chart-series";
import * as q from "./queries";

export type SectionId = "cpu" | "memory" | "disk" | "filesystems" | "network" | "system" | "container" | "agent";

export interface Section {
  id: SectionId;
  name: string;
  charts: LiveChartSpec[];
}

const modes = [
  ["user", "User", "series-1"],
  ["nice", "Nice", "series-5"],
  ["system", "System", "series-3"],
  ["irq", "Interrupts", "series-7"],
  ["softirq", "Soft interrupts", "series-2"],
  ["iowait", "Waiting for disks", "series-4"],
  ["steal", "Taken by others", "series-6"],
] as const;

const PRESSURE = "Share of time in which work stood still for want of it (Linux PSI).";

/** The collectors of the counters that charts have the rate of, by how the metrics' names begin. */
const collectors = {
  node_cpu_: "cpu",
  node_context_switches_: "cpu",
  node_pressure_: "pressure",
  node_vmstat_: "vmstat",
  node_disk_: "disk",
  node_network_: "network",
  node_netstat_: "netstat",
  container_: "container",
  process_: "self",
  sonde_agent_: "self",
};

/** Milliseconds between the samples of a chart, by those of its collector; undefined where nothing is known. */
export function intervalOf(chart: LiveChartSpec, intervals: Record<string, number>): number | undefined {
  const exprs = chart.exprs("1s").join(" ");
  const found = Object.entries(collectors).find(([prefix]) => exprs.includes(prefix));
  return found && intervals[found[1]];
}

/** The sections of the page of a host for which it has metrics. has tells whether a metric exists. */
export function sections(agent: string, has: (metric: string) => boolean): Section[] {
  const all: Section[] = [
    { id: "cpu", name: "CPU", charts: cpu(agent, has) },
    { id: "memory", name: "Memory", charts: memory(agent, has) },
    { id: "disk", name: "Disks", charts: has("node_disk_io_time_seconds_total") ? disk(agent, has) : [] },
    { id: "filesystems", name: "File systems", charts: has("node_filesystem_size_bytes") ? filesystems(agent) : [] },
    { id: "network", name: "Network", charts: network(agent, has) },
    { id: "system", name: "System", charts: system(agent, has) },
    { id: "container", name: "Container", charts: container(agent, has) },
    { id: "agent", name: "Agent", charts: has("sonde_agent_samples_total") ? self(agent) : [] },
  ];
  return all.filter(({ charts }) => charts.length > 0);
}

type Has = (metric: string) => boolean;

function cpu(agent: string, has: Has): LiveChartSpec[] {
  const charts: LiveChartSpec[] = [];
  if (has("node_cpu_seconds_total")) {
    charts.push(
      {
        id: "cpu-modes",
        title: "CPU by mode",
        description: "Share of the time of all cores together; the rest is idle.",
        unit: "ratio",
        kind: "stack",
        cap: 1,
        exprs: (window) => [q.cpuByMode(agent, window)],
        series: ([byMode]) =>
          modes.flatMap(([mode, label, color]) => {
            const found = byMode?.series.find(({ labels }) => labels.mode === mode);
            return found ? [{ key: mode, label, color, column: found.values }] : [];
          }),
      },
      {
        id: "cpu-cores",
        title: "Each core",
        description: "How busy each core is: dark strips idle, bright ones work. In a light theme the other way round.",
        unit: "ratio",
        strips: true,
        exprs: (window) => [q.cpuByCore(agent, window)],
        series: ([byCore]) =>
          labelValues([byCore], "cpu").flatMap((cpu) =>
            byLabel(byCore, "cpu", [cpu]).map((series) => ({ ...series, label: `cpu ${cpu}` })),
          ),
      },
    );
  }
  if (has("node_load1")) {
    charts.push({
      id: "load",
      title: "Load",
      description: "Tasks that run, wait to run or wait for a disk, averaged over 1, 5 and 15 minutes.",
      unit: "count",
      exprs: () => [q.load(agent)],
      series: ([load]) =>
        byName(load, {
          node_load1: { label: "1 min", color: "series-1" },
          node_load5: { label: "5 min", color: "series-5" },
          node_load15: { label: "15 min", color: "series-8" },
        }),
    });
  }
  if (has("node_pressure_cpu_waiting_seconds_total")) {
    charts.push({
      id: "cpu-pressure",
      title: "CPU pressure",
      description: PRESSURE,
      unit: "ratio",
      kind: "area",
      cap: 1,
      exprs: (window) => [q.cpuPressure(agent, window)],
      series: ([some]) => single(some, "some", { label: "Some task waits", color: "series-3" }),
    });
  }
  return charts;
}

function memory(agent: string, has: Has): LiveChartSpec[] {
  const charts: LiveChartSpec[] = [];
  if (has("node_memory_MemTotal_bytes")) {
    charts.push({
      id: "memory-use",
      title: "Memory",
      description: "Used is what is neither free nor taken by caches, which shrink when memory is needed.",
      unit: "bytes",
      kind: "stack",
      exprs: () => [q.memory(agent)],
      series: ([result]) => {
        const column = (name: string) => named(result, `node_memory_${name}_bytes`)?.values;
        const cached = combine([column("Cached"), column("SReclaimable")], (a, b) => a + b);
        const used = combine(
          [column("MemTotal"), column("MemFree"), column("Buffers"), cached],
          (total, free, buffers, caches) => Math.max(0, total - free - buffers - caches),
        );
        const stacked: ChartSeries[] = [
          { key: "used", label: "Used", color: "series-1", column: used },
          { key: "buffers", label: "Buffers", color: "series-4", column: column("Buffers") ?? [] },
          { key: "cached", label: "Cached", color: "series-2", column: cached },
          { key: "free", label: "Free", color: "series-8", column: column("MemFree") ?? [] },
        ];
        return stacked.filter(({ column }) => column.length > 0);
      },
    });
  }
  if (has("node_pressure_memory_waiting_seconds_total")) {
    charts.push(
      pressure("memory-pressure", "Memory pressure", (window) => [
        q.memoryWaiting(agent, window),
        q.memoryStalled(agent, window),
      ]),
    );
  }
  if (has("node_memory_SwapTotal_bytes")) {
    charts.push({
      id: "swap",
      title: "Swap",
      unit: "bytes",
      kind: "area",
      exprs: () => [q.swap(agent)],
      empty: { title: "No swap", reason: "This host has no swap space." },
      series: ([result]) => {
        const total = named(result, "node_memory_SwapTotal_bytes")?.values;
        const free = named(result, "node_memory_SwapFree_bytes")?.values;
        if (!total?.some((value) => value !== null && value > 0)) return [];
        return [
          { key: "used", label: "Used", color: "series-1", column: combine([total, free], (all, left) => all - left) },
          { key: "total", label: "Size", color: "series-8", column: total, dashed: true },
        ];
      },
    });
  }
  if (has("node_vmstat_pgmajfault")) {
    charts.push({
      id: "paging",
      title: "Paging",
      description: "Major faults wait for a disk; pages swapped in and out do so as well.",
      unit: "count/s",
      exprs: (window) => [
        q.majorFaults(agent, window),
        q.pagesSwappedIn(agent, window),
        q.pagesSwappedOut(agent, window),
      ],
      series: ([faults, swappedIn, swappedOut]) => [
        ...single(faults, "faults", { label: "Major faults", color: "series-3" }),
        ...single(swappedIn, "in", { label: "Swapped in", color: "series-1" }),
        ...single(swappedOut, "out", { label: "Swapped out", color: "series-4" }),
      ],
    });
  }
  return charts;
}

function pressure(id: string, title: string, exprs: LiveChartSpec["exprs"]): LiveChartSpec {
  return {
    id,
    title,
    description: PRESSURE,
    unit: "ratio",
    kind: "area",
    cap: 1,
    exprs,
    series: ([some, full]) => [
      ...single(some, "some", { label: "Some tasks wait", color: "series-3" }),
      ...single(full, "full", { label: "All tasks wait", color: "series-6" }),
    ],
  };
}

function disk(agent: string, has: Has): LiveChartSpec[] {
  const perDevice = (result: Parameters<typeof byLabel>[0]) =>
    byLabel(result, "device", labelValues([result], "device"));
  const charts: LiveChartSpec[] = [
    {
      id: "disk-throughput",
      title: "Throughput",
      description: "Read above the line, written below it.",
      unit: "bytes/s",
      kind: "area",
      exprs: (window) => [q.diskRead(agent, window), q.diskWritten(agent, window)],
      series: (results) => mirrored(results, "device", ["read", "written"]),
    },
    {
      id: "disk-operations",
      title: "Operations",
      description: "Completed reads above the line, writes below it.",
      unit: "count/s",
      kind: "area",
      exprs: (window) => [q.diskReads(agent, window), q.diskWrites(agent, window)],
      series: (results) => mirrored(results, "device", ["reads", "writes"]),
    },
    {
      id: "disk-wait",
      title: "Average wait",
      description:
        "Time an operation took on average, queue included: iostat's r_await and w_await. Gaps: there was no operation. For percentiles see the disk probe under Latency.",
      unit: "seconds",
      exprs: (window) => [q.diskReadWait(agent, window), q.diskWriteWait(agent, window)],
      empty: { title: "No operations", reason: "No disk was read or written in this range." },
      series: ([reads, writes]) => {
        const devices = labelValues([reads, writes], "device");
        return [
          ...byLabel(reads, "device", devices, { suffix: " read" }),
          ...byLabel(writes, "device", devices, { suffix: " write", dashed: true }),
        ];
      },
    },
    {
      id: "disk-busy",
      title: "Utilisation",
      description: "Share of time in which the disk had work. Disks that work in parallel may take more at 100%.",
      unit: "ratio",
      cap: 1,
      exprs: (window) => [q.diskBusy(agent, window)],
      series: ([busy]) => perDevice(busy),
    },
    {
      id: "disk-queue",
      title: "Operations in flight",
      description: "Averaged over the step: iostat's aqu-sz.",
      unit: "count",
      exprs: (window) => [q.diskInFlight(agent, window)],
      series: ([inFlight]) => perDevice(inFlight),
    },
  ];
  if (has("node_pressure_io_waiting_seconds_total")) {
    charts.push(
      pressure("io-pressure", "I/O pressure", (window) => [q.ioWaiting(agent, window), q.ioStalled(agent, window)]),
    );
  }
  return charts;
}

function filesystems(agent: string): LiveChartSpec[] {
  return [
    {
      id: "filesystem-used",
      title: "Used over time",
      description: "As df counts it: of what people may use.",
      unit: "ratio",
      cap: 1,
      exprs: () => [q.filesystemUsed(agent)],
      series: ([used]) => byLabel(used, "mountpoint", labelValues([used], "mountpoint")),
    },
  ];
}

function network(agent: string, has: Has): LiveChartSpec[] {
  const charts: LiveChartSpec[] = [];
  if (has("node_network_receive_bytes_total")) {
    charts.push(
      {
        id: "network-traffic",
        title: "Traffic",
        description: "Received above the line, sent below it.",
        unit: "bytes/s",
        kind: "area",
        exprs: (window) => [q.networkIn(agent, window), q.networkOut(agent, window)],
        series: (results) => mirrored(results, "device", ["in", "out"]),
      },
      {
        id: "network-problems",
        title: "Errors and drops",
        description: "Packets a second, both directions together.",
        unit: "count/s",
        exprs: (window) => [q.networkErrors(agent, window), q.networkDrops(agent, window)],
        empty: { title: "No errors, no drops", reason: "Every packet of this range went through." },
        series: ([errors, drops]) => {
          const devices = labelValues([errors, drops], "device");
          return everAbove([
            ...byLabel(errors, "device", devices, { suffix: " errors" }),
            ...byLabel(drops, "device", devices, { suffix: " drops", dashed: true }),
          ]);
        },
      },
    );
  }
  if (has("node_netstat_Tcp_CurrEstab")) {
    charts.push(
      {
        id: "tcp-sockets",
        title: "TCP sockets",
        unit: "count",
        exprs: () => [q.tcpSockets(agent)],
        series: ([sockets]) =>
          byName(sockets, {
            node_netstat_Tcp_CurrEstab: { label: "Established", color: "series-1" },
            node_sockstat_TCP_inuse: { label: "In use", color: "series-2" },
            node_sockstat_TCP_alloc: { label: "Allocated", color: "series-8" },
            node_sockstat_TCP_tw: { label: "Time wait", color: "series-3" },
          }),
      },
      {
        id: "tcp-retransmits",
        title: "TCP retransmits",
        description: "Share of the segments sent that had been sent before: loss, or a network that is too slow.",
        unit: "ratio",
        kind: "area",
        exprs: (window) => [q.tcpRetransmitted(agent, window)],
        series: ([share]) => single(share, "share", { label: "Sent again", color: "series-6" }),
      },
      {
        id: "tcp-connections",
        title: "TCP connections",
        unit: "count/s",
        exprs: (window) => [q.tcpOpened(agent, window), q.tcpAccepted(agent, window)],
        series: ([opened, accepted]) => [
          ...single(opened, "opened", { label: "Opened", color: "series-1" }),
          ...single(accepted, "accepted", { label: "Accepted", color: "series-2" }),
        ],
      },
    );
  }
  return charts;
}

function system(agent: string, has: Has): LiveChartSpec[] {
  const charts: LiveChartSpec[] = [];
  if (has("node_procs_running")) {
    charts.push(
      {
        id: "runnable",
        title: "Runnable and blocked",
        description: "Tasks on a core or waiting for one, and tasks that wait for a disk.",
        unit: "count",
        exprs: () => [q.runnable(agent)],
        series: ([result]) =>
          byName(result, {
            node_procs_running: { label: "Runnable", color: "series-1" },
            node_procs_blocked: { label: "Blocked", color: "series-6" },
          }),
      },
      {
        id: "processes",
        title: "Processes and threads",
        unit: "count",
        exprs: () => [q.processes(agent)],
        series: ([result]) =>
          byName(result, {
            node_processes_threads: { label: "Threads", color: "series-5" },
            node_processes_pids: { label: "Processes", color: "series-1" },
          }),
      },
    );
  }
  if (has("node_context_switches_total")) {
    charts.push({
      id: "switches",
      title: "Switches and interrupts",
      unit: "count/s",
      exprs: (window) => [q.contextSwitches(agent, window), q.interrupts(agent, window), q.forks(agent, window)],
      series: ([switches, interrupts, forks]) => [
        ...single(switches, "switches", { label: "Context switches", color: "series-1" }),
        ...single(interrupts, "interrupts", { label: "Interrupts", color: "series-3" }),
        ...single(forks, "forks", { label: "New processes", color: "series-4" }),
      ],
    });
  }
  return charts;
}

function container(agent: string, has: Has): LiveChartSpec[] {
  const charts: LiveChartSpec[] = [];
  if (has("container_cpu_usage_seconds_total")) {
    charts.push({
      id: "container-cpu",
      title: "CPU of the agent's container",
      description: "In cores, with the limit where there is one.",
      unit: "count",
      exprs: (window) => [q.containerCpu(agent, window), q.containerCpuLimit(agent)],
      series: ([used, limit]) => [
        ...single(used, "used", { label: "Used", color: "series-1" }),
        ...single(limit, "limit", { label: "Limit", color: "bad", dashed: true }),
      ],
    });
  }
  if (has("container_cpu_cfs_periods_total")) {
    charts.push({
      id: "container-throttled",
      title: "Throttled",
      description: "Share of scheduler periods in which the container had used up its quota.",
      unit: "ratio",
      kind: "area",
      cap: 1,
      exprs: (window) => [q.containerThrottled(agent, window)],
      series: ([share]) => single(share, "share", { label: "Periods throttled", color: "series-6" }),
    });
  }
  if (has("container_memory_usage_bytes")) {
    charts.push({
      id: "container-memory",
      title: "Memory of the agent's container",
      unit: "bytes",
      exprs: () => [q.containerMemory(agent), q.containerMemoryLimit(agent)],
      series: ([used, limit]) => [
        ...byName(used, {
          container_memory_usage_bytes: { label: "Usage", color: "series-8" },
          container_memory_working_set_bytes: { label: "Working set", color: "series-1" },
        }),
        ...single(limit, "limit", { label: "Limit", color: "bad", dashed: true }),
      ],
    });
  }
  return charts;
}

function self(agent: string): LiveChartSpec[] {
  return [
    {
      id: "agent-cpu",
      title: "CPU of the agent",
      description: "Share of one core.",
      unit: "ratio",
      kind: "area",
      exprs: (window) => [q.agentCpu(agent, window)],
      series: ([cpu]) => single(cpu, "cpu", { label: "CPU", color: "series-1" }),
    },
    {
      id: "agent-memory",
      title: "Memory of the agent",
      unit: "bytes",
      kind: "area",
      exprs: () => [q.agentMemory(agent)],
      series: ([resident]) => single(resident, "resident", { label: "Resident", color: "series-2" }),
    },
    {
      id: "agent-samples",
      title: "Samples",
      description: "Measured, and those that the agent gave up.",
      unit: "count/s",
      exprs: (window) => [q.agentSamples(agent, window), q.agentDropped(agent, window)],
      series: ([samples, dropped]) => [
        ...single(samples, "samples", { label: "Measured", color: "series-1" }),
        ...single(dropped, "dropped", { label: "Dropped", color: "bad" }),
      ],
    },
    {
      id: "agent-sent",
      title: "Sent to the server",
      unit: "bytes/s",
      kind: "area",
      exprs: (window) => [q.agentSent(agent, window)],
      series: ([sent]) => single(sent, "sent", { label: "Sent", color: "series-5" }),
    },
    {
      id: "agent-pending",
      title: "Batches that wait",
      description: "Kept by the agent until the server has them on its disk.",
      unit: "count",
      kind: "area",
      exprs: () => [q.agentPending(agent)],
      series: ([pending]) => single(pending, "pending", { label: "Waiting", color: "series-3" }),
    },
    {
      id: "agent-trouble",
      title: "Late, missed, failed",
      description: "Runs of collectors that began late, were left out, or failed.",
      unit: "count/s",
      exprs: (window) => [q.ticksLate(agent, window), q.ticksMissed(agent, window), q.collectorFailures(agent, window)],
      empty: { title: "All in time", reason: "No collector was late, left out a run or failed." },
      series: ([late, missed, failed]) => {
        const collectors = labelValues([late, missed, failed], "collector");
        return everAbove([
          ...byLabel(late, "collector", collectors, { suffix: " late" }),
          ...byLabel(missed, "collector", collectors, { suffix: " missed", dashed: true }),
          ...byLabel(failed, "collector", collectors, { suffix: " failed", dashed: true }),
        ]);
      },
    },
  ];
}

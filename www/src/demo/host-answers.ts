import * as queries from "@/features/host/queries";
import type { QueryBuilder } from "@/lib/promql";
import type { Answer, Answers, DemoSeries } from "./answers";
import { type DemoAgent, noise, unit } from "./fleet";
import { activity, diskBusy, diskFull, memoryUsed, networkRate, sampled } from "./model";

type At = (agent: DemoAgent, seconds: number) => number;
/** Series of one machine by the labels that tell them apart. */
type Table = [labels: Record<string, string>, at: At][];

const share: Record<string, number> = { user: 0.62, system: 0.22, iowait: 0.06, softirq: 0.05, irq: 0.02, nice: 0.03 };
const disks = ["nvme0n1", "sda"];
const devices = ["eth0", "lo"];
const mounts = [
  { device: "/dev/nvme0n1p2", mountpoint: "/", fstype: "ext4", scale: 1 },
  { device: "/dev/nvme0n1p1", mountpoint: "/boot", fstype: "ext4", scale: 0.02 },
  { device: "/dev/sda1", mountpoint: "/srv", fstype: "xfs", scale: 6 },
];

/** Names that the page looks up to see what there is. */
const present = [
  "node_cpu_seconds_total",
  "node_load1",
  "node_vmstat_pgmajfault",
  "node_memory_MemTotal_bytes",
  "node_memory_SwapTotal_bytes",
  "node_pressure_cpu_waiting_seconds_total",
  "node_pressure_memory_waiting_seconds_total",
  "node_pressure_io_waiting_seconds_total",
  "node_disk_io_time_seconds_total",
  "node_filesystem_size_bytes",
  "node_network_receive_bytes_total",
  "node_netstat_Tcp_CurrEstab",
  "node_procs_running",
  "node_context_switches_total",
  "sonde_agent_samples_total",
];
const presentInContainer = [
  "container_cpu_usage_seconds_total",
  "container_memory_usage_bytes",
  "container_cpu_cfs_periods_total",
];

const GIB = 1024 ** 3;
const wave = (agent: DemoAgent, salt: number, seconds: number, period: number) =>
  noise(agent.seed * 71 + salt, seconds, period);
const diskShare = (disk: string) => (disk === "sda" ? 0.35 : 1);
const busyOf = (agent: DemoAgent, disk: string, seconds: number) =>
  Math.min(1, diskBusy(agent, seconds) * diskShare(disk) * (0.7 + 0.6 * wave(agent, disk.length, seconds, 4)));

/** What the page of a host asks, answered from the demo's model. */
export function addHostAnswers(answers: Answers): void {
  const add = (builder: QueryBuilder, table: (agent: DemoAgent) => Table) => answers.add(builder, ofAgent(table));
  const one = (builder: QueryBuilder, at: At) => add(builder, () => [[{}, at]]);

  add(queries.presence, (agent) =>
    [...present, ...(agent.container ? presentInContainer : [])].map((__name__) => [{ __name__ }, () => 1]),
  );

  add(queries.cpuByMode, (agent) => [
    ...Object.entries(share).map(([mode, part]): Table[number] => [
      { mode },
      (_, s) => activity(agent, s) * part * (0.85 + 0.3 * wave(agent, mode.length, s, 5)),
    ]),
    [{ mode: "steal" }, (_, s) => 0.01 * wave(agent, 9, s, 8)],
  ]);
  add(queries.cpuByCore, (agent) =>
    Array.from({ length: agent.cpus }, (_, core): Table[number] => [
      { cpu: String(core) },
      (_, s) => Math.min(1, activity(agent, s) * (0.4 + 1.2 * wave(agent, 100 + core, s, 12))),
    ]),
  );
  add(queries.load, (agent) =>
    ([1, 5, 15] as const).map((minutes) => [
      { __name__: `node_load${minutes}` },
      (_, s) => agent.cpus * (0.2 + activity(agent, s - minutes * 20) * (1 - minutes / 60)),
    ]),
  );
  one(queries.cpuPressure, (agent, s) => Math.max(0, activity(agent, s) - 0.35) * 0.6);
  one(queries.memoryWaiting, (agent, s) => Math.max(0, memoryUsed(agent, s) - 0.8) * wave(agent, 3, s, 9));
  one(queries.memoryStalled, (agent, s) => Math.max(0, memoryUsed(agent, s) - 0.85) * wave(agent, 4, s, 9));
  one(queries.ioWaiting, (agent, s) => diskBusy(agent, s) * 0.4 * wave(agent, 5, s, 6));
  one(queries.ioStalled, (agent, s) => diskBusy(agent, s) * 0.2 * wave(agent, 6, s, 6));

  add(queries.memory, (agent) => {
    const part =
      (of: (s: number) => number): At =>
      (_, s) =>
        agent.memoryBytes * of(s);
    const used = (s: number) => memoryUsed(agent, s);
    return [
      [{ __name__: "node_memory_MemTotal_bytes" }, part(() => 1)],
      [{ __name__: "node_memory_MemFree_bytes" }, part((s) => (1 - used(s)) * 0.3)],
      [{ __name__: "node_memory_Buffers_bytes" }, part((s) => (1 - used(s)) * 0.06)],
      [{ __name__: "node_memory_Cached_bytes" }, part((s) => (1 - used(s)) * 0.56)],
      [{ __name__: "node_memory_SReclaimable_bytes" }, part((s) => (1 - used(s)) * 0.08)],
    ];
  });
  add(queries.swap, (agent) => {
    const size = agent.seed % 3 === 0 ? 0 : 4 * GIB;
    return [
      [{ __name__: "node_memory_SwapTotal_bytes" }, () => size],
      [{ __name__: "node_memory_SwapFree_bytes" }, (_, s) => size * (0.75 + 0.2 * wave(agent, 7, s, 900))],
    ];
  });
  one(queries.pagesSwappedIn, (agent, s) => Math.max(0, wave(agent, 8, s, 40) - 0.85) * 900);
  one(queries.pagesSwappedOut, (agent, s) => Math.max(0, wave(agent, 9, s, 40) - 0.9) * 1400);
  one(queries.majorFaults, (agent, s) => Math.max(0, wave(agent, 10, s, 20) - 0.6) * 40);

  const eachDisk = (builder: QueryBuilder, at: (agent: DemoAgent, disk: string, s: number) => number) =>
    add(builder, () => disks.map((device) => [{ device }, (agent, s) => at(agent, device, s)]));
  eachDisk(queries.diskRead, (agent, disk, s) => busyOf(agent, disk, s) * 160e6 * wave(agent, 11, s, 5));
  eachDisk(queries.diskWritten, (agent, disk, s) => busyOf(agent, disk, s) * 110e6 * wave(agent, 12, s, 5));
  eachDisk(queries.diskReads, (agent, disk, s) => busyOf(agent, disk, s) * 4200 * wave(agent, 11, s, 5));
  eachDisk(queries.diskWrites, (agent, disk, s) => busyOf(agent, disk, s) * 2600 * wave(agent, 12, s, 5));
  eachDisk(
    queries.diskReadWait,
    (agent, disk, s) => (disk === "sda" ? 0.006 : 0.0003) * (1 + 3 * busyOf(agent, disk, s)),
  );
  eachDisk(
    queries.diskWriteWait,
    (agent, disk, s) => (disk === "sda" ? 0.009 : 0.0005) * (1 + 4 * busyOf(agent, disk, s)),
  );
  eachDisk(queries.diskBusy, busyOf);
  eachDisk(queries.diskInFlight, (agent, disk, s) => busyOf(agent, disk, s) * (disk === "sda" ? 3.2 : 1.4));

  add(queries.filesystems, (agent) =>
    mounts.flatMap(({ scale, ...place }, i) => {
      const size = 64 * GIB * scale * (1 + Math.floor(unit(agent.seed, 40) * 4));
      const free = (s: number) => size * (1 - Math.min(0.97, diskFull(agent, s) * (1 - i * 0.2)));
      const metric = (name: string, at: (s: number) => number): Table[number] => [
        { ...place, __name__: `node_filesystem_${name}` },
        (_, s) => at(s),
      ];
      return [
        metric("size_bytes", () => size),
        metric("free_bytes", free),
        metric("avail_bytes", (s) => free(s) * 0.95),
        metric("files", () => size / 16384),
        metric("files_free", (s) => (size / 16384) * (0.9 - diskFull(agent, s) * 0.3)),
        metric("readonly", () => 0),
      ];
    }),
  );
  add(queries.filesystemUsed, (agent) =>
    mounts.map(({ scale: _, ...place }, i) => [place, (_, s) => Math.min(0.97, diskFull(agent, s) * (1 - i * 0.2))]),
  );

  const eachDevice = (builder: QueryBuilder, at: (agent: DemoAgent, device: string, s: number) => number) =>
    add(builder, () => devices.map((device) => [{ device }, (agent, s) => at(agent, device, s)]));
  eachDevice(queries.networkIn, (agent, device, s) => networkRate(agent, s, "in") * (device === "lo" ? 0.08 : 1));
  eachDevice(
    queries.networkOut,
    (agent, device, s) => networkRate(agent, s, device === "lo" ? "in" : "out") * (device === "lo" ? 0.08 : 1),
  );
  eachDevice(queries.networkErrors, () => 0);
  eachDevice(queries.networkDrops, (agent, device, s) =>
    device === "lo" || agent.seed % 4 !== 1 ? 0 : Math.max(0, wave(agent, 13, s, 30) - 0.8) * 5,
  );
  add(queries.tcpSockets, (agent) => {
    const established = (s: number) => Math.round(30 + 400 * activity(agent, s) * unit(agent.seed, 41));
    return [
      [{ __name__: "node_netstat_Tcp_CurrEstab" }, (_, s) => established(s)],
      [{ __name__: "node_sockstat_TCP_inuse" }, (_, s) => established(s) + 12],
      [{ __name__: "node_sockstat_TCP_alloc" }, (_, s) => established(s) + 40],
      [{ __name__: "node_sockstat_TCP_tw" }, (_, s) => Math.round(established(s) * wave(agent, 14, s, 40))],
    ];
  });
  one(queries.tcpOpened, (agent, s) => 4 + 60 * activity(agent, s) * wave(agent, 15, s, 6));
  one(queries.tcpAccepted, (agent, s) => 9 + 120 * activity(agent, s) * wave(agent, 16, s, 6));
  one(queries.tcpRetransmitted, (agent, s) => 0.0004 + 0.012 * Math.max(0, wave(agent, 17, s, 25) - 0.7));

  add(queries.processes, (agent) => [
    [{ __name__: "node_processes_pids" }, (_, s) => Math.round(180 + 90 * wave(agent, 18, s, 200))],
    [{ __name__: "node_processes_threads" }, (_, s) => Math.round(720 + 260 * wave(agent, 18, s, 200))],
  ]);
  add(queries.runnable, (agent) => [
    [{ __name__: "node_procs_running" }, (_, s) => 1 + Math.round(agent.cpus * activity(agent, s))],
    [{ __name__: "node_procs_blocked" }, (_, s) => Math.round(3 * diskBusy(agent, s))],
  ]);
  one(queries.contextSwitches, (agent, s) => agent.cpus * (900 + 9000 * activity(agent, s)));
  one(queries.interrupts, (agent, s) => agent.cpus * (500 + 3800 * activity(agent, s)));
  one(queries.forks, (agent, s) => 2 + 40 * wave(agent, 19, s, 15));

  const inContainer =
    (at: At): ((agent: DemoAgent) => Table) =>
    (agent) =>
      agent.container ? [[{}, at]] : [];
  add(
    queries.containerCpu,
    inContainer((agent, s) => 0.0014 + 0.0008 * wave(agent, 20, s, 5)),
  );
  add(
    queries.containerCpuLimit,
    inContainer(() => 0.5),
  );
  add(
    queries.containerThrottled,
    inContainer((agent, s) => Math.max(0, wave(agent, 21, s, 50) - 0.9)),
  );
  add(queries.containerMemory, (agent) =>
    agent.container
      ? [
          [{ __name__: "container_memory_usage_bytes" }, (_, s) => 19e6 + 2e6 * wave(agent, 22, s, 300)],
          [{ __name__: "container_memory_working_set_bytes" }, (_, s) => 15e6 + 1.5e6 * wave(agent, 22, s, 300)],
        ]
      : [],
  );
  add(
    queries.containerMemoryLimit,
    inContainer(() => 64 * 1024 ** 2),
  );

  one(queries.agentCpu, (agent, s) => 0.0012 + 0.0006 * wave(agent, 23, s, 4));
  one(queries.agentMemory, (agent, s) => 16e6 + 1.2e6 * wave(agent, 24, s, 400));
  one(queries.agentSamples, () => 312);
  one(queries.agentSent, (agent, s) => 820 + 90 * wave(agent, 25, s, 6));
  one(queries.agentPending, (agent, s) => Math.floor(1.4 * wave(agent, 26, s, 3)));
  one(queries.agentDropped, () => 0);
  const losses = (builder: QueryBuilder, at: (lost: { from: number; to: number }) => number) =>
    add(builder, ({ lost }) => (lost ? [[{ reason: "full" }, (_, s) => (s >= lost.to ? at(lost) : Number.NaN)]] : []));
  losses(queries.lossFirst, ({ from }) => from);
  losses(queries.lossLast, ({ to }) => to);
  add(queries.lossTotal, ({ lost }) => [
    [{ reason: "full" }, (_, s) => (lost && s >= lost.to ? Math.round(312 * (lost.to - lost.from)) : 0)],
  ]);
  const collectors = ["cpu", "disk", "filesystem", "memory", "network"];
  add(queries.ticksLate, (agent) =>
    collectors.map((collector, i) => [
      { collector },
      (_, s) => (agent.late && wave(agent, 30 + i, s, 30) > 0.8 ? 0.2 : 0),
    ]),
  );
  add(queries.ticksMissed, () => collectors.map((collector) => [{ collector }, () => 0]));
  add(queries.collectorFailures, () => collectors.map((collector) => [{ collector }, () => 0]));
}

/** Series of the machine that a query names in its first argument. */
function ofAgent(table: (agent: DemoAgent) => Table): Answer {
  return ([id], agents) => {
    const agent = agents.find((candidate) => candidate.id === id);
    if (!agent) return [];
    return table(agent).map(
      ([labels, at]): DemoSeries => ({
        labels: { agent: agent.id, instance: agent.name, ...labels },
        at: sampled(agent, (seconds) => at(agent, seconds)),
      }),
    );
  };
}

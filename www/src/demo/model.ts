import type { DemoHistogram } from "./answers";
import { type DemoAgent, noise, unit } from "./fleet";

/** Whether the agent has a sample at a time: not once it is down, not before it has connected. */
export function hasSample(agent: DemoAgent, seconds: number): boolean {
  const { downSince, lost } = agent;
  if (lost && seconds > lost.from && seconds < lost.to) return false;
  return !agent.pending && (downSince === undefined || seconds <= downSince);
}

/** The same function, with NaN where the agent has no samples. */
export function sampled(agent: DemoAgent, at: (seconds: number) => number): (seconds: number) => number {
  return (seconds) => (hasSample(agent, seconds) ? at(seconds) : Number.NaN);
}

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/** How busy the machine is as a whole, 0 to 1: a daily wave, slow drift, and quick noise. All else follows it. */
export function activity(agent: DemoAgent, seconds: number): number {
  const { seed } = agent;
  const base = 0.08 + 0.45 * unit(seed, 11) ** 2;
  const day = 0.5 + 0.5 * Math.sin((2 * Math.PI * (seconds / 86_400 + unit(seed, 12) * 0.2 - 0.3)) % (2 * Math.PI));
  const drift = noise(seed * 31, seconds, 420);
  const quick = noise(seed * 37, seconds, 7);
  const burst = Math.max(0, noise(seed * 41, seconds, 60) - 0.8) * 2.2;
  return clamp(base * (0.55 + 0.6 * day) + 0.16 * drift + 0.07 * quick + burst, 0.01, 0.98);
}

export function memoryUsed(agent: DemoAgent, seconds: number): number {
  const base = 0.3 + 0.55 * unit(agent.seed, 21);
  return clamp(base + 0.05 * noise(agent.seed * 43, seconds, 900) + 0.04 * activity(agent, seconds), 0.05, 0.97);
}

export function diskBusy(agent: DemoAgent, seconds: number): number {
  const burst = Math.max(0, noise(agent.seed * 47, seconds, 20) - 0.7) * 2;
  return clamp(0.02 + 0.3 * unit(agent.seed, 22) * activity(agent, seconds) + burst * unit(agent.seed, 23), 0, 1);
}

/** The fullest file system, filling slowly and emptied once in a while. */
export function diskFull(agent: DemoAgent, seconds: number): number {
  const days = 20 + 60 * unit(agent.seed, 24);
  const phase = (seconds / 86_400 / days + unit(agent.seed, 25)) % 1;
  return 0.15 + 0.6 * unit(agent.seed, 26) + 0.2 * phase;
}

/** Bytes a second. */
export function networkRate(agent: DemoAgent, seconds: number, direction: "in" | "out"): number {
  const scale = 10 ** (4 + 3.5 * unit(agent.seed, direction === "in" ? 27 : 28));
  return scale * (0.3 + 1.6 * activity(agent, seconds)) * (0.7 + 0.6 * noise(agent.seed * 53, seconds, 3));
}

export type DemoProbe = {
  probe: string;
  kind: string;
  target: string;
  phases: string[];
  median: number;
  spread: number;
};

/** The probes of a fresh install. median in seconds; spread is sigma of the logarithm. */
export function probesOf(agent: DemoAgent): DemoProbe[] {
  const far = 0.4 + 2.5 * unit(agent.seed, 31);
  return [
    {
      probe: "server",
      kind: "rtt",
      target: "sonde.example:7070",
      phases: ["total"],
      median: 0.006 * far,
      spread: 0.14,
    },
    {
      probe: "server-tcp",
      kind: "tcp",
      target: "sonde.example:7070",
      phases: ["total"],
      median: 0.0055 * far,
      spread: 0.12,
    },
    { probe: "gateway", kind: "icmp", target: "192.0.2.254", phases: ["total"], median: 0.0004 * far, spread: 0.25 },
    { probe: "resolver", kind: "dns", target: "192.0.2.53:53", phases: ["total"], median: 0.0011 * far, spread: 0.4 },
    {
      probe: "website",
      kind: "http",
      target: "https://www.example.com/",
      phases: ["dns", "connect", "tls", "ttfb", "transfer", "total"],
      median: 0.028 * far,
      spread: 0.22,
    },
    {
      probe: "disk",
      kind: "disk",
      target: "/var/lib/sonde-agent",
      phases: ["write", "fsync", "read", "total"],
      median: 0.0022 * far,
      spread: 0.35,
    },
    { probe: "sched", kind: "sched", target: "cpu", phases: ["total"], median: 0.00006, spread: 0.3 },
  ];
}

const phaseShare: Record<string, number> = {
  dns: 0.06,
  connect: 0.2,
  tls: 0.3,
  ttfb: 0.4,
  transfer: 0.04,
  write: 0.15,
  fsync: 0.75,
  read: 0.1,
  total: 1,
};

/** Two log-normal crowds: the usual answers and a slower few, of which there are more when the machine is busy. */
type Shape = { median: number; spread: number; slowShare: number; slowFactor: number };

function shapeOf(agent: DemoAgent, probe: DemoProbe, phase: string, seconds: number): Shape {
  const seed = agent.seed * 61 + probe.median * 1e7;
  const busy = activity(agent, seconds);
  const shift = 1 + 0.25 * noise(seed, seconds, 180) + 0.5 * Math.max(0, busy - 0.6);
  const storm = Math.max(0, noise(seed + 1, seconds, 90) - 0.82) * 4;
  return {
    median: probe.median * (phaseShare[phase] ?? 1) * shift,
    spread: probe.spread,
    slowShare: clamp(0.015 + 0.06 * busy + 0.3 * storm, 0, 0.6),
    slowFactor: 2.2 + 2 * noise(seed + 2, seconds, 240),
  };
}

/** Share of attempts that failed. */
export function lossOf(agent: DemoAgent, probe: DemoProbe, seconds: number): number {
  if (probe.kind === "disk" || probe.kind === "sched") return 0;
  const seed = agent.seed * 67 + probe.median * 1e7;
  const storm = noise(seed, seconds, 45);
  return storm > 0.93 - 0.05 * unit(agent.seed, 33) ? Math.round((storm - 0.85) * 100) / 100 : 0;
}

function normal(x: number): number {
  // Abramowitz and Stegun 26.2.17, good to 1e-7.
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const d = 0.3989422804 * Math.exp((-x * x) / 2);
  const p = d * t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return x > 0 ? 1 - p : p;
}

function cdf(shape: Shape, value: number): number {
  const x = Math.log(value / shape.median) / shape.spread;
  const slow = Math.log(value / (shape.median * shape.slowFactor)) / (shape.spread * 1.6);
  return (1 - shape.slowShare) * normal(x) + shape.slowShare * normal(slow);
}

/** The q-quantile in seconds. */
export function latencyQuantile(agent: DemoAgent, probe: DemoProbe, phase: string, q: number, seconds: number): number {
  const shape = shapeOf(agent, probe, phase, seconds);
  let low = shape.median / 50;
  let high = shape.median * 200;
  for (let i = 0; i < 24; i++) {
    const middle = Math.sqrt(low * high);
    if (cdf(shape, middle) < q) low = middle;
    else high = middle;
  }
  return Math.sqrt(low * high);
}

/** Counts of the attempts of the step that ends at seconds, at one attempt a second. */
export function latencyHistogram(
  agent: DemoAgent,
  probe: DemoProbe,
  phase: string,
  seconds: number,
  stepSeconds: number,
): DemoHistogram | null {
  if (!hasSample(agent, seconds)) return null;
  const shape = shapeOf(agent, probe, phase, seconds);
  const attempts = Math.max(1, stepSeconds / (probe.kind === "disk" ? 10 : 1)) * (1 - lossOf(agent, probe, seconds));
  const first = Math.floor(16 * Math.log2(shape.median / 4));
  const last = Math.ceil(16 * Math.log2(shape.median * 30));
  const counts: number[] = [];
  let before = 0;
  let carried = unit(agent.seed, Math.floor(seconds));
  for (let i = first; i <= last; i++) {
    const upTo = cdf(shape, 2 ** (i / 16));
    // Whole attempts, with the remainder carried on, so that rare ones do appear.
    carried += (upTo - before) * attempts;
    const whole = Math.floor(carried);
    counts.push(whole);
    carried -= whole;
    before = upTo;
  }
  return { first, counts };
}

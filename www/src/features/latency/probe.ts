/** One probe of one agent: what the series of a measurement have in common. */
export interface ProbeId {
  agent: string;
  probe: string;
  kind: string;
  target: string;
}

/** A probe and what it measured over a window; null where there was nothing to measure. */
export interface ProbeStats extends ProbeId {
  p50: number | null;
  p90: number | null;
  p99: number | null;
  max: number | null;
  /** 0 to 1. */
  loss: number | null;
  /** Attempts a second. */
  attempts: number | null;
}

/** As people know it: with the name of its agent. */
export interface NamedStats extends ProbeStats {
  instance: string;
}

export type StatName = "p50" | "p90" | "p99" | "max" | "loss" | "attempts";

export const kindNames: Record<string, string> = {
  icmp: "ICMP",
  tcp: "TCP",
  http: "HTTP",
  dns: "DNS",
  disk: "Disk",
  sched: "Scheduler",
  rtt: "Round trip",
};

export function probeId(labels: Record<string, string>): ProbeId {
  const { agent = "", probe = "", kind = "", target = "" } = labels;
  return { agent, probe, kind, target };
}

/** A text that stands for a probe in the URL. */
export function printProbe({ agent, kind, probe, target }: ProbeId): string {
  const parts = [agent, kind, probe, target];
  return parts.map((part) => encodeURIComponent(part).replaceAll("~", "%7E")).join("~");
}

/** Reads what printProbe wrote; null for anything else. */
export function parseProbe(text: string): ProbeId | null {
  const parts = text.split("~");
  if (parts.length !== 4) return null;
  try {
    const [agent, kind, probe, target] = parts.map(decodeURIComponent) as [string, string, string, string];
    return { agent, kind, probe, target };
  } catch {
    return null;
  }
}

/** One series of an answer at one time. */
export type Sample = { labels: Record<string, string>; value: number };

/** Joins the answers to one expression a statistic into one row a probe. */
export function toStats(answers: readonly { name: StatName; samples: readonly Sample[] }[]): ProbeStats[] {
  const rows = new Map<string, ProbeStats>();
  for (const { name, samples } of answers) {
    for (const { labels, value } of samples) {
      const id = probeId(labels);
      const key = printProbe(id);
      let row = rows.get(key);
      if (!row) {
        row = { ...id, p50: null, p90: null, p99: null, max: null, loss: null, attempts: null };
        rows.set(key, row);
      }
      row[name] = Number.isFinite(value) ? value : null;
    }
  }
  return [...rows.values()];
}

/** Names by the ids of agents; one that was removed has none, and is known by its id. */
export function withNames(rows: readonly ProbeStats[], names: ReadonlyMap<string, string>): NamedStats[] {
  return rows.map((row) => ({ ...row, instance: names.get(row.agent) ?? row.agent }));
}

export type SortKey = StatName | "instance" | "probe" | "target";

/** Rows in the order of a column; what has no value comes last in both directions. */
export function sortStats<Key extends SortKey, Row extends ProbeId & Record<Key, string | number | null>>(
  rows: readonly Row[],
  key: Key,
  descending: boolean,
): Row[] {
  const sign = descending ? -1 : 1;
  return rows.toSorted((a, b) => {
    const x: string | number | null = a[key];
    const y: string | number | null = b[key];
    if (x === y) return printProbe(a).localeCompare(printProbe(b));
    if (x === null) return 1;
    if (y === null) return -1;
    return sign * (typeof x === "string" ? x.localeCompare(y as string, "en", { numeric: true }) : x - (y as number));
  });
}

/** Rows in which every word of the text occurs somewhere. */
export function searchStats(rows: readonly NamedStats[], text: string): readonly NamedStats[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  return rows.filter(({ instance, probe, kind, target }) => {
    const all = `${instance} ${probe} ${kind} ${kindNames[kind] ?? ""} ${target}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

/** Seconds between attempts that people configure. */
const intervals = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

/**
 * Seconds between two attempts of a probe that makes so many a second: the
 * nearest of the usual intervals, so that what follows from it stays the same
 * while the measured rate trembles. A second where nothing is known.
 */
export function intervalOf(attemptsPerSecond: number | null): number {
  if (!attemptsPerSecond) return 1;
  const measured = 1 / attemptsPerSecond;
  const apart = (interval: number) => Math.abs(Math.log(interval / measured));
  return intervals.reduce((best, interval) => (apart(interval) < apart(best) ? interval : best));
}

/**
 * The window for quantiles of a probe with such an interval (seconds): at
 * least the step, half a minute, and ten attempts, so that a line shows the
 * network and not the luck of one answer.
 */
export function quantileWindow(stepMs: number, interval: number): string {
  return `${Math.ceil(Math.max(30, stepMs / 1000, 10 * interval))}s`;
}

/** Steps of a heatmap: no finer than three attempts, else most columns would hold nothing. Milliseconds. */
export function heatmapStep(stepMs: number, interval: number): number {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600].map((s) => s * 1000);
  return Math.max(stepMs, steps.find((step) => step >= 3000 * interval) ?? 3_600_000);
}

"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import type { HistogramColumn } from "@/chart/histogram";
import { alignRange } from "@/lib/range";
import { useRuntime } from "@/lib/runtime";
import { duration, isLive, printPoint, resolve, type TimeRange } from "@/lib/time-range";
import { type ProbeId, type ProbeStats, printProbe, probeId, type Sample, type StatName, toStats } from "./probe";
import * as queries from "./queries";

/** Statistics look at the whole range, up to an hour at its end. */
const LONGEST_WINDOW_MS = 3_600_000;
const SHORTEST_WINDOW_MS = 60_000;

/** The window that the statistics of a range look at. Milliseconds. */
export function statsWindow(range: TimeRange, nowMs: number): number {
  return Math.min(LONGEST_WINDOW_MS, Math.max(SHORTEST_WINDOW_MS, duration(range, nowMs)));
}

/** Attempts are counted over so long, which holds a few of every usual probe. */
const LATELY = "120s";

/** Probes that a list shows without a choice: the slowest, and those that lose most. */
const MOST_SLOW = 1_000;
const MOST_LOSSY = 100;
/** Agents whose probes a list asks for when there are more: their ids must fit into an expression several times. */
export const MOST_AGENTS = 200;
/** Which probes are the worst is found out over a few minutes, and again every minute. */
const WORST_WINDOW_MS = 300_000;
const WORST_REFETCH_MS = 60_000;

/** Expressions at the end of a range, over a window: what was measured by then. */
function useAtEnd<T>(
  key: unknown[],
  range: TimeRange,
  options: { exprs: (window: string) => string[]; longestMs: number; refetchMs: number; enabled?: boolean },
  read: (answers: Sample[][]) => T,
) {
  const { query, watch } = useRuntime();
  const { exprs, longestMs, refetchMs, enabled = true } = options;
  return useQuery<T>({
    queryKey: [...key, printPoint(range.from), printPoint(range.to)],
    queryFn: async ({ signal }) => {
      const now = watch.now();
      const at = BigInt(Math.round(isLive(range) ? now : resolve(range, now).endMs));
      const window = `${Math.round(Math.min(longestMs, statsWindow(range, now)) / 1000)}s`;
      // A range of one step, because it answers several expressions at once.
      const { results } = await query.queryRange(
        { exprs: exprs(window), startMs: at, endMs: at, stepMs: 1_000n },
        { signal },
      );
      return read(
        results.map(({ series }) =>
          series.map(({ labels, values }) => ({ labels: labels?.labels ?? {}, value: values[0] ?? Number.NaN })),
        ),
      );
    },
    enabled,
    refetchInterval: isLive(range) ? refetchMs : false,
    placeholderData: (before) => before,
  });
}

/** What a list of probes may ask for: matchers, and, where that is not all that match the filter, which rows. */
export type Bound = { probes: string; rows: ReadonlySet<string> | null };

/** Finds the worst of the probes that match, so that what a list reads does not grow with the fleet. */
export function useWorstProbes(probes: string, range: TimeRange) {
  return useAtEnd<Bound>(
    ["worst-probes", probes],
    range,
    {
      exprs: (window) => [
        queries.slowestProbes(String(MOST_SLOW), "0.99", probes, window),
        queries.lossiestProbes(String(MOST_LOSSY), probes, window),
      ],
      longestMs: WORST_WINDOW_MS,
      refetchMs: WORST_REFETCH_MS,
    },
    ([slow = [], lossy = []]) => boundTo(probes, slow, lossy),
  );
}

/** All that match while the answers are not cut off; else the worst in them, those that lose most first. */
export function boundTo(probes: string, slow: readonly Sample[], lossy: readonly Sample[]): Bound {
  if (slow.length < MOST_SLOW && lossy.length < MOST_LOSSY) return { probes, rows: null };
  const worstFirst = (samples: readonly Sample[]) => samples.toSorted((a, b) => b.value - a.value);
  const ids = [...worstFirst(lossy), ...worstFirst(slow)].map(({ labels }) => probeId(labels));
  const agents = new Set<string>();
  for (const { agent } of ids) if (agents.size < MOST_AGENTS) agents.add(agent);
  return {
    probes: queries.ofAgents(probes, [...agents].sort()),
    rows: new Set(ids.filter(({ agent }) => agents.has(agent)).map(printProbe)),
  };
}

/** The agents that see the probe's target slowest, and the probe's own; in an order that stays. */
export function useSlowestAgents(probe: ProbeId, range: TimeRange, most: number) {
  const probes = queries.matchers({ kind: probe.kind, target: probe.target });
  return useAtEnd<string[]>(
    ["slowest-agents", probes, probe.agent, most],
    range,
    {
      exprs: (window) => [queries.slowestAgents(String(most), "0.99", probes, window)],
      longestMs: WORST_WINDOW_MS,
      refetchMs: WORST_REFETCH_MS,
    },
    ([slow = []]) => [...new Set([probe.agent, ...slow.map(({ labels }) => labels.agent ?? "")])].sort(),
  );
}

const statistics: { name: StatName; expr: (probes: string, window: string) => string }[] = [
  ...(
    [
      ["p50", "0.5"],
      ["p90", "0.9"],
      ["p99", "0.99"],
      ["max", "1"],
    ] as const
  ).map(([name, q]) => ({
    name,
    expr: (probes: string, window: string) => queries.probeQuantile(q, probes, window),
  })),
  { name: "loss", expr: queries.probeLoss },
  { name: "attempts", expr: (probes, window) => queries.probeAttempts(probes, LATELY, window) },
];

/**
 * Statistics of the probes that match, at the end of the range; every 5 s while
 * it is live. Not asked for while probes is undefined.
 */
export function useProbeStats(probes: string | undefined, range: TimeRange) {
  return useAtEnd<ProbeStats[]>(
    ["probes", probes],
    range,
    {
      exprs: (window) => statistics.map(({ expr }) => expr(probes ?? "", window)),
      longestMs: LONGEST_WINDOW_MS,
      refetchMs: 5_000,
      enabled: probes !== undefined,
    },
    (answers) => toStats(statistics.map(({ name }, i) => ({ name, samples: answers[i] ?? [] }))),
  );
}

/** Histograms over a range, a column a step. times are unix seconds, the ends of the columns. */
export interface HeatmapData {
  times: number[];
  stepMs: number;
  columns: HistogramColumn[];
}

/** Columns that are read again although they are known: samples may have come late. */
const REREAD = 2;
/** How often all of them are: after an outage, an agent's samples come later still. */
const WHOLE_MS = 60_000;

/** The answers of the probes as histograms. While the range is live only what is new is read. */
export function useHeatmap(probes: string, range: TimeRange, stepMs: number) {
  const { query, watch } = useRuntime();
  const client = useQueryClient();
  const queryKey = ["heatmap", probes, printPoint(range.from), printPoint(range.to), stepMs];
  const live = isLive(range);
  const wholeAtMs = useRef(0);
  return useQuery<HeatmapData>({
    queryKey,
    queryFn: async ({ signal }) => {
      const { startMs, endMs } = resolve(range, watch.now());
      // Live, the newest column is one that still fills.
      const window = alignRange(startMs, live ? endMs + stepMs - 1 : endMs, stepMs);
      const whole = performance.now() - wholeAtMs.current > WHOLE_MS;
      const before = live && !whole ? client.getQueryData<HeatmapData>(queryKey) : undefined;
      const known = before?.times.at(-1);
      const from =
        known === undefined ? window.startMs : Math.max(window.startMs, known * 1000 - (REREAD - 1) * stepMs);
      if (!before) wholeAtMs.current = performance.now();
      const response = await query.queryHeatmap(
        {
          expr: queries.answers(probes, `${Math.round(stepMs / 1000)}s`),
          startMs: BigInt(Math.min(from, window.endMs)),
          endMs: BigInt(window.endMs),
          stepMs: BigInt(stepMs),
        },
        { signal },
      );
      const read = {
        stepMs,
        times: response.columns.map((_, i) => (Number(response.startMs) + i * stepMs) / 1000),
        columns: response.columns,
      };
      return before ? joinHeatmaps(before, read, window.startMs / 1000) : read;
    },
    refetchInterval: live ? Math.min(5_000, Math.max(1_000, stepMs)) : false,
    structuralSharing: false,
  });
}

/** What was known with what was read now, which wins; without what lies before `from`. Gaps become empty columns. */
export function joinHeatmaps(known: HeatmapData, read: HeatmapData, from: number): HeatmapData {
  const { stepMs } = read;
  const end = read.times.at(-1);
  if (end === undefined) return known;
  const byTime = new Map<number, HistogramColumn>();
  for (const { times, columns } of [known, read]) {
    times.forEach((time, i) => {
      byTime.set(Math.round(time * 1000), columns[i] as HistogramColumn);
    });
  }
  const times: number[] = [];
  const columns: HistogramColumn[] = [];
  for (let ms = Math.round(from * 1000); ms <= Math.round(end * 1000); ms += stepMs) {
    times.push(ms / 1000);
    columns.push(byTime.get(ms) ?? { resolution: 0, firstBucket: 0, counts: [], zeroCount: 0, totalCount: 0 });
  }
  return { times, stepMs, columns };
}

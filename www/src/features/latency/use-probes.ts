"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { HistogramColumn } from "@/chart/histogram";
import { alignRange } from "@/lib/range";
import { useRuntime } from "@/lib/runtime";
import { duration, isLive, printPoint, resolve, type TimeRange } from "@/lib/time-range";
import { type ProbeStats, type StatName, toStats } from "./probe";
import * as queries from "./queries";

/** Statistics look at the whole range, up to an hour at its end. */
const LONGEST_WINDOW_MS = 3_600_000;
const SHORTEST_WINDOW_MS = 60_000;

/** The window that the statistics of a range look at. Milliseconds. */
export function statsWindow(range: TimeRange, nowMs: number): number {
  return Math.min(LONGEST_WINDOW_MS, Math.max(SHORTEST_WINDOW_MS, duration(range, nowMs)));
}

/** Statistics of the probes that match, at the end of the range; every 5 s while it is live. */
export function useProbeStats(probes: string, range: TimeRange) {
  const { query, watch } = useRuntime();
  return useQuery<ProbeStats[]>({
    queryKey: ["probes", probes, printPoint(range.from), printPoint(range.to)],
    queryFn: async ({ signal }) => {
      const now = watch.now();
      const at = BigInt(Math.round(isLive(range) ? now : resolve(range, now).endMs));
      const window = `${Math.round(statsWindow(range, now) / 1000)}s`;
      const exprs: Record<StatName, string> = {
        p50: queries.probeQuantile("0.5", probes, window),
        p90: queries.probeQuantile("0.9", probes, window),
        p99: queries.probeQuantile("0.99", probes, window),
        max: queries.probeQuantile("1", probes, window),
        loss: queries.probeLoss(probes, window),
        attempts: queries.probeAttempts(probes, window),
      };
      // A range of one step, because it answers several expressions at once.
      const { results } = await query.queryRange(
        { exprs: Object.values(exprs), startMs: at, endMs: at, stepMs: 1_000n },
        { signal },
      );
      return toStats(
        (Object.keys(exprs) as StatName[]).map((name, i) => ({
          name,
          samples: (results[i]?.series ?? []).map(({ labels, values }) => ({
            labels: labels?.labels ?? {},
            value: values[0] ?? Number.NaN,
          })),
        })),
      );
    },
    refetchInterval: isLive(range) ? 5_000 : false,
    placeholderData: (before) => before,
  });
}

/** Histograms over a range, a column a step. times are unix seconds, the ends of the columns. */
export interface HeatmapData {
  times: number[];
  stepMs: number;
  columns: HistogramColumn[];
}

/** Columns that are read again although they are known: samples may have come late. */
const REREAD = 2;

/** The answers of the probes as histograms. While the range is live only what is new is read, once a step. */
export function useHeatmap(probes: string, range: TimeRange, stepMs: number) {
  const { query, watch } = useRuntime();
  const client = useQueryClient();
  const queryKey = ["heatmap", probes, printPoint(range.from), printPoint(range.to), stepMs];
  const live = isLive(range);
  return useQuery<HeatmapData>({
    queryKey,
    queryFn: async ({ signal }) => {
      const { startMs, endMs } = resolve(range, watch.now());
      const window = alignRange(startMs, endMs, stepMs);
      const before = live ? client.getQueryData<HeatmapData>(queryKey) : undefined;
      const known = before?.times.at(-1);
      const from =
        known === undefined ? window.startMs : Math.max(window.startMs, known * 1000 - (REREAD - 1) * stepMs);
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
    refetchInterval: live ? Math.max(1_000, stepMs) : false,
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

import type { QueryRangeResponse } from "@/gen/sonde/v1/query_service_pb";
import { type ExprResult, type RangeData, type SeriesData, seriesKey } from "./series";
import { finite, type WatchedExpr, type WatchStep } from "./watch-stream";

/** Times on the grid of the step, as Watch uses it: ranges and live steps then fit together. */
export function alignRange(startMs: number, endMs: number, stepMs: number): { startMs: number; endMs: number } {
  const end = Math.floor(endMs / stepMs) * stepMs;
  const start = Math.floor(startMs / stepMs) * stepMs;
  return { startMs: Math.min(start, end), endMs: end };
}

export function fromResponse(response: QueryRangeResponse): RangeData {
  const startMs = Number(response.startMs);
  const stepMs = Number(response.stepMs);
  return {
    times: Array.from({ length: response.steps }, (_, i) => (startMs + i * stepMs) / 1000),
    stepMs,
    results: response.results.map((matrix) => ({
      series: matrix.series.map((column) => ({
        labels: column.labels?.labels ?? {},
        values: column.values.map(finite),
      })),
    })),
  };
}

/** Milliseconds of the newest step, or null when there is none. */
export function lastMs(data: RangeData): number | null {
  const last = data.times.at(-1);
  return last === undefined ? null : Math.round(last * 1000);
}

export function isBlank(step: WatchStep): boolean {
  return step.results.every(({ values }) => values.every((value) => value === null));
}

export function countValues(data: RangeData): number {
  const columns = data.results.flatMap(({ series }) => series.map(({ values }) => values));
  return columns.reduce((sum, values) => sum + values.filter((value) => value !== null).length, 0);
}

/** Milliseconds of the first of the steps without any value at the right end; undefined when the newest has one. */
export function blankSince(data: RangeData): number | undefined {
  let first = data.times.length;
  while (
    first > 0 &&
    data.results.every(({ series }) => series.every(({ values }) => (values[first - 1] ?? null) === null))
  ) {
    first--;
  }
  const seconds = data.times[first];
  return seconds === undefined ? undefined : Math.round(seconds * 1000);
}

/**
 * The range with one more step at its right end, with gaps for steps that were
 * missed, and without what is beyond capacity at its left. A step that is
 * already the newest replaces it; an older one changes nothing.
 */
export function appendStep(data: RangeData, step: WatchStep, capacity: number): RangeData {
  const last = lastMs(data);
  if (last !== null && step.timeMs < last) return data;
  const kept = last === step.timeMs ? data.times.length - 1 : data.times.length;
  const missed = last === null || step.timeMs === last ? 0 : Math.round((step.timeMs - last) / data.stepMs) - 1;
  const length = kept + missed + 1;
  const drop = Math.max(0, length - capacity);

  const times = data.times.slice(Math.min(drop, kept), kept);
  for (let i = missed; i >= 0; i--) {
    if (times.length + i + 1 <= capacity) times.push((step.timeMs - i * data.stepMs) / 1000);
  }
  const shape = { from: Math.min(drop, kept), to: kept, length: times.length };
  return {
    times,
    stepMs: data.stepMs,
    results: data.results.map((result, i) => appendExpr(result, step.results[i], shape)),
  };
}

type Shape = { from: number; to: number; length: number };

function appendExpr(result: ExprResult, step: WatchedExpr | undefined, shape: Shape): ExprResult {
  if (!step) return result;
  const place = new Map(step.keys.map((key, i) => [key, i]));
  const series: SeriesData[] = [];
  for (const { labels, values } of result.series) {
    const key = seriesKey(labels);
    const at = place.get(key);
    place.delete(key);
    const next = values.slice(shape.from, shape.to);
    while (next.length < shape.length - 1) next.push(null);
    next.push(at === undefined ? null : (step.values[at] ?? null));
    // A series that has left the window is gone.
    if (at !== undefined || next.some((value) => value !== null)) series.push({ labels, values: next });
  }
  for (const at of place.values()) {
    const values: (number | null)[] = new Array(shape.length).fill(null);
    values[shape.length - 1] = step.values[at] ?? null;
    series.push({ labels: step.labels[at] as Record<string, string>, values });
  }
  return { series, ...(step.error ? { error: step.error } : {}) };
}

/** The range with another one's values wherever the other one has a step. Both have the same step and expressions. */
export function mergeRange(data: RangeData, other: RangeData): RangeData {
  const first = data.times[0];
  const otherFirst = other.times[0];
  if (first === undefined || otherFirst === undefined) return data;
  const offset = Math.round(((otherFirst - first) * 1000) / data.stepMs);
  const length = data.times.length;
  const results = data.results.map((result, i) => {
    const filled = other.results[i];
    if (!filled) return result;
    const byKey = new Map(filled.series.map((s) => [seriesKey(s.labels), s]));
    const series = result.series.map((s) => {
      const key = seriesKey(s.labels);
      const from = byKey.get(key);
      byKey.delete(key);
      if (!from) return s;
      const values = s.values.slice();
      overlay(values, from.values, offset);
      return { labels: s.labels, values };
    });
    for (const from of byKey.values()) {
      const values: (number | null)[] = new Array(length).fill(null);
      overlay(values, from.values, offset);
      series.push({ labels: from.labels, values });
    }
    return { ...result, series };
  });
  return { times: data.times, stepMs: data.stepMs, results };
}

function overlay(values: (number | null)[], from: (number | null)[], offset: number): void {
  for (let i = 0; i < from.length; i++) {
    const at = i + offset;
    if (at >= 0 && at < values.length) values[at] = from[i] ?? null;
  }
}

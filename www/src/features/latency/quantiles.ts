import type { HeatmapLine } from "@/chart/heatmap";
import type { ColorToken } from "@/chart/theme";
import type { RangeData } from "@/lib/series";

/** The quantiles that are drawn, each always in its colour; 1 is the slowest answer. */
export const quantiles: readonly [q: string, label: string, color: ColorToken][] = [
  ["0.5", "p50", "series-2"],
  ["0.9", "p90", "series-1"],
  ["0.99", "p99", "series-3"],
  ["1", "max", "series-6"],
];

/** Those that are drawn over a heatmap, which shows the slowest answers itself. */
export const overlays = quantiles.filter(([q]) => q !== "1");

/** The overlays at the times of a heatmap's columns: those of the last step at or before each. */
export function alongColumns(times: readonly number[], data: RangeData | undefined): HeatmapLine[] {
  const first = data?.times[0];
  if (!data || first === undefined) return [];
  return overlays.map(([q, label, color], i) => ({
    key: q,
    label,
    color,
    column: times.map((time) => {
      const step = Math.floor(((time - first) * 1000) / data.stepMs + 1e-6);
      return data.results[i]?.series[0]?.values[step] ?? null;
    }),
  }));
}

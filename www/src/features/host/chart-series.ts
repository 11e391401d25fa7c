import { type ColorToken, seriesColor } from "@/chart/theme";
import type { ChartSeries } from "@/chart/time-series-chart";
import type { ExprResult, SeriesData } from "@/lib/series";

/** From the answers to expressions to the series of a chart. */

type Style = { label: string; color: ColorToken; dashed?: boolean };

/** The values of one label in the order people count in (cpu2 before cpu10). */
export function labelValues(results: readonly (ExprResult | undefined)[], label: string): string[] {
  const values = new Set(results.flatMap((result) => result?.series.map(({ labels }) => labels[label] ?? "") ?? []));
  return [...values].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/** The first series of an answer. */
export function single(result: ExprResult | undefined, key: string, style: Style): ChartSeries[] {
  const first = result?.series[0];
  return first ? [{ key, ...style, column: first.values }] : [];
}

/** A series for each value of a label, in colours that stay the same across the charts of a section. */
export function byLabel(
  result: ExprResult | undefined,
  label: string,
  values: readonly string[],
  options: { suffix?: string; below?: boolean; dashed?: boolean } = {},
): ChartSeries[] {
  const { suffix = "", below, dashed } = options;
  return values.flatMap((value, i) => {
    const found = result?.series.find(({ labels }) => (labels[label] ?? "") === value);
    return found
      ? [
          {
            key: `${value}${suffix}`,
            label: `${value}${suffix}`,
            color: seriesColor(i),
            column: found.values,
            below,
            dashed,
          },
        ]
      : [];
  });
}

/** Two directions of each device: the first upwards, the second downwards in the same colour. */
export function mirrored(
  [up, down]: readonly (ExprResult | undefined)[],
  label: string,
  [upwards, downwards]: readonly [string, string],
): ChartSeries[] {
  const values = labelValues([up, down], label);
  return values.flatMap((value) => [
    ...byLabel(up, label, values, { suffix: ` ${upwards}` }).filter(({ key }) => key === `${value} ${upwards}`),
    ...byLabel(down, label, values, { suffix: ` ${downwards}`, below: true }).filter(
      ({ key }) => key === `${value} ${downwards}`,
    ),
  ]);
}

/** Series of one answer that are told apart by their name, in the order given; absent ones are left out. */
export function byName(result: ExprResult | undefined, styles: Readonly<Record<string, Style>>): ChartSeries[] {
  return Object.entries(styles).flatMap(([name, style]) => {
    const found = named(result, name);
    return found ? [{ key: name, ...style, column: found.values }] : [];
  });
}

export function named(result: ExprResult | undefined, name: string): SeriesData | undefined {
  return result?.series.find(({ labels }) => labels.__name__ === name);
}

/** Only series that were ever above zero: a long list of zeros says less than an empty chart. */
export function everAbove(series: ChartSeries[]): ChartSeries[] {
  return series.filter(({ column }) => column.some((value) => value !== null && value > 0));
}

/** A column from several, step by step; a gap where one of them has one. */
export function combine(
  columns: readonly (readonly (number | null)[] | undefined)[],
  of: (...values: number[]) => number,
): (number | null)[] {
  const length = Math.max(0, ...columns.map((column) => column?.length ?? 0));
  return Array.from({ length }, (_, step) => {
    const values = columns.map((column) => column?.[step] ?? null);
    return values.some((value) => value === null) ? null : of(...(values as number[]));
  });
}

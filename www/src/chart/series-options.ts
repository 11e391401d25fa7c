import type uPlot from "uplot";
import { type ColorToken, mix, type Theme } from "./theme";
import { timeLabels } from "./time-axis";
import type { PlotOptions } from "./use-plot";
import { AXIS_WIDTH, type ValueAxisOptions, valueLabels, valueRange, valueSplits } from "./value-axis";

/** How the series of a chart are drawn. */
export type ChartKind = "line" | "area" | "stack";

/** What is drawn of one series; the values come apart from it. */
export interface SeriesStyle {
  color: ColorToken;
  /** Drawn downwards from zero. */
  below?: boolean;
  dashed?: boolean;
}

export interface SeriesOptions extends ValueAxisOptions {
  kind: ChartKind;
  /** In the order of the columns. */
  styles: readonly SeriesStyle[];
}

/** Opacity of areas; stacked ones are opaque, because each covers the sum below it. */
const AREA = 0.16;
const STACK = 0.55;
/** CSS pixels around the plot; at the right half of a time label stands out. */
export const PADDING: uPlot.Padding = [8, 18, 0, 0];

/** The options of a chart of lines or areas. */
export function seriesOptions(options: SeriesOptions, theme: Theme): PlotOptions {
  const { kind, styles } = options;
  const surface = theme.color("surface");
  return {
    padding: PADDING,
    scales: {
      x: { time: true, auto: false },
      y: { range: valueRange(options), distr: options.scale === "log" ? 3 : 1 },
    },
    axes: [timeAxis(theme), valueAxis(options, theme)],
    series: [
      {},
      ...styles.map(({ color, dashed }): uPlot.Series => {
        const stroke = theme.color(color);
        return {
          stroke,
          width: kind === "stack" ? 1 : 1.5,
          dash: dashed ? [4, 3] : undefined,
          fill: kind === "line" ? undefined : kind === "stack" ? mix(stroke, surface, STACK) : alpha(stroke, AREA),
          points: { show: false, size: 3, width: 0, fill: stroke, filter: lonely },
        };
      }),
    ],
  };
}

export function timeAxis(theme: Theme): uPlot.Axis {
  return {
    stroke: theme.color("ink-faint"),
    font: theme.font,
    space: 76,
    size: 24,
    gap: 4,
    grid: { show: false },
    ticks: { stroke: theme.color("line"), width: 1, size: 4 },
    border: { show: true, stroke: theme.color("line"), width: 1 },
    values: (_u, splits, _axis, _space, increment) => timeLabels(splits, increment),
  };
}

export function valueAxis(options: ValueAxisOptions, theme: Theme): uPlot.Axis {
  return {
    stroke: theme.color("ink-faint"),
    font: theme.font,
    size: AXIS_WIDTH,
    gap: 6,
    grid: { stroke: theme.color("grid"), width: 1 },
    ticks: { show: false },
    splits: valueSplits(options),
    // uPlot leaves out most lines of a logarithmic axis unless told not to.
    filter: (_u, splits) => splits,
    values: valueLabels(options),
  };
}

function alpha(color: string, share: number): string {
  return `${color}${Math.round(share * 255)
    .toString(16)
    .padStart(2, "0")}`;
}

/** Samples with a gap on both sides: no line would show them, so a point does. */
function lonely(u: uPlot, seriesIndex: number, _show: boolean, gaps?: null | number[][]): number[] | null {
  if (!gaps || gaps.length === 0) return null;
  const column = u.data[seriesIndex] as (number | null)[];
  const found: number[] = [];
  for (let i = 0; i < column.length; i++) {
    if (column[i] !== null && (column[i - 1] ?? null) === null && (column[i + 1] ?? null) === null) found.push(i);
  }
  return found.length > 0 ? found : null;
}

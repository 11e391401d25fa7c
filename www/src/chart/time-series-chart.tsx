"use client";

import { useMemo, useRef, useState } from "react";
import { format as formatUnit, type Unit } from "@/lib/format";
import { CursorStore } from "./cursor";
import { Legend } from "./legend";
import { ChartPanel, type ChartState, type EmptyReason, noSamples } from "./panel";
import { PlotArea } from "./plot-area";
import { type ChartKind, type SeriesOptions, seriesOptions } from "./series-options";
import { type Column, mirror, stack } from "./stack";
import { describe } from "./summary";
import { TableDialog } from "./table-dialog";
import { type ColorToken, useChartTheme } from "./theme";
import { SeriesTooltip } from "./tooltip";
import { usePlot } from "./use-plot";
import type { ValueScale } from "./value-axis";

export interface ChartSeries {
  /** Unique within the chart. */
  key: string;
  label: string;
  color: ColorToken;
  /** As many as times; null is a gap. Replaced, never changed in place. */
  column: Column;
  /** Drawn downwards from zero, shown without a sign. */
  below?: boolean;
  dashed?: boolean;
}

export interface TimeSeriesChartProps {
  title: string;
  description?: string;
  unit: Unit;
  kind?: ChartKind;
  scale?: ValueScale;
  /** The most a value can be, such as 1 for a share of a whole. */
  cap?: number;
  /** Unix seconds. */
  times: readonly number[];
  series: readonly ChartSeries[];
  state: ChartState;
  /** What it means when there is nothing to draw. */
  empty?: EmptyReason;
  /** CSS pixels of the plot with its time axis. */
  height?: number;
}

/**
 * Series over time. Needs a ChartGroup around it; follows the group's window
 * and cursor. Dragging zooms in, a double click zooms out; with the keyboard
 * the arrow keys move the cursor.
 */
export function TimeSeriesChart(props: TimeSeriesChartProps) {
  const { title, description, unit, kind = "line", scale = "linear", cap, times, series, state } = props;
  const { height = 168, empty = noSamples } = props;
  const container = useRef<HTMLDivElement>(null);
  const theme = useChartTheme();
  const [cursor] = useState(() => new CursorStore());
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const format = (value: number | null) => formatUnit(unit, value);

  const shown = useMemo(() => series.filter(({ key }) => !hidden.has(key)), [series, hidden]);
  // Of a stack the highest sum is drawn first, so that each covers what is above it.
  const drawn = useMemo(() => (kind === "stack" ? shown.toReversed() : shown), [kind, shown]);
  const data = useMemo(() => {
    const columns = shown.map(({ column, below }) => (below ? mirror(column) : column));
    return [times as number[], ...(kind === "stack" ? stack(columns).reverse() : columns)] as [number[], ...Column[]];
  }, [times, shown, kind]);
  const look = JSON.stringify({
    kind,
    unit,
    scale,
    cap,
    mirrored: series.some(({ below }) => below),
    styles: drawn.map(({ color, below, dashed }) => ({ color, below, dashed })),
  } satisfies SeriesOptions);
  const options = useMemo(() => theme && seriesOptions(JSON.parse(look) as SeriesOptions, theme), [look, theme]);

  const plot = usePlot(container, { options, data, height, cursor });
  const isEmpty = series.every(({ column }) => column.every((value) => value === null));

  return (
    <ChartPanel
      title={title}
      description={description}
      state={state}
      empty={isEmpty ? empty : undefined}
      height={height}
      aside={!isEmpty && <TableDialog title={title} times={times} series={series} format={format} />}
      footer={
        <div className="min-h-7">
          {!isEmpty && <Legend items={series} hidden={hidden} setHidden={setHidden} cursor={cursor} format={format} />}
        </div>
      }
    >
      <PlotArea container={container} plot={plot} label={describe(title, series, format)} />
      <SeriesTooltip items={shown} times={times} cursor={cursor} format={format} />
    </ChartPanel>
  );
}

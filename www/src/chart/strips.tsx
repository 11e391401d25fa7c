"use client";

import { type RefObject, useMemo, useRef, useState } from "react";
import type uPlot from "uplot";
import { format } from "@/lib/format";
import { type Cells, columnAt, drawCells, paintCells, sharePlace } from "./cells";
import { CursorStore, useCursor } from "./cursor";
import { GapNote } from "./gap-note";
import { ChartPanel, type ChartState, noSamples } from "./panel";
import { PlotArea } from "./plot-area";
import { rampGradient } from "./ramp";
import { PADDING, timeAxis } from "./series-options";
import type { Column } from "./stack";
import { describe } from "./summary";
import { TableDialog } from "./table-dialog";
import { type Theme, useChartTheme } from "./theme";
import { timeInFull } from "./time-axis";
import { TooltipBox } from "./tooltip";
import { type PlotOptions, usePlot } from "./use-plot";
import { AXIS_WIDTH } from "./value-axis";

export interface Strip {
  key: string;
  label: string;
  /** Shares of a whole, 0 to 1. */
  column: Column;
}

/** CSS pixels between two labels, at the least. */
const LABEL_SPACE = 14;

/** One strip of colour for each of many shares, such as how busy each core is; the first is at the top. */
export function Strips({
  title,
  description,
  times,
  stepMs,
  strips,
  state,
  height = 168,
}: {
  title: string;
  description?: string;
  times: readonly number[];
  stepMs: number;
  strips: readonly Strip[];
  state: ChartState;
  height?: number;
}) {
  const container = useRef<HTMLDivElement>(null);
  const theme = useChartTheme();
  const [cursor] = useState(() => new CursorStore());
  const cells = useMemo(() => theme && toCells(strips, times, stepMs, theme), [strips, times, stepMs, theme]);
  const drawn = useRef<Cells | null>(null);
  drawn.current = cells;
  const data = useMemo(() => [times as number[]] as [number[]], [times]);
  const labels = JSON.stringify(strips.map(({ label }) => label));
  const options = useMemo(
    () => theme && stripOptions(JSON.parse(labels) as string[], theme, () => drawn.current),
    [labels, theme],
  );
  const plot = usePlot(container, { options, data, height, cursor });
  const share = (value: number | null) => format("ratio", value);
  const isEmpty = strips.every(({ column }) => column.every((value) => value === null));

  return (
    <ChartPanel
      title={title}
      description={description}
      state={state}
      empty={isEmpty ? noSamples : undefined}
      height={height}
      aside={!isEmpty && <TableDialog title={title} times={times} series={strips} format={share} />}
      footer={
        <div className="flex min-h-7 items-center gap-2 px-3.5 pb-2 text-xs text-ink-soft">
          {theme && !isEmpty && (
            <>
              <span>0%</span>
              <span aria-hidden className="h-2 w-24 rounded-sm" style={{ background: rampGradient(theme.name) }} />
              <span>100%</span>
            </>
          )}
        </div>
      }
    >
      <PlotArea container={container} plot={plot} label={describe(title, strips, share)} />
      <StripTooltip strips={strips} times={times} stepMs={stepMs} plot={plot} cursor={cursor} />
    </ChartPanel>
  );
}

function toCells(strips: readonly Strip[], times: readonly number[], stepMs: number, theme: Theme): Cells | null {
  const rows = strips.map(({ column }) => column).reverse();
  const image = paintCells(times.length, rows.length, sharePlace(rows), theme.name, theme.color("grid"));
  const first = times[0];
  const last = times.at(-1);
  if (image === null || first === undefined || last === undefined) return null;
  return { image, from: first - stepMs / 1000, to: last, bottom: 0, top: rows.length };
}

function stripOptions(labels: string[], theme: Theme, cells: () => Cells | null): PlotOptions {
  return {
    padding: PADDING,
    scales: { x: { time: true, auto: false }, y: { range: () => [0, Math.max(1, labels.length)] } },
    axes: [
      timeAxis(theme),
      {
        stroke: theme.color("ink-faint"),
        font: theme.font,
        size: AXIS_WIDTH,
        gap: 6,
        grid: { show: false },
        ticks: { show: false },
        splits: (u) => {
          const every = Math.ceil((labels.length * LABEL_SPACE) / Math.max(1, u.height - 34));
          return labels.flatMap((_, i) => (i % every === 0 ? [labels.length - i - 0.5] : []));
        },
        values: (_u, splits) => splits.map((split) => labels[labels.length - Math.round(split + 0.5)] ?? ""),
      },
    ],
    series: [{}],
    hooks: { drawClear: [drawCells(cells)] },
  };
}

function StripTooltip({
  strips,
  times,
  stepMs,
  plot,
  cursor,
}: {
  strips: readonly Strip[];
  times: readonly number[];
  stepMs: number;
  plot: RefObject<uPlot | null>;
  cursor: CursorStore;
}) {
  const { own, left, top } = useCursor(cursor);
  const u = plot.current;
  if (!own || left < 0 || u === null) return null;
  const x = columnAt(times, stepMs / 1000, u.posToVal(left, "x"));
  const strip = strips[strips.length - 1 - Math.floor(u.posToVal(top, "y"))];
  if (x === null || strip === undefined) return null;
  return (
    <TooltipBox left={left}>
      <p className="mb-1 text-ink-soft tnum">{timeInFull(times[x] as number)}</p>
      <p className="flex justify-between gap-4">
        <span className="text-ink-soft">{strip.label}</span>
        <span className="tnum font-medium">{format("ratio", strip.column[x] ?? null)}</span>
      </p>
      <GapNote at={times[x] as number} />
    </TooltipBox>
  );
}

"use client";

import { type RefObject, useMemo, useRef, useState } from "react";
import type uPlot from "uplot";
import { format } from "@/lib/format";
import { type Cells, columnAt, drawCells, histogramPlace, paintCells, rampTop } from "./cells";
import { CursorStore, useCursor } from "./cursor";
import { type Grid, type HistogramColumn, rowAt, rowBounds, toGrid } from "./histogram";
import { ChartPanel, type ChartState, type EmptyReason } from "./panel";
import { PlotArea } from "./plot-area";
import { rampGradient } from "./ramp";
import { PADDING, timeAxis } from "./series-options";
import type { Column } from "./stack";
import { summarize } from "./summary";
import { TableDialog, type TableSeries } from "./table-dialog";
import { type ColorToken, type Theme, useChartTheme } from "./theme";
import { logTicks } from "./ticks";
import { timeInFull } from "./time-axis";
import { TooltipBox } from "./tooltip";
import { type PlotOptions, usePlot } from "./use-plot";
import { AXIS_WIDTH, logRange } from "./value-axis";

/** A line over the cells, in seconds. */
export interface HeatmapLine {
  key: string;
  label: string;
  color: ColorToken;
  column: Column;
}

export interface HeatmapProps {
  title: string;
  description?: string;
  /** Unix seconds, the ends of the columns; evenly spaced by stepMs. */
  times: readonly number[];
  stepMs: number;
  columns: readonly HistogramColumn[];
  lines?: readonly HeatmapLine[];
  state: ChartState;
  empty?: EmptyReason;
  height?: number;
}

const noAnswers: EmptyReason = {
  title: "No answers in this range",
  reason: "Nothing was asked, or nothing was answered.",
};

/** CSS pixels of a row, at the least: thinner ones are merged. */
const ROW_HEIGHT = 4;
/** Head room and time axis within the height. */
const SURROUND = 34;

/**
 * How often which latency was measured: time to the right, seconds upwards on
 * a logarithmic axis, the number of answers as colour.
 */
export function Heatmap(props: HeatmapProps) {
  const { title, description, times, stepMs, columns, lines = [], state, height = 260 } = props;
  const { empty = noAnswers } = props;
  const container = useRef<HTMLDivElement>(null);
  const theme = useChartTheme();
  const [cursor] = useState(() => new CursorStore());
  const [withLines, setWithLines] = useState(true);

  const grid = useMemo(() => toGrid(columns, (height - SURROUND) / ROW_HEIGHT), [columns, height]);
  const cells = useMemo(() => theme && grid && toCells(grid, times, stepMs, theme), [grid, times, stepMs, theme]);
  const drawn = useRef<Cells | null>(null);
  drawn.current = cells;

  const data = useMemo(() => {
    const shown = lines.map(({ column }) =>
      column.map((v) => (withLines && v !== null && v > 0 ? Math.log2(v) : null)),
    );
    return [times as number[], ...shown] as [number[], ...Column[]];
  }, [times, lines, withLines]);
  const colors = lines.map(({ color }) => color).join(" ");
  const options = useMemo(
    () => theme && heatmapOptions(colors === "" ? [] : (colors.split(" ") as ColorToken[]), theme, () => drawn.current),
    [colors, theme],
  );
  const plot = usePlot(container, { options, data, height, cursor });
  const seconds = (value: number | null) => format("seconds", value);

  return (
    <ChartPanel
      title={title}
      description={description}
      state={state}
      empty={grid === null ? empty : undefined}
      height={height}
      aside={
        grid && <TableDialog title={title} times={times} series={[answersOf(columns), ...lines]} format={seconds} />
      }
      footer={
        <div className="flex min-h-7 flex-wrap items-center gap-x-4 px-3.5 pb-2 text-xs">
          {grid && theme && <CountLegend max={rampTop(grid)} theme={theme.name} />}
          {grid && lines.length > 0 && (
            <button
              type="button"
              aria-pressed={withLines}
              onClick={() => setWithLines(!withLines)}
              className="flex items-center gap-2.5 rounded px-1.5 py-1 text-ink-soft hover:bg-hover aria-[pressed=false]:line-through pointer-coarse:py-2"
            >
              {lines.map(({ key, label, color }) => (
                <span key={key} className="flex items-center gap-1">
                  <span aria-hidden className="h-0.75 w-2.5 rounded-full" style={{ background: `var(--${color})` }} />
                  {label}
                </span>
              ))}
            </button>
          )}
        </div>
      }
    >
      <PlotArea container={container} plot={plot} label={describeHeatmap(title, columns, lines)} />
      {grid && (
        <HeatmapTooltip
          grid={grid}
          columns={columns}
          times={times}
          stepMs={stepMs}
          lines={lines}
          plot={plot}
          cursor={cursor}
        />
      )}
    </ChartPanel>
  );
}

/** How many answers each column holds, for the table. */
function answersOf(columns: readonly HistogramColumn[]): TableSeries {
  return {
    key: "answers",
    label: "Answers",
    column: columns.map(({ totalCount }) => (totalCount > 0 ? Math.round(totalCount) : null)),
    format: (value) => format("count", value),
  };
}

function toCells(grid: Grid, times: readonly number[], stepMs: number, theme: Theme): Cells | null {
  const image = paintCells(grid.columns, grid.rows, histogramPlace(grid), theme.name, theme.color("grid"));
  const first = times[0];
  const last = times.at(-1);
  if (image === null || first === undefined || last === undefined) return null;
  return { image, from: first - stepMs / 1000, to: last, bottom: grid.low, top: grid.low + grid.rows * grid.height };
}

function heatmapOptions(colors: ColorToken[], theme: Theme, cells: () => Cells | null): PlotOptions {
  return {
    padding: PADDING,
    scales: {
      x: { time: true, auto: false },
      y: {
        range: () => {
          const shown = cells();
          // Whole 1, 2 or 5 of a power of ten: the axis then does not move with every answer.
          return shown
            ? (logRange(2 ** shown.bottom, 2 ** shown.top).map(Math.log2) as [number, number])
            : [Math.log2(1e-3), Math.log2(1e-2)];
        },
      },
    },
    axes: [
      timeAxis(theme),
      {
        stroke: theme.color("ink-faint"),
        font: theme.font,
        size: AXIS_WIDTH,
        gap: 6,
        grid: { stroke: theme.color("line"), width: 1, dash: [1, 3] },
        ticks: { show: false },
        splits: (u, _axis, min, max) => logTicks(2 ** min, 2 ** max, Math.floor(u.height / 30)).map(Math.log2),
        values: (_u, splits) => splits.map((log2) => format("seconds", 2 ** log2, true)),
      },
    ],
    series: [{}, ...colors.map((color) => ({ stroke: theme.color(color), width: 1.5, points: { show: false } }))],
    hooks: { drawClear: [drawCells(cells)] },
  };
}

function CountLegend({ max, theme }: { max: number; theme: "light" | "dark" }) {
  return (
    <span className="flex items-center gap-2 text-ink-soft">
      <span>1</span>
      <span aria-hidden className="h-2 w-24 rounded-sm" style={{ background: rampGradient(theme) }} />
      <span className="tnum">{format("count", max)}</span>
      <span className="text-ink-faint">answers a cell</span>
    </span>
  );
}

function HeatmapTooltip({
  grid,
  columns,
  times,
  stepMs,
  lines,
  plot,
  cursor,
}: Pick<HeatmapProps, "columns" | "times" | "stepMs"> & {
  grid: Grid;
  lines: readonly HeatmapLine[];
  plot: RefObject<uPlot | null>;
  cursor: CursorStore;
}) {
  const { own, left, top } = useCursor(cursor);
  const u = plot.current;
  if (!own || left < 0 || u === null) return null;
  const x = columnAt(times, stepMs / 1000, u.posToVal(left, "x"));
  const row = rowAt(grid, u.posToVal(top, "y"));
  const column = x === null ? undefined : columns[x];
  if (x === null || column === undefined) return null;
  const end = times[x] as number;
  const count = row === null ? 0 : (grid.counts[x * grid.rows + row] as number);
  const bounds = row === null ? null : rowBounds(grid, row);
  return (
    <>
      {row !== null && <CellMark u={u} grid={grid} row={row} from={end - stepMs / 1000} to={end} />}
      <TooltipBox left={left}>
        <p className="mb-1 text-ink-soft tnum">{timeInFull(end)}</p>
        {column.totalCount === 0 ? (
          <p className="text-ink-faint">no samples</p>
        ) : (
          <dl className="grid grid-cols-[auto_auto] gap-x-3">
            {bounds && (
              <>
                <dt className="text-ink-soft">took</dt>
                <dd className="tnum text-right font-medium">
                  {format("seconds", bounds[0])} – {format("seconds", bounds[1])}
                </dd>
                <dt className="text-ink-soft">answers</dt>
                <dd className="tnum text-right font-medium">
                  {format("count", Math.round(count))} of {format("count", Math.round(column.totalCount))} (
                  {format("ratio", count / column.totalCount)})
                </dd>
              </>
            )}
            {lines.map(({ key, label, column: values }) => (
              <div key={key} className="contents">
                <dt className="text-ink-soft">{label}</dt>
                <dd className="tnum text-right font-medium">{format("seconds", values[x] ?? null)}</dd>
              </div>
            ))}
          </dl>
        )}
      </TooltipBox>
    </>
  );
}

/** The frame around the cell under the pointer. */
function CellMark({ u, grid, row, from, to }: { u: uPlot; grid: Grid; row: number; from: number; to: number }) {
  const left = u.valToPos(from, "x");
  const top = u.valToPos(grid.low + (row + 1) * grid.height, "y");
  return (
    <div
      aria-hidden
      className="pointer-events-none absolute z-10 outline-1 outline-ink"
      style={{
        left: left + u.over.offsetLeft,
        top: top + u.over.offsetTop,
        width: u.valToPos(to, "x") - left,
        height: u.valToPos(grid.low + row * grid.height, "y") - top,
      }}
    />
  );
}

function describeHeatmap(title: string, columns: readonly HistogramColumn[], lines: readonly HeatmapLine[]): string {
  const answers = columns.reduce((sum, column) => sum + column.totalCount, 0);
  if (answers === 0) return `${title}. No samples in this range.`;
  const parts = lines.flatMap(({ label, column }) => {
    const summary = summarize(column);
    return summary ? [`${label} between ${format("seconds", summary.min)} and ${format("seconds", summary.max)}`] : [];
  });
  return `${title}. ${[`${format("count", Math.round(answers))} answers`, ...parts].join("; ")}.`;
}

import type uPlot from "uplot";
import { format, type Unit } from "@/lib/format";
import { type Counting, linearTicks, logTicks, niceRange } from "./ticks";

/** CSS pixels between two lines of a value axis, at the least. */
const LINE_SPACE = 27;
/** All value axes are equally wide, so that the times of a page's charts stand above each other. */
export const AXIS_WIDTH = 58;

export type ValueScale = "linear" | "log";

export interface ValueAxisOptions {
  unit: Unit;
  scale: ValueScale;
  /** The most a value can be, such as 1 for a share of a whole. */
  cap?: number;
  /** Whether values below zero are a second direction (sent under received), shown without a sign. */
  mirrored?: boolean;
}

/** The range of a value scale: zero-based where it is linear, whole powers around the data where it is logarithmic. */
export function valueRange(options: ValueAxisOptions): uPlot.Range.Function {
  const { unit, scale, cap } = options;
  return (u, min, max) => {
    if (scale === "log") return logRange(min, max);
    return niceRange(min, max, { most: lines(u.height), counting: countingOf(unit), cap });
  };
}

/** Ends of a logarithmic axis: the nearest 1, 2 or 5 of the powers of ten around the data, at least a decade apart. */
export function logRange(min: number | null, max: number | null): [number, number] {
  const low = min !== null && min > 0 ? min : 1e-3;
  const high = max !== null && max > low ? max : low;
  const [bottom] = leadingAround(low);
  const [top, above] = leadingAround(high);
  return [bottom, Math.max(top >= high ? top : above, bottom * 10)];
}

/** The 1, 2 or 5 of a power of ten at or below the value, and the next one. */
function leadingAround(value: number): [number, number] {
  const power = Math.floor(Math.log10(value) + 1e-12);
  const leadings = [1, 2, 5, 10];
  const i = leadings.findLastIndex((leading) => Number(`${leading}e${power}`) <= value * (1 + 1e-12));
  const at = Math.max(0, Math.min(2, i));
  return [Number(`${leadings[at]}e${power}`), Number(`${leadings[at + 1]}e${power}`)];
}

function countingOf(unit: Unit): Counting {
  if (unit === "bytes" || unit === "bytes/s") return "binary";
  return unit === "seconds" ? "time" : "decimal";
}

/** How many intervals an axis of a chart of this height has room for. */
function lines(height: number): number {
  return Math.max(2, Math.floor((height - 30) / LINE_SPACE));
}

/** uPlot's splits of a value axis. */
export function valueSplits({
  unit,
  scale,
}: ValueAxisOptions): (u: uPlot, axis: number, min: number, max: number) => number[] {
  return (u, _axis, min, max) =>
    scale === "log" ? logTicks(min, max, lines(u.height)) : linearTicks(min, max, lines(u.height), countingOf(unit));
}

/** uPlot's labels of a value axis. */
export function valueLabels({ unit, mirrored }: ValueAxisOptions): (u: uPlot, splits: number[]) => string[] {
  return (_u, splits) => splits.map((tick) => format(unit, mirrored ? Math.abs(tick) : tick, true));
}

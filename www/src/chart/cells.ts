import type uPlot from "uplot";
import type { Grid } from "./histogram";
import { RAMP_SIZE, ramp, rampIndex } from "./ramp";

/** Coloured cells, one pixel each, and where they go on the scales of a chart. */
export interface Cells {
  image: HTMLCanvasElement;
  /** Unix seconds at the left and the right edge. */
  from: number;
  to: number;
  bottom: number;
  top: number;
}

/** What a cell looks like: a place on the ramp, or one of these. */
export const CLEAR = -1;
export const GAP = -2;

/**
 * Paints cells into an offscreen canvas, column by column; row 0 is at the
 * bottom. place tells where on the ramp a cell stands.
 */
export function paintCells(
  columns: number,
  rows: number,
  place: (column: number, row: number) => number,
  theme: "light" | "dark",
  gap: string,
): HTMLCanvasElement | null {
  if (columns === 0 || rows === 0) return null;
  const image = document.createElement("canvas");
  image.width = columns;
  image.height = rows;
  const context = image.getContext("2d");
  if (context === null) return null;
  const data = context.createImageData(columns, rows);
  fillPixels(new Uint32Array(data.data.buffer), columns, rows, place, ramp(theme), pixelOf(gap));
  context.putImageData(data, 0, 0);
  return image;
}

/** The pixels of the cells, the top row first. */
export function fillPixels(
  pixels: Uint32Array,
  columns: number,
  rows: number,
  place: (column: number, row: number) => number,
  colors: Uint32Array,
  gap: number,
): void {
  for (let y = 0; y < rows; y++) {
    const line = (rows - 1 - y) * columns;
    for (let x = 0; x < columns; x++) {
      const at = place(x, y);
      pixels[line + x] = at === GAP ? gap : at === CLEAR ? 0 : (colors[at] as number);
    }
  }
}

/** The count at the upper end of the ramp: with next to nothing in the cells, no cell shouts. */
export function rampTop(grid: Grid): number {
  return Math.max(4, Math.ceil(grid.max));
}

/** Where the cells of a histogram grid stand on the ramp. */
export function histogramPlace(grid: Grid): (column: number, row: number) => number {
  return (column, row) => {
    if (grid.totals[column] === 0) return GAP;
    const count = grid.counts[column * grid.rows + row] as number;
    return count > 0 ? rampIndex(count, rampTop(grid)) : CLEAR;
  };
}

/** Where shares of a whole stand on the ramp; a missing one is a gap. */
export function sharePlace(values: readonly (readonly (number | null)[])[]): (column: number, row: number) => number {
  return (column, row) => {
    const value = values[row]?.[column] ?? null;
    return value === null ? GAP : Math.round(Math.max(0, Math.min(1, value)) * (RAMP_SIZE - 1));
  };
}

/** #rrggbb as a pixel in ImageData's order. */
export function pixelOf(color: string): number {
  const value = Number.parseInt(color.slice(1), 16);
  return ((255 << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

/** A hook for uPlot's drawClear: the cells lie below lines and axes. */
export function drawCells(cells: () => Cells | null): (u: uPlot) => void {
  return (u) => {
    const shown = cells();
    if (shown === null) return;
    const { ctx, bbox } = u;
    const left = u.valToPos(shown.from, "x", true);
    const right = u.valToPos(shown.to, "x", true);
    const top = u.valToPos(shown.top, "y", true);
    const bottom = u.valToPos(shown.bottom, "y", true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(shown.image, left, top, right - left, bottom - top);
    ctx.restore();
  };
}

/** The column whose time span holds a moment; times are the ends of the spans. */
export function columnAt(times: readonly number[], stepSeconds: number, seconds: number): number | null {
  const first = times[0];
  if (first === undefined) return null;
  const column = Math.ceil((seconds - first) / stepSeconds - 1 - 1e-9) + 1;
  return column >= 0 && column < times.length ? column : null;
}

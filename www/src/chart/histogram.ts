/**
 * Columns of native exponential histograms made ready for drawing: one common
 * resolution, rows no finer than a pixel.
 *
 * Bucket i of resolution r holds the values in (2^((i-1)/2^r), 2^(i/2^r)], so
 * on an axis of log2(value) every row has the same height, 2^-r.
 */

/** One histogram. An empty one (total 0) is "no sample". */
export interface HistogramColumn {
  resolution: number;
  firstBucket: number;
  counts: ArrayLike<number>;
  zeroCount: number;
  totalCount: number;
}

/**
 * A grid of counts. Row 0 is the lowest. Row y holds the values whose log2 is
 * in (low + y*height, low + (y+1)*height].
 */
export interface Grid {
  columns: number;
  rows: number;
  /** log2 of the lower bound of row 0. */
  low: number;
  /** Height of a row in log2. */
  height: number;
  /** counts[x * rows + y] */
  counts: Float32Array;
  /** Samples a column, the zero bucket among them; 0 is "no sample". */
  totals: Float32Array;
  /** The greatest count of a cell. */
  max: number;
}

/** The bucket of the coarser resolution that bucket i of the finer one falls in. */
export function coarserBucket(i: number, from: number, to: number): number {
  return Math.ceil(i / 2 ** (from - to));
}

/** Upper bound of a bucket, in log2 of the value. */
export function upperLog2(bucket: number, resolution: number): number {
  return bucket / 2 ** resolution;
}

/** log2 of the lowest lower and the highest upper bound in use; null when all are empty. */
export function extent(columns: readonly HistogramColumn[]): [number, number] | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const column of columns) {
    const { counts, firstBucket, resolution } = column;
    for (let j = 0; j < counts.length; j++) {
      if ((counts[j] ?? 0) > 0) {
        low = Math.min(low, upperLog2(firstBucket + j - 1, resolution));
        break;
      }
    }
    for (let j = counts.length - 1; j >= 0; j--) {
      if ((counts[j] ?? 0) > 0) {
        high = Math.max(high, upperLog2(firstBucket + j, resolution));
        break;
      }
    }
  }
  return low < high ? [low, high] : null;
}

/** The finest resolution that all columns reach and whose rows are at least one pixel. */
export function drawingResolution(columns: readonly HistogramColumn[], span: number, pixels: number): number {
  let resolution = 8;
  for (const column of columns) {
    if (column.counts.length > 0) {
      resolution = Math.min(resolution, column.resolution);
    }
  }
  while (resolution > -4 && span * 2 ** resolution > pixels) {
    resolution--;
  }
  return resolution;
}

/**
 * Rows are merged until the cells that hold anything hold two values on
 * average: with few values a column, finer rows show nothing but single dots.
 * Never coarser than this, though: a row of 19 %.
 */
const COARSEST_WHEN_SPARSE = 2;
const VALUES_PER_CELL = 2;

function isSparse({ counts, totals }: Grid): boolean {
  let cells = 0;
  for (const count of counts) if (count > 0) cells++;
  let values = 0;
  for (const total of totals) values += total;
  return values < cells * VALUES_PER_CELL;
}

/**
 * The grid of the columns for a height of `pixels`. Merging adds counts, so a
 * row is exactly what a histogram of that resolution would have held.
 */
export function toGrid(columns: readonly HistogramColumn[], pixels: number): Grid | null {
  const bounds = extent(columns);
  if (bounds === null) return null;
  let resolution = drawingResolution(columns, bounds[1] - bounds[0], pixels);
  let grid = gridOf(columns, bounds, resolution);
  while (resolution > COARSEST_WHEN_SPARSE && isSparse(grid)) grid = gridOf(columns, bounds, --resolution);
  return grid;
}

function gridOf(columns: readonly HistogramColumn[], bounds: [number, number], resolution: number): Grid {
  const scale = 2 ** resolution;
  const first = Math.floor(bounds[0] * scale) + 1;
  const rows = Math.max(1, Math.ceil(bounds[1] * scale) - first + 1);
  const counts = new Float32Array(columns.length * rows);
  const totals = new Float32Array(columns.length);
  let max = 0;
  columns.forEach((column, x) => {
    totals[x] = column.totalCount;
    for (let j = 0; j < column.counts.length; j++) {
      const count = column.counts[j] ?? 0;
      if (!(count > 0)) continue;
      const cell = x * rows + coarserBucket(column.firstBucket + j, column.resolution, resolution) - first;
      const sum = (counts[cell] ?? 0) + count;
      counts[cell] = sum;
      max = Math.max(max, sum);
    }
  });
  return { columns: columns.length, rows, low: (first - 1) / scale, height: 1 / scale, counts, totals, max };
}

/** The row that a value's log2 falls in; null outside the grid. */
export function rowAt(grid: Grid, log2: number): number | null {
  const row = Math.ceil((log2 - grid.low) / grid.height) - 1;
  return row >= 0 && row < grid.rows ? row : null;
}

/** Lower and upper bound of a row, in the unit of the values. */
export function rowBounds(grid: Grid, row: number): [number, number] {
  return [2 ** (grid.low + row * grid.height), 2 ** (grid.low + (row + 1) * grid.height)];
}

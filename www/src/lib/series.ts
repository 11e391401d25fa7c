/** One series of an answer: one value a step, null where there is no sample. */
export type SeriesData = {
  labels: Record<string, string>;
  values: (number | null)[];
};

/** The answer to one expression. With an error, series keeps what was known before it. */
export type ExprResult = { series: SeriesData[]; error?: string };

/**
 * Columns over one range of time, ready for uPlot: plain arrays, because uPlot
 * tells gaps by null and a Float64Array cannot hold null.
 *
 * times are unix seconds, evenly spaced by stepMs, and shared by every series;
 * results stand in the order of the expressions asked for. A RangeData never
 * changes: a live update is a new object with new arrays, so identity tells
 * whether there is something to draw.
 */
export type RangeData = {
  times: number[];
  stepMs: number;
  results: ExprResult[];
};

/** A key by which a series is known among those of one expression. */
export function seriesKey(labels: Record<string, string>): string {
  const names = Object.keys(labels);
  if (names.length === 1) {
    const name = names[0] as string;
    return `${name}\u0000${labels[name]}`;
  }
  return names
    .sort()
    .map((name) => `${name}\u0000${labels[name]}`)
    .join("\u0001");
}

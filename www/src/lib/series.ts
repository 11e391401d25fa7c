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

/**
 * The range with one series for each thing that was measured. The server tells
 * by the label instance under which name a host measured it, so that one that
 * was renamed has a series of each name. The last value under the old name
 * stands for a while: where several have one, that of the newest name counts.
 */
export function joinNames(data: RangeData): RangeData {
  if (!data.results.some(hasNames)) return data;
  const results = data.results.map((result) =>
    hasNames(result) ? { ...result, series: joinSeries(result.series) } : result,
  );
  return { ...data, results };
}

function hasNames({ series }: ExprResult): boolean {
  const name = series[0]?.labels.instance;
  return series.some(({ labels }) => labels.instance !== name);
}

function joinSeries(series: readonly SeriesData[]): SeriesData[] {
  const groups = new Map<string, SeriesData[]>();
  for (const one of series) {
    const { instance: _, ...labels } = one.labels;
    const key = seriesKey(labels);
    const group = groups.get(key);
    if (group) group.push(one);
    else groups.set(key, [one]);
  }
  return [...groups.values()].map(overlayNewest);
}

const hasValue = (value: number | null) => value !== null;

/** Newer is what goes on for longer, or, while both go on, began later. */
function overlayNewest(group: SeriesData[]): SeriesData {
  const byAge = group
    .map((one) => ({ one, first: one.values.findIndex(hasValue), last: one.values.findLastIndex(hasValue) }))
    .sort((a, b) => a.last - b.last || a.first - b.first)
    .map(({ one }) => one);
  return byAge.reduce((older, { labels, values }) => ({
    labels,
    values: values.map((value, step) => value ?? older.values[step] ?? null),
  }));
}

import type { Column } from "./stack";

/** What one series did over a range; null where it has no sample at all. */
export interface Summary {
  min: number;
  avg: number;
  max: number;
  last: number;
  /** Steps that have a value. */
  samples: number;
}

/** The least, the mean, the greatest and the newest value of a column, gaps left out. */
export function summarize(column: Column): Summary | null {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let sum = 0;
  let samples = 0;
  let last = 0;
  for (const value of column) {
    if (value === null) {
      continue;
    }
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
    last = value;
    samples++;
  }
  return samples === 0 ? null : { min, avg: sum / samples, max, last, samples };
}

/** The newest value of a column, looking back over at most `back` empty steps. */
export function latest(column: Column, back = 3): number | null {
  for (let i = column.length - 1; i >= 0 && i >= column.length - 1 - back; i--) {
    const value = column[i] ?? null;
    if (value !== null) return value;
  }
  return null;
}

/** A chart in words, for those who do not see it. */
export function describe(
  title: string,
  series: readonly { label: string; column: Column }[],
  format: (value: number) => string,
): string {
  const most = 8;
  const parts = series.slice(0, most).map(({ label, column }) => {
    const summary = summarize(column);
    return summary === null
      ? `${label}: no samples`
      : `${label}: lowest ${format(summary.min)}, average ${format(summary.avg)}, highest ${format(summary.max)}, latest ${format(summary.last)}`;
  });
  if (series.length > most) {
    parts.push(`and ${series.length - most} more series`);
  }
  return `${title}. ${parts.length === 0 ? "No samples in this range." : `${parts.join("; ")}.`}`;
}

/** A table of the columns as CSV (RFC 4180) with ISO times; gaps are empty fields. */
export function toCsv(times: ArrayLike<number>, series: readonly { label: string; column: Column }[]): string {
  const lines = [["time", ...series.map(({ label }) => label)].map(field).join(",")];
  for (let step = 0; step < times.length; step++) {
    const values = series.map(({ column }) => String(column[step] ?? ""));
    lines.push([new Date((times[step] ?? 0) * 1000).toISOString(), ...values].join(","));
  }
  return `${lines.join("\r\n")}\r\n`;
}

function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

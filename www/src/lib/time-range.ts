/** A point of time: so long ago, counted from now, or a fixed one. Milliseconds. */
export type TimePoint = { kind: "ago"; ms: number } | { kind: "at"; ms: number };

/** What a page shows. */
export type TimeRange = { from: TimePoint; to: TimePoint };

/** Short, so that a host that has just joined fills it soon. */
export const defaultRange: TimeRange = { from: { kind: "ago", ms: 5 * 60_000 }, to: { kind: "ago", ms: 0 } };

export const presets = ["5m", "15m", "1h", "3h", "6h", "12h", "24h", "2d", "7d", "30d", "90d", "365d"] as const;

const units: Record<string, number> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const longestMs = 10 * 365 * 86_400_000;

/** "90s", "15m", "2d" in milliseconds; null for anything else. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,9})([smhdw])$/.exec(text);
  if (!match) return null;
  const ms = Number(match[1]) * (units[match[2] as string] as number);
  return ms > 0 && ms <= longestMs ? ms : null;
}

/** The shortest form that parseDuration reads back. */
export function printDuration(ms: number): string {
  for (const unit of ["w", "d", "h", "m"]) {
    const size = units[unit] as number;
    // "24h" and "7d" are what people say for one day and one week.
    if (ms % size === 0 && (ms > size || unit === "h" || unit === "m")) return `${ms / size}${unit}`;
  }
  return `${Math.round(ms / 1000)}s`;
}

/** Reads "now", "now-15m", or milliseconds since 1970; null for anything else. */
export function parsePoint(text: string): TimePoint | null {
  if (text === "now") return { kind: "ago", ms: 0 };
  if (text.startsWith("now-")) {
    const ms = parseDuration(text.slice(4));
    return ms === null ? null : { kind: "ago", ms };
  }
  if (/^\d{1,15}$/.test(text)) return { kind: "at", ms: Number(text) };
  return null;
}

export function printPoint(point: TimePoint): string {
  if (point.kind === "at") return String(Math.round(point.ms));
  return point.ms === 0 ? "now" : `now-${printDuration(point.ms)}`;
}

/** A live range ends now: new samples come in at its right edge. */
export function isLive(range: TimeRange): boolean {
  return range.to.kind === "ago" && range.to.ms === 0 && range.from.kind === "ago";
}

export function resolve(range: TimeRange, nowMs: number): { startMs: number; endMs: number } {
  const at = (point: TimePoint) => (point.kind === "at" ? point.ms : nowMs - point.ms);
  const startMs = at(range.from);
  const endMs = at(range.to);
  return startMs <= endMs ? { startMs, endMs } : { startMs: endMs, endMs: startMs };
}

/** Length in milliseconds, at least one second. */
export function duration(range: TimeRange, nowMs: number): number {
  const { startMs, endMs } = resolve(range, nowMs);
  return Math.max(1_000, endMs - startMs);
}

/** The last "15m", live. Throws for what parseDuration does not read. */
export function relative(text: string): TimeRange {
  const ms = parseDuration(text);
  if (ms === null) throw new RangeError(`${text} is no duration`);
  return { from: { kind: "ago", ms }, to: { kind: "ago", ms: 0 } };
}

export function absolute(startMs: number, endMs: number): TimeRange {
  return { from: { kind: "at", ms: Math.round(startMs) }, to: { kind: "at", ms: Math.round(endMs) } };
}

/** Moves the window by half its length; never beyond now, where it becomes live again. */
export function shift(range: TimeRange, direction: -1 | 1, nowMs: number): TimeRange {
  const { startMs, endMs } = resolve(range, nowMs);
  const by = ((endMs - startMs) / 2) * direction;
  if (endMs + by >= nowMs) {
    return { from: { kind: "ago", ms: Math.max(1_000, roundSecond(endMs - startMs)) }, to: { kind: "ago", ms: 0 } };
  }
  return absolute(startMs + by, endMs + by);
}

/** Twice the length around the same middle; a range that ends now keeps ending now. */
export function zoomOut(range: TimeRange, nowMs: number): TimeRange {
  const { startMs, endMs } = resolve(range, nowMs);
  const length = Math.min(longestMs, (endMs - startMs) * 2);
  if (range.to.kind === "ago" && range.to.ms === 0) {
    return { from: { kind: "ago", ms: roundSecond(length) }, to: range.to };
  }
  const middle = (startMs + endMs) / 2;
  if (middle + length / 2 >= nowMs)
    return { from: { kind: "ago", ms: roundSecond(length) }, to: { kind: "ago", ms: 0 } };
  return absolute(middle - length / 2, middle + length / 2);
}

function roundSecond(ms: number): number {
  return Math.round(ms / 1000) * 1000;
}

/** Steps that divide minutes, hours and days, so that ticks fall on round times. */
const niceSteps = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
].map((s) => s * 1000);

/** The server answers at most this many steps a range. */
export const maxSteps = 11_000;

/** The finest nice step, at least a second, with which a range of this length has about one point per pixel or fewer. */
export function stepFor(durationMs: number, widthPx: number): number {
  const points = Math.min(maxSteps, Math.max(60, widthPx));
  const ideal = durationMs / points;
  // A little beyond one point a pixel is better than half as many.
  return niceSteps.find((step) => step * 1.1 >= ideal) ?? (niceSteps.at(-1) as number);
}

const dayTime = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  hour12: false,
});
const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

/** For people: "Last 15m", or both ends. */
export function describe(range: TimeRange): string {
  if (range.from.kind === "ago" && range.to.kind === "ago") {
    if (range.to.ms === 0) return `Last ${printDuration(range.from.ms)}`;
    return `${printPoint(range.from)} to ${printPoint(range.to)}`;
  }
  const print = (p: TimePoint) => (p.kind === "at" ? dayTime.format(p.ms) : printPoint(p));
  const both = range.from.kind === "at" && range.to.kind === "at";
  if (both && range.to.ms - range.from.ms < 600_000)
    return `${dayTime.format(range.from.ms)} to ${time.format(range.to.ms)}`;
  return `${print(range.from)} to ${print(range.to)}`;
}

/** Texts such as "200ms", "1.5s", "5min" and "1h" to whole milliseconds and back. */
const units = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000 } as const;

/** Milliseconds; null when the text is no duration, or none in whole milliseconds. */
export function parseDuration(text: string): number | null {
  const hit = /^(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|min|m|h)$/.exec(text.trim());
  if (!hit) return null;
  const ms = Number(hit[1]) * units[hit[2] as keyof typeof units];
  const whole = Math.round(ms);
  return Math.abs(ms - whole) < 1e-6 ? whole : null;
}

/** In the largest unit in which it is a short number: 1500 is "1.5s", 1001 is "1001ms". */
export function printDuration(ms: number): string {
  for (const unit of ["h", "min", "s"] as const) {
    const value = ms / units[unit];
    if (value >= 1 && Number.isInteger(value * (unit === "s" ? 10 : 1))) return `${value}${unit}`;
  }
  return `${ms}ms`;
}

/**
 * Where the lines of a value axis go: steps that people count in, never finer
 * than the axis has room for.
 */

/** How a unit is counted: by tens, by powers of two, or as a span of time. */
export type Counting = "decimal" | "binary" | "time";

const DAY = 86_400;
/** Seconds. */
const LONG_SPANS = [
  1,
  2,
  5,
  10,
  15,
  30,
  60,
  120,
  300,
  600,
  900,
  1800,
  3600,
  7200,
  21_600,
  43_200,
  DAY,
  2 * DAY,
  7 * DAY,
];

/** The smallest pleasant step that is at least `least`. */
export function niceStep(least: number, counting: Counting): number {
  if (!(least > 0)) {
    return 1;
  }
  if (counting === "time" && least > 0.5) {
    const found = LONG_SPANS.find((step) => step >= least);
    return found ?? niceStep(least / DAY, "decimal") * DAY;
  }
  // 256 MiB, 512 MiB, 1 GiB: no step that reads 1.46 GiB.
  if (counting === "binary" && least > 0.5) return 2 ** Math.ceil(Math.log2(least) - 1e-9);
  const magnitude = 10 ** Math.floor(Math.log10(least));
  // A hair below, so that 0.1 + 0.2 still finds 0.3's own step.
  const leading = least / magnitude - 1e-9;
  const step = leading <= 1 ? 1 : leading <= 2 ? 2 : leading <= 5 ? 5 : 10;
  return roundTo(step * magnitude, magnitude);
}

/** Removes the binary dust that adding steps leaves (0.30000000000000004). */
function roundTo(value: number, step: number): number {
  const digits = Math.max(0, Math.min(20, 2 - Math.floor(Math.log10(step))));
  return Number(value.toFixed(digits));
}

/** Multiples of a pleasant step within [min, max], at most `most` intervals. */
export function linearTicks(min: number, max: number, most: number, counting: Counting): number[] {
  if (!(max > min) || most < 1) {
    return [min];
  }
  const step = niceStep((max - min) / most, counting);
  const ticks: number[] = [];
  for (let i = Math.ceil(min / step - 1e-9); i * step <= max + step * 1e-9; i++) {
    ticks.push(roundTo(i * step, step));
  }
  return ticks;
}

/**
 * The axis's ends: data and 0 widened to whole steps. Nothing is beyond cap by
 * nature: what is measured a little above it, because samples do not come
 * evenly, does not stretch the axis.
 */
export function niceRange(
  min: number | null,
  max: number | null,
  { most, counting, cap = Number.POSITIVE_INFINITY }: { most: number; counting: Counting; cap?: number },
): [number, number] {
  const low = Math.min(min ?? 0, 0);
  const high = Math.min(Math.max(max ?? 0, 0), cap);
  // A flat line still deserves an axis with a meaning: 0 to 1 of its unit.
  if (low === high) return [0, Math.min(cap, 1)];
  const step = niceStep((high - low) / most, counting);
  return [Math.floor(low / step + 1e-9) * step, Math.min(cap, Math.ceil(high / step - 1e-9) * step)];
}

/**
 * Lines of a logarithmic axis over [min, max]: powers of ten, with 2 and 5
 * between them where there is room for `most` lines.
 */
export function logTicks(min: number, max: number, most: number): number[] {
  if (!(min > 0) || !(max > min)) {
    return [];
  }
  const decades = Math.log10(max / min);
  const leadings = decades * 3 <= most ? [1, 2, 5] : decades * 2 <= most ? [1, 3] : [1];
  const every = Math.max(1, Math.ceil(decades / most));
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++) {
    if (power % every !== 0) {
      continue;
    }
    for (const leading of leadings) {
      const tick = Number(`${leading}e${power}`);
      if (tick >= min * (1 - 1e-9) && tick <= max * (1 + 1e-9)) {
        ticks.push(tick);
      }
    }
  }
  return ticks;
}

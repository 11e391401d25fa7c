/**
 * Base units into text for people, with three significant digits. A value that
 * is missing or not a number is an en dash. With trim, zeros at the end of the
 * fraction are left out (axes); without, texts keep their width (live values).
 */
export type Unit = "bytes" | "bytes/s" | "ratio" | "seconds" | "count" | "count/s";

export type Parts = { number: string; unit: string };

type Value = number | null | undefined;
type Scale = readonly { size: number; unit: string }[];

export const missing = "–";

const iec: Scale = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].map((unit, i) => ({ size: 1024 ** i, unit }));
const si: Scale = ["", "k", "M", "G", "T", "P"].map((unit, i) => ({ size: 1000 ** i, unit }));
const timeScale: Scale = [
  { size: 1e-9, unit: "ns" },
  { size: 1e-6, unit: "µs" },
  { size: 1e-3, unit: "ms" },
  { size: 1, unit: "s" },
  { size: 60, unit: "min" },
  { size: 3_600, unit: "h" },
  { size: 86_400, unit: "d" },
];

/** Three significant digits without an exponent; whole numbers beyond. */
function digits(value: number, trim: boolean): string {
  const size = Math.abs(value);
  const places = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  const text = value.toFixed(places);
  return trim && places > 0 ? text.replace(/\.?0+$/, "") : text;
}

function scaled(value: Value, scale: Scale, trim: boolean): Parts {
  if (value === null || value === undefined || !Number.isFinite(value)) return { number: missing, unit: "" };
  if (value === 0) return { number: "0", unit: (scale.find((s) => s.size === 1) ?? { unit: "" }).unit };
  const size = Math.abs(value);
  let at = 0;
  while (at + 1 < scale.length) {
    const next = scale[at + 1] as { size: number };
    const here = scale[at] as { size: number };
    // What would be rounded up to the next unit is written in it: 1.00 MiB, not 1024 KiB.
    const rounded = Number(digits(size / here.size, true)) * here.size;
    if (rounded < next.size) break;
    at++;
  }
  const { size: unitSize, unit } = scale[at] as { size: number; unit: string };
  const whole = unit === "B" || unit === "ns";
  const number = whole ? String(Math.round(value / unitSize)) : digits(value / unitSize, trim);
  return { number: number.replace(/^-(?=[0.]+$)/, ""), unit };
}

/** Number and unit apart, for tiles that set them differently. */
export function parts(unit: Unit, value: Value, trim = false): Parts {
  switch (unit) {
    case "bytes":
      return scaled(value, iec, trim);
    case "bytes/s": {
      const p = scaled(value, iec, trim);
      return p.unit ? { number: p.number, unit: `${p.unit}/s` } : p;
    }
    case "ratio": {
      if (value === null || value === undefined || !Number.isFinite(value)) return { number: missing, unit: "" };
      // Less than a millionth of a percent is what computing leaves over.
      const percent = Math.abs(value) < 1e-8 ? 0 : value * 100;
      const size = Math.abs(percent);
      // A loss of one in ten thousand must not look like none.
      const text = percent !== 0 && size < 0.1 ? percent.toPrecision(1) : percent.toFixed(size >= 99.95 ? 0 : 1);
      return { number: trim && text.includes(".") ? text.replace(/\.?0+$/, "") : text, unit: "%" };
    }
    case "seconds":
      return scaled(value, timeScale, trim);
    case "count":
      return count(value, trim);
    case "count/s": {
      const p = count(value, trim);
      return p.number === missing ? p : { number: p.number, unit: `${p.unit}/s` };
    }
  }
}

/** Small whole numbers as they are, others in SI: 7, 1.50k. */
function count(value: Value, trim: boolean): Parts {
  if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) < 1000) {
    return { number: String(value), unit: "" };
  }
  return scaled(value, si, trim);
}

/** "1.50 GiB/s", "12.3%", "450 µs", "1.50k". */
export function format(unit: Unit, value: Value, trim = false): string {
  const p = parts(unit, value, trim);
  if (p.number === missing || p.unit === "") return p.number;
  const joined = unit === "ratio" || ((unit === "count" || unit === "count/s") && p.unit.length > 0);
  return joined ? `${p.number}${p.unit}` : `${p.number} ${p.unit}`;
}

/** "now", "12 s ago", "3 min ago", "2 d ago". */
export function formatAgo(thenMs: number, nowMs: number): string {
  const seconds = Math.max(0, (nowMs - thenMs) / 1000);
  if (seconds < 5) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

const moment = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});

/** Date and time of this device's time zone. */
export function formatMoment(ms: number): string {
  return moment.format(ms);
}

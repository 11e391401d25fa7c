import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";

type Rgb = [red: number, green: number, blue: number];

const css = readFileSync(resolve(import.meta.dirname, "../app/globals.css"), "utf8");

/** The tokens of a theme: linear light, 0 to 1. */
function token(theme: "light" | "dark", name: string): Rgb {
  const block = css.split(".dark {")[theme === "light" ? 0 : 1] ?? "";
  const hex = new RegExp(`--${name}: #([0-9a-f]{6});`).exec(block)?.[1] ?? "";
  return [0, 2, 4].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
}

const luminance = ([r, g, b]: Rgb) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** Machado, Oliveira and Fernandes (2009), severity 1. */
const sights: Record<string, number[][]> = {
  full: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  "without red": [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  "without green": [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
};

function seen(color: Rgb, sight: number[][]): Rgb {
  return sight.map((row) =>
    Math.max(
      0,
      row.reduce((sum, factor, i) => sum + factor * (color[i] as number), 0),
    ),
  ) as Rgb;
}

/** OKLab, where distances are as large as they look. */
function lab([r, g, b]: Rgb): Rgb {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

describe.each(["light", "dark"] as const)("series colours, %s", (theme) => {
  const colors = Array.from({ length: 8 }, (_, i) => token(theme, `series-${i + 1}`));

  test("stand out from the surface", () => {
    const surface = token(theme, "surface");
    for (const color of colors) expect(contrast(color, surface)).toBeGreaterThanOrEqual(3);
  });

  test.each(Object.keys(sights))("can be told apart with sight %s", (name) => {
    const views = colors.map((color) => lab(seen(color, sights[name] as number[][])));
    for (const [i, a] of views.entries()) {
      for (const [j, b] of views.slice(0, i).entries()) {
        expect(Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]), `${j + 1} and ${i + 1}`).toBeGreaterThan(0.09);
      }
    }
  });
});

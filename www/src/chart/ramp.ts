/**
 * Colours of a heatmap: a ramp whose lightness in OKLab changes evenly from
 * the page's ground to its opposite, so that twice the distance on the ramp
 * looks like twice the distance on every screen and in greyscale.
 */

type Lab = [lightness: number, a: number, b: number];
type Stop = [lightness: number, chroma: number, hue: number];

/** Lightness, chroma, hue in degrees; lightness is monotonic in each ramp. */
const STOPS: Record<"light" | "dark", readonly Stop[]> = {
  dark: [
    [0.3, 0.09, 290],
    [0.42, 0.14, 300],
    [0.55, 0.17, 350],
    [0.67, 0.17, 30],
    [0.8, 0.15, 70],
    [0.95, 0.1, 100],
  ],
  light: [
    [0.93, 0.05, 100],
    [0.82, 0.12, 75],
    [0.7, 0.16, 40],
    [0.56, 0.18, 5],
    [0.42, 0.15, 320],
    [0.28, 0.12, 290],
  ],
};

export const RAMP_SIZE = 256;

const ramps = new Map<string, Uint32Array>();

/** The ramp as pixels in ImageData's order (little-endian ABGR), opaque. */
export function ramp(theme: "light" | "dark"): Uint32Array {
  let pixels = ramps.get(theme);
  if (pixels === undefined) {
    pixels = new Uint32Array(RAMP_SIZE);
    for (let i = 0; i < RAMP_SIZE; i++) {
      const [r, g, b] = labToRgb(interpolate(STOPS[theme], i / (RAMP_SIZE - 1)));
      pixels[i] = (255 << 24) | (b << 16) | (g << 8) | r;
    }
    ramps.set(theme, pixels);
  }
  return pixels;
}

/** A CSS gradient of the ramp, for its legend. */
export function rampGradient(theme: "light" | "dark"): string {
  const pixels = ramp(theme);
  const stops = Array.from({ length: 9 }, (_, i) => {
    const pixel = pixels[Math.round((i / 8) * (RAMP_SIZE - 1))] ?? 0;
    return `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`;
  });
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

/**
 * The place of a count on the ramp, 0 to RAMP_SIZE-1. One stands
 * near the lower end, but never at it, which is close to the ground; the square
 * root keeps a few slow answers among hundreds of quick ones visible.
 */
export function rampIndex(count: number, max: number): number {
  if (!(count > 0) || !(max > 0)) {
    return 0;
  }
  const root = Math.sqrt(Math.min(1, count / max));
  const least = max > 1 ? Math.sqrt(1 / max) : 0;
  const place = 0.1 + 0.9 * Math.max(0, (root - least) / (1 - least));
  return Math.round(place * (RAMP_SIZE - 1));
}

function interpolate(stops: readonly Stop[], t: number): Lab {
  const at = t * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(at));
  const f = at - i;
  const from = toLab(stops[i] as Stop);
  const to = toLab(stops[i + 1] as Stop);
  return [from[0] + (to[0] - from[0]) * f, from[1] + (to[1] - from[1]) * f, from[2] + (to[2] - from[2]) * f];
}

function toLab([lightness, chroma, hue]: Stop): Lab {
  const radians = (hue * Math.PI) / 180;
  return [lightness, chroma * Math.cos(radians), chroma * Math.sin(radians)];
}

/** OKLab to 8-bit sRGB, by the matrices of Ottosson's definition. */
function labToRgb([lightness, a, b]: Lab): [number, number, number] {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    toByte(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    toByte(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    toByte(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

function toByte(linear: number): number {
  const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return Math.round(Math.max(0, Math.min(1, value)) * 255);
}

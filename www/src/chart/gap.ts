import type uPlot from "uplot";
import type { Theme } from "./theme";

/** Time without samples for a reason that is known. */
export interface Gap {
  /** Unix seconds. */
  from: number;
  to: number;
  /** What became of the samples, as people say it. */
  label: string;
  /** The same for where there is little room. */
  short: string;
}

/** The gap that holds a moment, in unix seconds. */
export function gapAt(gaps: readonly Gap[], seconds: number): Gap | undefined {
  return gaps.find(({ from, to }) => seconds >= from && seconds <= to);
}

/** CSS pixels that a band takes at the least, so that a short gap is seen. */
const LEAST = 3;
const STRIPE = 7;

/** Draws each gap as a striped band, with its label where there is room. */
export function drawGaps(u: uPlot, gaps: readonly Gap[], theme: Theme): void {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  for (const gap of gaps) {
    const left = Math.max(bbox.left, u.valToPos(gap.from, "x", true));
    const right = Math.min(bbox.left + bbox.width, Math.max(u.valToPos(gap.to, "x", true), left + LEAST * ratio));
    if (right <= left) continue;
    const width = right - left;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, bbox.top, width, bbox.height);
    ctx.clip();
    ctx.fillStyle = theme.color("warn");
    ctx.globalAlpha = 0.1;
    ctx.fillRect(left, bbox.top, width, bbox.height);
    ctx.globalAlpha = 0.35;
    ctx.strokeStyle = theme.color("warn");
    ctx.lineWidth = ratio;
    ctx.beginPath();
    for (let x = left - bbox.height; x < right; x += STRIPE * ratio) {
      ctx.moveTo(x, bbox.top + bbox.height);
      ctx.lineTo(x + bbox.height, bbox.top);
    }
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.font = theme.font.replace(/^[\d.]+/, (size) => String(Number(size) * ratio));
    const pad = 4 * ratio;
    const label = [gap.label, gap.short].find((text) => ctx.measureText(text).width + 4 * pad <= width);
    if (label !== undefined) {
      const text = ctx.measureText(label).width;
      const middle = left + width / 2;
      ctx.fillStyle = theme.color("surface");
      ctx.fillRect(middle - text / 2 - pad, bbox.top + pad, text + 2 * pad, 16 * ratio);
      ctx.fillStyle = theme.color("warn");
      ctx.textAlign = "center";
      ctx.textBaseline = "middle";
      ctx.fillText(label, middle, bbox.top + pad + 8 * ratio);
    }
    ctx.restore();
  }
}

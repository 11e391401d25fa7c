"use client";

import { useEffect, useRef } from "react";
import type { Column } from "./stack";
import { type ColorToken, useChartTheme } from "./theme";

export interface SparklineProps {
  /** null is a gap. Replaced, never changed in place. */
  values: Column;
  color?: ColorToken;
  /** CSS pixels. */
  width?: number;
  height?: number;
  /** What reaches the top; by default the greatest value. */
  max?: number;
}

/** A line without axes, from zero upwards, cheap enough for a thousand of them on a page. Decoration beside its number. */
export function Sparkline({ values, color = "series-1", width = 96, height = 24, max }: SparklineProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useChartTheme();
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!canvas.current || !context || theme === null) return;
    const ratio = window.devicePixelRatio || 1;
    canvas.current.width = Math.round(width * ratio);
    canvas.current.height = Math.round(height * ratio);
    context.scale(ratio, ratio);
    const stroke = theme.color(color);
    for (const points of sparkPoints(values, width, height, max)) {
      const [first, last] = [points[0] as Point, points.at(-1) as Point];
      context.beginPath();
      context.moveTo(first[0], first[1]);
      for (const [x, y] of points) context.lineTo(x, y);
      if (points.length === 1) context.lineTo(first[0] + 1, first[1]);
      context.strokeStyle = stroke;
      context.lineWidth = 1.25;
      context.lineJoin = "round";
      context.stroke();
      context.lineTo(last[0], height);
      context.lineTo(first[0], height);
      context.fillStyle = `${stroke}22`;
      context.fill();
    }
  }, [values, color, width, height, max, theme]);
  return <canvas ref={canvas} aria-hidden style={{ width, height }} className="block" />;
}

type Point = [x: number, y: number];

/** The lines of a sparkline in CSS pixels: one for each stretch between gaps. */
export function sparkPoints(values: Column, width: number, height: number, max?: number): Point[][] {
  const top = max ?? values.reduce<number>((most, value) => Math.max(most, value ?? 0), 0);
  const stretches: Point[][] = [];
  let open: Point[] | null = null;
  values.forEach((value, i) => {
    if (value === null) {
      open = null;
      return;
    }
    const share = top > 0 ? Math.max(0, Math.min(1, value / top)) : 0;
    const point: Point = [values.length < 2 ? 0 : (i / (values.length - 1)) * width, 1 + (1 - share) * (height - 2)];
    if (open === null) {
      open = [];
      stretches.push(open);
    }
    open.push(point);
  });
  return stretches;
}

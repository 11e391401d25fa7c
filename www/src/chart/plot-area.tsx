"use client";

import "./chart.css";
import type { KeyboardEvent, RefObject } from "react";
import type uPlot from "uplot";
import { moveCursor } from "./use-plot";

/**
 * Where a plot is drawn. The arrow keys move its cursor, Shift ten steps at a
 * time, Home and End to the ends, Escape away.
 */
export function PlotArea({
  container,
  plot,
  label,
}: {
  container: RefObject<HTMLDivElement | null>;
  plot: RefObject<uPlot | null>;
  /** What the drawing says, in words. */
  label: string;
}) {
  return (
    <div
      ref={container}
      role="img"
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys move its cursor
      tabIndex={0}
      onKeyDown={(event) => plot.current && followKeys(plot.current, event)}
      className="chart"
    />
  );
}

function followKeys(u: uPlot, event: KeyboardEvent): void {
  const times = u.data[0];
  if (times.length === 0) return;
  const last = times.length - 1;
  const at = u.cursor.idx ?? null;
  const by = event.shiftKey ? 10 : 1;
  const next = {
    ArrowLeft: at === null ? last : Math.max(0, at - by),
    ArrowRight: at === null ? last : Math.min(last, at + by),
    Home: 0,
    End: last,
  }[event.key];
  if (next !== undefined) {
    event.preventDefault();
    moveCursor(u, u.valToPos(times[next] as number, "x"), u.over.clientHeight / 2);
  } else if (event.key === "Escape") {
    moveCursor(u, -10, -10);
  }
}

"use client";

import { createContext, type ReactNode, useContext, useId, useMemo } from "react";
import { useRuntime } from "@/lib/runtime";
import { absolute, isLive, resolve, type TimeRange, zoomOut } from "@/lib/time-range";
import type { Gap } from "./gap";

/** What the charts of a page share: the window, the cursor, zooming. */
export interface ChartGroupState {
  /** Charts of one key move their cursors together. */
  syncKey: string;
  live: boolean;
  /** The window to draw, in unix seconds. lastSeconds is the newest step of the data. */
  window(lastSeconds: number | undefined): [from: number, to: number];
  /** Shows the time between two moments, in unix seconds. */
  zoom(from: number, to: number): void;
  zoomOut(): void;
  /** Where samples are missing for a reason that is known. */
  gaps: readonly Gap[];
}

const Context = createContext<ChartGroupState | null>(null);

const noGaps: readonly Gap[] = [];

/** The shortest window that dragging may ask for, in seconds. */
const SHORTEST = 5;

/** Joins the charts below it to one time range, which dragging and double-clicking change. */
export function ChartGroup({
  range,
  setRange,
  gaps = noGaps,
  children,
}: {
  range: TimeRange;
  setRange: (range: TimeRange) => void;
  gaps?: readonly Gap[];
  children: ReactNode;
}) {
  const syncKey = useId();
  const { watch } = useRuntime();
  const group = useMemo<ChartGroupState>(() => {
    const live = isLive(range);
    return {
      syncKey,
      live,
      window(lastSeconds) {
        // A range held still ended when its newest step came.
        const now = live || lastSeconds === undefined ? watch.now() : lastSeconds * 1000;
        const { startMs, endMs } = resolve(range, now);
        return [startMs / 1000, Math.max(endMs, startMs + 1000) / 1000];
      },
      zoom(from, to) {
        const middle = (from + to) / 2;
        const half = Math.max(SHORTEST, to - from) / 2;
        setRange(absolute((middle - half) * 1000, (middle + half) * 1000));
      },
      zoomOut() {
        setRange(zoomOut(range, watch.now()));
      },
      gaps,
    };
  }, [range, setRange, syncKey, watch, gaps]);
  return <Context value={group}>{children}</Context>;
}

export function useChartGroup(): ChartGroupState {
  const group = useContext(Context);
  if (group === null) throw new Error("a chart needs a ChartGroup around it");
  return group;
}

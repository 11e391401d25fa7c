"use client";

import { type RefObject, useEffect, useRef } from "react";
import uPlot from "uplot";
import type { CursorStore } from "./cursor";
import { drawGaps } from "./gap";
import { useChartGroup } from "./group";
import { type Drawable, redraws } from "./redraw";
import { useChartTheme } from "./theme";

/** uPlot's options that a chart decides; size, zoom and cursor are added here. */
export type PlotOptions = Omit<uPlot.Options, "width" | "height">;

/** Below so many CSS pixels a window that has moved looks the same. */
const VISIBLE_SHIFT = 0.5;

/**
 * Keeps one uPlot in the container: made anew when options change, drawn when
 * data does or the live window has moved, and only while it is on screen.
 * options must keep their identity while they mean the same.
 */
export function usePlot(
  container: RefObject<HTMLDivElement | null>,
  {
    options,
    data,
    height,
    cursor,
  }: { options: PlotOptions | null; data: uPlot.AlignedData; height: number; cursor: CursorStore },
): RefObject<uPlot | null> {
  const group = useChartGroup();
  const theme = useChartTheme();
  const plot = useRef<uPlot | null>(null);
  const current = useRef({ group, data, theme });
  const request = useRef<(atOnce?: boolean) => void>(() => {});
  current.current = { group, data, theme };

  useEffect(() => {
    const element = container.current;
    if (element === null || options === null) return;
    const u = new uPlot(
      {
        ...options,
        width: Math.max(1, element.clientWidth),
        height,
        legend: { show: false },
        cursor: interaction(options.cursor, group.syncKey, () => current.current.group.zoomOut()),
        hooks: {
          ...options.hooks,
          draw: [
            ...(options.hooks?.draw ?? []),
            (u) => {
              const { group, theme } = current.current;
              if (theme) drawGaps(u, group.gaps, theme);
            },
          ],
          setCursor: [
            ...(options.hooks?.setCursor ?? []),
            (u) =>
              cursor.set({
                index: u.cursor.left !== undefined && u.cursor.left >= 0 ? (u.cursor.idx ?? null) : null,
                left: u.cursor.left ?? -10,
                top: u.cursor.top ?? -10,
                own: u.over.matches(":hover, [data-touched]") || element.matches(":focus-visible"),
              }),
          ],
          setSelect: [
            (u) => {
              if (u.select.width < 1) return;
              const from = u.posToVal(u.select.left, "x");
              const to = u.posToVal(u.select.left + u.select.width, "x");
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
              current.current.group.zoom(from, to);
            },
          ],
        },
      },
      current.current.data,
      element,
    );
    plot.current = u;

    let onScreen = true;
    let drawnFrom = Number.NaN;
    const drawable: Drawable = {
      draw() {
        if (!onScreen) return;
        const { group, data } = current.current;
        const last = data[0]?.at(-1) ?? undefined;
        const [min, max] = group.window(last ?? undefined);
        drawnFrom = min;
        u.batch(() => {
          u.setData(data, false);
          u.setScale("x", { min, max });
        });
      },
      stale() {
        if (!onScreen || !current.current.group.live) return false;
        const [min, max] = current.current.group.window(undefined);
        return ((min - drawnFrom) / (max - min)) * u.over.clientWidth >= VISIBLE_SHIFT;
      },
      live: () => onScreen && current.current.group.live,
    };
    redraws.add(drawable);
    request.current = (atOnce) => redraws.request(drawable, atOnce);
    request.current(true);

    const resizing = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0 && width !== u.width) u.setSize({ width, height });
    });
    resizing.observe(element);
    const watching = new IntersectionObserver(([entry]) => {
      onScreen = entry?.isIntersecting ?? true;
      if (onScreen) redraws.request(drawable, true);
    });
    watching.observe(element);
    const untouch = followTouch(u);

    return () => {
      untouch();
      watching.disconnect();
      resizing.disconnect();
      redraws.remove(drawable);
      request.current = () => {};
      plot.current = null;
      cursor.clear();
      u.destroy();
    };
  }, [container, options, height, cursor, group.syncKey]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the drawing reads both through current
  useEffect(() => {
    request.current();
  }, [data]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new range is what a person asked for
  useEffect(() => {
    request.current(true);
  }, [group]);

  return plot;
}

function interaction(cursor: uPlot.Cursor | undefined, syncKey: string, onDoubleClick: () => void): uPlot.Cursor {
  return {
    y: false,
    points: { show: false },
    ...cursor,
    drag: { x: true, y: false, setScale: false, dist: 6 },
    bind: {
      dblclick: () => () => {
        onDoubleClick();
        return null;
      },
    },
    sync: {
      key: syncKey,
      scales: ["x", null],
      setSeries: false,
      // Selecting in one chart must not start a selection in the others.
      filters: { pub: (type) => type === "mousemove", sub: (type) => type === "mousemove" },
    },
  };
}

/** Moves the cursor of this chart and, unlike uPlot's typed setCursor, of its group. */
export function moveCursor(u: uPlot, left: number, top: number): void {
  (u.setCursor as (at: { left: number; top: number }, fire: boolean, publish: boolean) => void)(
    { left, top },
    true,
    true,
  );
}

/** A finger that moves sideways moves the cursor; up and down it scrolls the page. */
function followTouch(u: uPlot): () => void {
  const { over } = u;
  over.style.touchAction = "pan-y";
  const move = (event: PointerEvent) => {
    if (event.pointerType !== "touch") return;
    over.setAttribute("data-touched", "");
    const box = over.getBoundingClientRect();
    moveCursor(u, event.clientX - box.left, event.clientY - box.top);
  };
  const elsewhere = (event: PointerEvent) => {
    if (event.pointerType !== "touch" || over.contains(event.target as Node)) return;
    over.removeAttribute("data-touched");
    moveCursor(u, -10, -10);
  };
  over.addEventListener("pointerdown", move);
  over.addEventListener("pointermove", move);
  document.addEventListener("pointerdown", elsewhere);
  return () => {
    over.removeEventListener("pointerdown", move);
    over.removeEventListener("pointermove", move);
    document.removeEventListener("pointerdown", elsewhere);
  };
}

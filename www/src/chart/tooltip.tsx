"use client";

import { type ReactNode, useLayoutEffect, useRef, useState } from "react";
import { type CursorStore, useCursor } from "./cursor";
import { GapNote } from "./gap-note";
import type { LegendItem } from "./legend";
import { timeInFull } from "./time-axis";
import { AXIS_WIDTH } from "./value-axis";

/** Rows of a tooltip; what has smaller values is counted, not listed. */
const MOST_ROWS = 12;

/** The values under the pointer, greatest first. */
export function SeriesTooltip({
  items,
  times,
  cursor,
  format,
}: {
  items: readonly LegendItem[];
  times: readonly number[];
  cursor: CursorStore;
  format: (value: number | null) => string;
}) {
  const { index, own, left } = useCursor(cursor);
  const time = index === null ? undefined : times[index];
  if (!own || index === null || time === undefined) return null;
  const rows = items
    .map((item) => ({ ...item, value: item.column[index] ?? null }))
    .sort((a, b) => (b.value ?? Number.NEGATIVE_INFINITY) - (a.value ?? Number.NEGATIVE_INFINITY));
  return (
    <TooltipBox left={left}>
      <p className="mb-1 text-ink-soft tnum">{timeInFull(time)}</p>
      <table className="w-full">
        <tbody>
          {rows.slice(0, MOST_ROWS).map(({ key, label, color, value }) => (
            <tr key={key}>
              <td className="pr-2">
                <span className="flex items-center gap-1.5">
                  <span className="h-0.75 w-2.5 shrink-0 rounded-full" style={{ background: `var(--${color})` }} />
                  <span className="max-w-40 truncate text-ink-soft">{label}</span>
                </span>
              </td>
              <td className="tnum text-right font-medium text-ink">{format(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <GapNote at={time} />
      {rows.length > MOST_ROWS && <p className="mt-1 text-ink-faint">and {rows.length - MOST_ROWS} more</p>}
    </TooltipBox>
  );
}

/** A box beside the cursor, on the side where there is room. Hidden from screen readers: they have the table. */
export function TooltipBox({ left, children }: { left: number; children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState<number | null>(null);
  useLayoutEffect(() => {
    const element = box.current;
    const within = element?.offsetParent;
    if (!element || !(within instanceof HTMLElement)) return;
    setPlace(placeBeside(left + AXIS_WIDTH, element.offsetWidth, within.clientWidth));
  }, [left]);
  return (
    <div
      ref={box}
      aria-hidden
      className="pointer-events-none absolute top-1 left-0 z-20 min-w-36 rounded-md border border-line bg-raised px-2.5 py-2 text-xs whitespace-nowrap shadow-raised"
      style={{ transform: `translateX(${place ?? 0}px)`, visibility: place === null ? "hidden" : "visible" }}
    >
      {children}
    </div>
  );
}

/** Left edge of a box of `width` beside x, kept within `room`. */
export function placeBeside(x: number, width: number, room: number): number {
  const away = 14;
  const right = x + away;
  const left = x - away - width;
  if (right + width <= room) return right;
  return left >= 0 ? left : Math.max(0, room - width);
}

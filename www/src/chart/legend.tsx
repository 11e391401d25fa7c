"use client";

import type { CursorStore } from "./cursor";
import { useCursor } from "./cursor";
import type { Column } from "./stack";
import { latest } from "./summary";
import type { ColorToken } from "./theme";

export interface LegendItem {
  key: string;
  label: string;
  color: ColorToken;
  /** As measured: not stacked, not mirrored. */
  column: Column;
}

/**
 * The series of a chart with their values under the cursor, or their newest
 * ones. A click shows one series alone and, again, all of them; with Ctrl,
 * Cmd or Shift it takes one away or brings it back.
 */
export function Legend({
  items,
  hidden,
  setHidden,
  cursor,
  format,
}: {
  items: readonly LegendItem[];
  hidden: ReadonlySet<string>;
  setHidden: (hidden: ReadonlySet<string>) => void;
  cursor: CursorStore;
  format: (value: number | null) => string;
}) {
  const { index } = useCursor(cursor);
  return (
    <ul className="flex flex-wrap gap-x-1 gap-y-0 px-2 pb-1.5 text-xs">
      {items.map(({ key, label, color, column }) => (
        <li key={key} className="min-w-0">
          <button
            type="button"
            aria-pressed={!hidden.has(key)}
            title={`${label}: click to show it alone, Ctrl+click to hide it`}
            className="group flex max-w-full items-center gap-1.5 rounded px-1.5 py-1 hover:bg-hover pointer-coarse:py-2"
            onClick={(event) => {
              const together = event.ctrlKey || event.metaKey || event.shiftKey;
              setHidden(together ? toggled(hidden, key) : isolated(hidden, key, items));
            }}
          >
            <span
              aria-hidden
              className="h-0.75 w-2.5 shrink-0 rounded-full group-aria-[pressed=false]:opacity-30"
              style={{ background: `var(--${color})` }}
            />
            <span className="truncate text-ink-soft group-aria-[pressed=false]:text-ink-faint group-aria-[pressed=false]:line-through">
              {label}
            </span>
            <span className="tnum text-ink">{format(index === null ? latest(column) : (column[index] ?? null))}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Hidden series after one more was toggled. */
export function toggled(hidden: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(hidden);
  if (!next.delete(key)) next.add(key);
  return next;
}

/** Hidden series after one was asked for alone; none when it was alone already. */
export function isolated(
  hidden: ReadonlySet<string>,
  key: string,
  items: readonly { key: string }[],
): ReadonlySet<string> {
  const others = items.map((item) => item.key).filter((other) => other !== key);
  const alone = !hidden.has(key) && others.every((other) => hidden.has(other));
  return new Set(alone ? [] : others);
}

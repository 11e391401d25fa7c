"use client";

import type { Gap } from "@/chart/gap";
import { formatMoment } from "@/lib/format";

/** The gaps of a range in words, for which the charts have bands. */
export function GapList({ gaps }: { gaps: readonly Gap[] }) {
  if (gaps.length === 0) return null;
  return (
    <ul aria-label="Gaps" className="mt-3 flex flex-col gap-1">
      {gaps.map(({ from, to, label }) => (
        <li key={`${from} ${label}`} className="rounded-md bg-warn-soft px-3 py-1.5 text-warn">
          {label}, from {formatMoment(from * 1000)} to {formatMoment(to * 1000)}
        </li>
      ))}
    </ul>
  );
}

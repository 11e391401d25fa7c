"use client";

import { gapAt } from "./gap";
import { useChartGroup } from "./group";

/** Why there is nothing at a moment, in a tooltip; nothing where it is not known. */
export function GapNote({ at }: { at: number }) {
  const gap = gapAt(useChartGroup().gaps, at);
  return gap && <p className="mt-1 max-w-64 text-warn whitespace-normal">{gap.label}</p>;
}

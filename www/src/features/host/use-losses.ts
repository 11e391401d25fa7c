"use client";

import { useMemo } from "react";
import { useRuntime } from "@/lib/runtime";
import { resolve, type TimeRange } from "@/lib/time-range";
import { useRange } from "@/lib/use-live-range";
import { type Losses, lossesOf } from "./gaps";
import * as queries from "./queries";

const STEPS = 200;
const SHORTEST_STEP_MS = 15_000;
const none: Losses = { gaps: [], dropped: 0 };

/**
 * What the agent dropped of a range. It tells so afterwards, so everything until
 * now is asked; a stretch that another one followed within a step is missed.
 */
export function useLosses(agent: string, range: TimeRange): Losses {
  const { watch } = useRuntime();
  const { startMs, endMs } = resolve(range, watch.now());
  const span = Math.max(watch.now() - startMs, endMs - startMs);
  const stepMs = Math.max(SHORTEST_STEP_MS, 2 ** Math.ceil(Math.log2(span / STEPS / 1000)) * 1000);
  const window = `${stepMs / 1000}s`;
  const { data } = useRange(
    [queries.lossFirst(agent, window), queries.lossLast(agent, window), queries.lossTotal(agent, window)],
    { range: { from: range.from, to: { kind: "ago", ms: 0 } }, stepMs, refetchMs: SHORTEST_STEP_MS },
  );
  const losses = useMemo(() => (data ? lossesOf(data) : none), [data]);
  const seen = losses.gaps.filter(({ from, to }) => to * 1000 >= startMs && from * 1000 <= endMs);
  const key = seen.map(({ from, to, label }) => `${from} ${to} ${label}`).join("\n");
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for what is seen
  return useMemo(() => ({ gaps: seen, dropped: losses.dropped }), [key, losses.dropped]);
}

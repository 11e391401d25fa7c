"use client";

import { useQuery } from "@tanstack/react-query";
import { useMemo, useSyncExternalStore } from "react";
import { LiveRange, type LiveRangeOptions, type LiveRangeState } from "./live-range";
import { alignRange, fromResponse } from "./range";
import { useRuntime } from "./runtime";
import { joinNames, type RangeData } from "./series";
import { printPoint, resolve, type TimeRange } from "./time-range";
import type { Connection } from "./watch-stream";

/**
 * History of the expressions over the range, and its continuation while the
 * range is live. exprs may be a new array at every render; what counts is its
 * content. When a parameter changes, the state begins anew with "pending".
 */
export function useLiveRange(exprs: string[], options: Omit<LiveRangeOptions, "exprs">): LiveRangeState {
  const { watch, query } = useRuntime();
  const { range, stepMs, followAgent } = options;
  const exprsKey = exprs.join("\n");
  const rangeKey = `${printPoint(range.from)}|${printPoint(range.to)}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the keys stand for exprs and range
  const live = useMemo(
    () => new LiveRange({ watch, query }, { exprs, range, stepMs, followAgent }),
    [watch, query, exprsKey, rangeKey, stepMs, followAgent],
  );
  const state = useSyncExternalStore(live.subscribe, live.state, live.state);
  return useMemo(() => (state.status === "ready" ? { ...state, data: joinNames(state.data) } : state), [state]);
}

/** History only, kept by the query cache: read again when refetchMs have passed, if given. */
export function useRange(
  exprs: string[],
  options: { range: TimeRange; stepMs: number; refetchMs?: number; enabled?: boolean },
) {
  const { query, watch } = useRuntime();
  const { range, stepMs, refetchMs, enabled = true } = options;
  return useQuery<RangeData>({
    queryKey: ["range", exprs, printPoint(range.from), printPoint(range.to), stepMs],
    queryFn: async ({ signal }) => {
      const { startMs, endMs } = resolve(range, watch.now());
      const aligned = alignRange(startMs, endMs, stepMs);
      const response = await query.queryRange(
        { exprs, startMs: BigInt(aligned.startMs), endMs: BigInt(aligned.endMs), stepMs: BigInt(stepMs) },
        { signal },
      );
      return joinNames(fromResponse(response));
    },
    enabled: enabled && exprs.length > 0,
    refetchInterval: refetchMs ?? false,
    placeholderData: (before) => before,
  });
}

export function useConnection(): Connection {
  const { watch } = useRuntime();
  return useSyncExternalStore(watch.onConnection, watch.connection, watch.connection);
}

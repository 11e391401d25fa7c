"use client";

import { useMemo } from "react";
import { Heatmap } from "@/chart/heatmap";
import { chartState } from "@/chart/live-chart";
import { Near } from "@/chart/near";
import type { ChartState } from "@/chart/panel";
import { explain } from "@/lib/errors";
import { useRuntime } from "@/lib/runtime";
import { duration, stepFor, type TimeRange } from "@/lib/time-range";
import { useLiveRange } from "@/lib/use-live-range";
import { heatmapStep, type ProbeId } from "./probe";
import { alongColumns, overlays } from "./quantiles";
import * as queries from "./queries";
import { useHeatmap } from "./use-probes";

/** Columns of the heatmap, roughly. */
const COLUMNS = 150;

type Props = {
  probe: ProbeId;
  range: TimeRange;
  /** Seconds between two attempts. */
  interval: number;
  /** Of the lines over the cells, and the window of their quantiles. */
  stepMs: number;
  window: string;
};

const noColumns: never[] = [];

/** How many answers of a probe took how long, asked for only while near the screen. */
export function AnswersHeatmap(props: Props) {
  return (
    <Near height={370}>
      <LoadedHeatmap {...props} />
    </Near>
  );
}

function LoadedHeatmap({ probe, range, interval, stepMs, window }: Props) {
  const { watch } = useRuntime();
  const probes = queries.matchers(probe);
  const cellMs = heatmapStep(stepFor(duration(range, watch.now()), COLUMNS), interval);
  const heatmap = useHeatmap(probes, range, cellMs);
  const live = useLiveRange(
    overlays.map(([q]) => queries.probeQuantile(q, probes, window)),
    { range, stepMs, followAgent: probe.agent },
  );
  const lines = useMemo(() => alongColumns(heatmap.data?.times ?? noColumns, live.data), [heatmap.data, live.data]);
  const lineState = chartState(live, () => {});
  const state: ChartState = heatmap.data
    ? {
        status: "ready",
        note: heatmap.error ? explain(heatmap.error) : lineState.status === "ready" ? lineState.note : undefined,
      }
    : heatmap.error
      ? { status: "error", message: explain(heatmap.error), retry: () => void heatmap.refetch() }
      : { status: "loading" };
  return (
    <Heatmap
      title="Answers"
      description="How many answers took how long: each column is a step of time, each row a range of latency, on a logarithmic axis."
      times={heatmap.data?.times ?? noColumns}
      stepMs={cellMs}
      columns={heatmap.data?.columns ?? noColumns}
      lines={lines}
      state={state}
      height={300}
    />
  );
}

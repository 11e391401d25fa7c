"use client";

import { memo, useMemo, useState } from "react";
import { explain } from "@/lib/errors";
import type { Unit } from "@/lib/format";
import type { LiveRangeState } from "@/lib/live-range";
import type { ExprResult } from "@/lib/series";
import type { TimeRange } from "@/lib/time-range";
import { useLiveRange } from "@/lib/use-live-range";
import { Near } from "./near";
import type { ChartState } from "./panel";
import type { ChartKind } from "./series-options";
import { Strips } from "./strips";
import { type ChartSeries, TimeSeriesChart } from "./time-series-chart";
import type { ValueScale } from "./value-axis";

/** A chart as data: what it asks and how the answers become series. */
export interface LiveChartSpec {
  /** Unique on its page. */
  id: string;
  title: string;
  description?: string;
  unit: Unit;
  kind?: ChartKind;
  scale?: ValueScale;
  cap?: number;
  /** Strips of colour instead of lines; the values must be shares. */
  strips?: boolean;
  /** What an empty chart means, where it does not mean that samples are missing. */
  empty?: { title: string; reason: string };
  exprs: (rateWindow: string) => string[];
  /** results stand in the order of exprs. */
  series: (results: ExprResult[]) => ChartSeries[];
}

export interface LiveChartProps {
  spec: LiveChartSpec;
  range: TimeRange;
  stepMs: number;
  rateWindow: string;
  followAgent?: string;
  height?: number;
}

/** CSS pixels of a chart's head and legend. */
const SURROUND = 68;

/** A chart that asks for its data itself, and only while it is near the screen. */
export const LiveChart = memo(function LiveChart(props: LiveChartProps) {
  const [attempt, setAttempt] = useState(0);
  const { height = 168 } = props;
  return (
    <Near height={height + SURROUND}>
      <Loaded key={attempt} {...props} height={height} retry={() => setAttempt(attempt + 1)} />
    </Near>
  );
});

const noTimes: number[] = [];

function Loaded({
  spec,
  range,
  stepMs,
  rateWindow,
  followAgent,
  height,
  retry,
}: LiveChartProps & { retry: () => void }) {
  const live = useLiveRange(spec.exprs(rateWindow), { range, stepMs, followAgent });
  const { data } = live;
  const series = useMemo(() => (data ? spec.series(data.results) : []), [data, spec]);
  const state = chartState(live, retry);
  const times = data?.times ?? noTimes;
  if (spec.strips) {
    const { title, description } = spec;
    return (
      <Strips
        title={title}
        description={description}
        times={times}
        stepMs={stepMs}
        strips={series}
        state={state}
        height={height}
      />
    );
  }
  return (
    <TimeSeriesChart
      title={spec.title}
      description={spec.description}
      unit={spec.unit}
      kind={spec.kind}
      scale={spec.scale}
      cap={spec.cap}
      empty={spec.empty}
      times={times}
      series={series}
      state={state}
      height={height}
    />
  );
}

/** What a chart shows of the state of its data. An expression that failed alone is an error when nothing else came. */
export function chartState(live: LiveRangeState, retry: () => void): ChartState {
  if (live.status === "pending") return { status: "loading" };
  if (live.status === "error") return { status: "error", message: explain(live.error), retry };
  const failed = live.data.results.find(({ error }) => error !== undefined);
  if (failed && live.data.results.every(({ series }) => series.length === 0)) {
    return { status: "error", message: failed.error as string, retry };
  }
  if (live.error) return { status: "ready", note: explain(live.error) };
  return failed ? { status: "ready", note: failed.error } : { status: "ready" };
}

"use client";

import Link from "next/link";
import { useMemo, useState } from "react";
import { ChartGroup } from "@/chart/group";
import { Heatmap } from "@/chart/heatmap";
import { chartState, LiveChart, type LiveChartSpec } from "@/chart/live-chart";
import { Near } from "@/chart/near";
import type { ChartState } from "@/chart/panel";
import { type ColorToken, seriesColor } from "@/chart/theme";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { Stat } from "@/components/stat";
import { StaleNotice } from "@/components/states";
import { explain } from "@/lib/errors";
import { useRuntime } from "@/lib/runtime";
import type { ExprResult } from "@/lib/series";
import { duration, stepFor, type TimeRange } from "@/lib/time-range";
import { useLiveRange } from "@/lib/use-live-range";
import { heatmapStep, kindNames, type ProbeId, quantileWindow } from "./probe";
import { alongColumns, overlays, quantiles } from "./quantiles";
import * as queries from "./queries";
import { useHeatmap, useProbeStats } from "./use-probes";

const POINTS = 900;
/** Columns of the heatmap, roughly. */
const COLUMNS = 150;

/** Fixed colours, so that a timeout looks the same everywhere. */
const outcomes: [outcome: string, label: string, color: ColorToken][] = [
  ["timeout", "Timeout", "series-3"],
  ["refused", "Refused", "series-6"],
  ["unreachable", "Unreachable", "series-4"],
  ["dns", "DNS failed", "series-5"],
  ["tls", "TLS failed", "series-7"],
  ["status", "Bad status", "series-1"],
  ["protocol", "Protocol error", "series-2"],
  ["permission", "Not permitted", "series-8"],
  ["error", "Other errors", "bad"],
];

const phases = ["dns", "connect", "tls", "ttfb", "transfer", "write", "fsync", "read"];
const phaseNames: Record<string, string> = {
  dns: "DNS",
  connect: "Connect",
  tls: "TLS",
  ttfb: "First byte",
  transfer: "Transfer",
};

/** Kinds whose answers have parts that were measured apart. */
const phased = new Set(["http", "disk"]);

/** Everything about one probe of one agent. */
export function ProbeDetail({
  probe,
  range,
  setRange,
  onBack,
}: {
  probe: ProbeId;
  range: TimeRange;
  setRange: (range: TimeRange) => void;
  onBack: () => void;
}) {
  const { watch } = useRuntime();
  const probes = queries.matchers(probe);
  const stats = useProbeStats(probes, range);
  const row = stats.data?.[0];
  const stepMs = stepFor(duration(range, watch.now()), POINTS);
  const attempts = row?.attempts ?? null;
  const window = quantileWindow(stepMs, attempts);
  const [logarithmic, setLogarithmic] = useState(true);
  const scale = logarithmic ? "log" : "linear";
  const specs = useMemo(() => chartsOf(probe, scale), [probe, scale]);
  const chart = (spec: LiveChartSpec, followAgent?: string) => (
    <LiveChart key={spec.id} spec={spec} range={range} stepMs={stepMs} rateWindow={window} followAgent={followAgent} />
  );

  return (
    <div className="px-4 py-4 wide:px-6">
      <div className="mb-3 flex flex-wrap items-center gap-x-3 gap-y-2">
        <Button icon="left" onClick={onBack}>
          All probes
        </Button>
        <Badge tone="idle">{kindNames[probe.kind] ?? probe.kind}</Badge>
        <h2 className="min-w-0 text-base wrap-anywhere">{probe.target}</h2>
        <span className="text-ink-soft">
          {probe.probe}, from{" "}
          <Link
            prefetch={false}
            href={`/host?id=${probe.agent}#latency`}
            className="text-accent underline decoration-line-strong underline-offset-2 hover:decoration-current"
          >
            {row?.instance ?? "its host"}
          </Link>
        </span>
        <Button
          className="ml-auto aria-pressed:border-accent aria-pressed:bg-accent-soft aria-pressed:text-accent"
          aria-pressed={logarithmic}
          onClick={() => setLogarithmic(!logarithmic)}
        >
          Log scale
        </Button>
      </div>
      {stats.error && <StaleNotice error={stats.error} />}
      <div className="mb-3 grid grid-cols-3 gap-x-4 gap-y-2 rounded-lg border border-line bg-surface px-4 py-2.5 sm:grid-cols-6">
        <Stat label="p50" unit="seconds" value={row?.p50} />
        <Stat label="p90" unit="seconds" value={row?.p90} />
        <Stat label="p99" unit="seconds" value={row?.p99} />
        <Stat label="Slowest" unit="seconds" value={row?.max} />
        <Stat label="Loss" unit="ratio" value={row?.loss} />
        <Stat label="Attempts" unit="count/s" value={row?.attempts} />
      </div>
      <ChartGroup range={range} setRange={setRange}>
        <div className="grid grid-cols-[minmax(0,1fr)] gap-3 lg:grid-cols-2">
          <div className="lg:col-span-2">
            <AnswersHeatmap probe={probe} range={range} attempts={attempts} stepMs={stepMs} window={window} />
          </div>
          {chart(specs.quantiles, probe.agent)}
          {chart(specs.loss, probe.agent)}
          {specs.phases.map((spec) => chart(spec, probe.agent))}
          {chart(specs.fromAgents)}
        </div>
      </ChartGroup>
    </div>
  );
}

function chartsOf(probe: ProbeId, scale: "log" | "linear") {
  const probes = queries.matchers(probe);
  const everywhere = queries.matchers({ kind: probe.kind, target: probe.target });
  const phase = (q: string, name: string): LiveChartSpec => ({
    id: `phases-${q}`,
    title: `Phases, ${name}`,
    description: `${name} of each phase by itself. They do not add up to the ${name} of the whole: the slowest name look-up need not belong to the slowest answer.`,
    unit: "seconds",
    scale,
    exprs: (window) => [queries.phaseQuantile(q, probes, window)],
    series: ([result]) => phaseSeries(result),
  });
  return {
    quantiles: {
      id: "quantiles",
      title: "Latency",
      description: "Read from the histogram of all answers within half a minute or more; a bucket is 4.4% wide.",
      unit: "seconds",
      scale,
      exprs: (window) => quantiles.map(([q]) => queries.probeQuantile(q, probes, window)),
      series: (results) =>
        quantiles.flatMap(([q, label, color], i) => {
          const column = results[i]?.series[0]?.values;
          return column ? [{ key: q, label, color, column }] : [];
        }),
    } satisfies LiveChartSpec,
    loss: {
      id: "loss",
      title: "Loss",
      description: "Share of the attempts that failed, by what happened. A loss is never counted as a latency.",
      unit: "ratio",
      kind: "stack",
      cap: 1,
      empty: { title: "Nothing was lost", reason: "Every attempt of this range was answered, or none was made." },
      exprs: (window) => [queries.lossByOutcome(probes, window)],
      series: ([result]) =>
        outcomes.flatMap(([outcome, label, color]) => {
          const column = result?.series.find(({ labels }) => labels.outcome === outcome)?.values;
          return column?.some((value) => value !== null && value > 0) ? [{ key: outcome, label, color, column }] : [];
        }),
    } satisfies LiveChartSpec,
    phases: phased.has(probe.kind) ? [phase("0.5", "p50"), phase("0.99", "p99")] : [],
    fromAgents: {
      id: "from-agents",
      title: "The same target from every host, p99",
      description: "Where one line rises alone, look at that host and its way; where all rise, look at the target.",
      unit: "seconds",
      scale,
      exprs: (window) => [queries.agentQuantile("0.99", everywhere, window)],
      series: ([result]) =>
        (result?.series ?? []).map(({ labels, values }, i) => ({
          key: labels.agent ?? "",
          label: labels.instance ?? labels.agent ?? "",
          color: labels.agent === probe.agent ? "series-3" : otherColor(i),
          column: values,
        })),
    } satisfies LiveChartSpec,
  };
}

/** Colours of other hosts; the one looked at keeps its own. */
function otherColor(i: number): ColorToken {
  const color = seriesColor(i);
  return color === "series-3" ? "series-8" : color;
}

function phaseSeries(result: ExprResult | undefined) {
  return phases.flatMap((phase, i) => {
    const column = result?.series.find(({ labels }) => labels.phase === phase)?.values;
    return column ? [{ key: phase, label: phaseNames[phase] ?? phase, color: seriesColor(i), column }] : [];
  });
}

const noColumns: never[] = [];

function AnswersHeatmap(props: Parameters<typeof LoadedHeatmap>[0]) {
  return (
    <Near height={370}>
      <LoadedHeatmap {...props} />
    </Near>
  );
}

function LoadedHeatmap({
  probe,
  range,
  attempts,
  stepMs,
  window,
}: {
  probe: ProbeId;
  range: TimeRange;
  attempts: number | null;
  stepMs: number;
  window: string;
}) {
  const { watch } = useRuntime();
  const probes = queries.matchers(probe);
  const cellMs = heatmapStep(stepFor(duration(range, watch.now()), COLUMNS), attempts);
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

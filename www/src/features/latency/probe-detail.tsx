"use client";

import Link from "next/link";
import { useMemo, useState } from "react";
import { ChartGroup } from "@/chart/group";
import { LiveChart, type LiveChartSpec } from "@/chart/live-chart";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { Stat } from "@/components/stat";
import { Skeleton, StaleNotice } from "@/components/states";
import { useAgentNames } from "@/lib/agents";
import { useRuntime } from "@/lib/runtime";
import { duration, stepFor, type TimeRange } from "@/lib/time-range";
import { useRangeLink } from "@/lib/use-time-range";
import { AnswersHeatmap } from "./answers-heatmap";
import { intervalOf, kindNames, type ProbeId, quantileWindow } from "./probe";
import { chartsOf, fromAgents } from "./probe-charts";
import * as queries from "./queries";
import { useProbeStats, useSlowestAgents } from "./use-probes";

const POINTS = 900;
/** Hosts whose view of the same target is shown. */
const MOST_AGENTS = 10;

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
  const rangeLink = useRangeLink();
  const probes = queries.matchers(probe);
  const stats = useProbeStats(probes, range);
  const row = stats.data?.[0];
  const stepMs = stepFor(duration(range, watch.now()), POINTS);
  const interval = useInterval(row?.attempts ?? null);
  const window = quantileWindow(stepMs, interval);
  const [logarithmic, setLogarithmic] = useState(true);
  const scale = logarithmic ? "log" : "linear";
  const specs = useMemo(() => chartsOf(probe, scale), [probe, scale]);
  const names = useAgentNames();
  const slowest = useSlowestAgents(probe, range, MOST_AGENTS);
  const others = useMemo(
    () => slowest.data && fromAgents(probe, slowest.data, names, MOST_AGENTS, scale),
    [probe, slowest.data, names, scale],
  );
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
            href={rangeLink(`/host?id=${probe.agent}#latency`)}
            className="text-accent underline underline-offset-2"
          >
            {names.get(probe.agent) ?? "its host"}
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
      {stats.isPending ? (
        // What the charts ask depends on how often the probe makes an attempt.
        <Skeleton className="h-92 w-full" />
      ) : (
        <ChartGroup range={range} setRange={setRange}>
          <div className="grid grid-cols-[minmax(0,1fr)] gap-3 lg:grid-cols-2">
            <div className="lg:col-span-2">
              <AnswersHeatmap probe={probe} range={range} interval={interval} stepMs={stepMs} window={window} />
            </div>
            {chart(specs.quantiles, probe.agent)}
            {chart(specs.loss, probe.agent)}
            {specs.phases.map((spec) => chart(spec, probe.agent))}
            {others && <div className="lg:col-span-2">{chart(others)}</div>}
          </div>
        </ChartGroup>
      )}
    </div>
  );
}

/**
 * Seconds between two attempts of the probe. It only ever becomes shorter: what
 * is measured just after an agent began is too long, and every change makes the
 * charts ask anew.
 */
function useInterval(attemptsPerSecond: number | null): number {
  const [shortest, setShortest] = useState<number | null>(null);
  const measured = intervalOf(attemptsPerSecond);
  if (attemptsPerSecond && (shortest === null || measured < shortest)) setShortest(measured);
  return shortest ?? measured;
}

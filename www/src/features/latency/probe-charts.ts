import type { LiveChartSpec } from "@/chart/live-chart";
import { type ColorToken, seriesColor } from "@/chart/theme";
import type { ValueScale } from "@/chart/value-axis";
import type { ExprResult } from "@/lib/series";
import type { ProbeId } from "./probe";
import { quantiles } from "./quantiles";
import * as queries from "./queries";

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

/** In the order in which they happen. */
const phases: [phase: string, label: string, color: ColorToken][] = [
  ["dns", "DNS", "series-5"],
  ["connect", "Connect", "series-2"],
  ["tls", "TLS", "series-4"],
  ["ttfb", "First byte", "series-1"],
  ["transfer", "Transfer", "series-3"],
  ["write", "Write", "series-1"],
  ["fsync", "Sync", "series-3"],
  ["read", "Read", "series-2"],
];

/** Kinds whose answers have parts that were measured apart. */
const phased = new Set(["http", "disk"]);

/** The charts of a probe besides its heatmap. */
export function chartsOf(probe: ProbeId, scale: ValueScale) {
  const probes = queries.matchers(probe);
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
  };
}

/** The same target as these agents see it, which have these names; agents are those that see it slowest, or few. */
export function fromAgents(
  probe: ProbeId,
  agents: readonly string[],
  names: ReadonlyMap<string, string>,
  most: number,
  scale: ValueScale,
): LiveChartSpec {
  const probes = queries.ofAgents(queries.matchers({ kind: probe.kind, target: probe.target }), agents);
  return {
    id: "from-agents",
    title: agents.length < most ? "The same target from every host, p99" : `From the ${most} slowest hosts, p99`,
    description: `The same target from ${agents.length < most ? "every host" : `the ${most} hosts that see it slowest`}. Where one line rises alone, look at that host and its way; where all rise, look at the target.`,
    unit: "seconds",
    scale,
    exprs: (window) => [queries.agentQuantile("0.99", probes, window)],
    series: ([result]) =>
      (result?.series ?? []).map(({ labels: { agent = "" }, values }, i) => ({
        key: agent,
        label: names.get(agent) ?? agent,
        color: agent === probe.agent ? "series-3" : otherColor(i),
        column: values,
      })),
  };
}

/** Colours of other hosts; the one looked at keeps its own. */
function otherColor(i: number): ColorToken {
  const color = seriesColor(i);
  return color === "series-3" ? "series-8" : color;
}

function phaseSeries(result: ExprResult | undefined) {
  return phases.flatMap(([phase, label, color]) => {
    const column = result?.series.find(({ labels }) => labels.phase === phase)?.values;
    return column ? [{ key: phase, label, color, column }] : [];
  });
}

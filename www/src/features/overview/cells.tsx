"use client";

import { Sparkline } from "@/chart/sparkline";
import { Quantity } from "@/components/stat";
import { parts, type Unit } from "@/lib/format";
import { useCpuHistory } from "./cpu-history";
import { type Metrics, useMetrics } from "./metrics";
import type { MetricName } from "./queries";

/** From when on a value is worth a look, and from when on it is bad. */
const limits: Partial<Record<MetricName, [warn: number, bad: number]>> = {
  cpu: [0.8, 0.95],
  memory: [0.85, 0.95],
  diskBusy: [0.8, 0.95],
  diskFull: [0.85, 0.95],
  loss: [0.001, 0.05],
};

export const metricUnits: Record<MetricName, Unit> = {
  cpu: "ratio",
  memory: "ratio",
  diskBusy: "ratio",
  diskFull: "ratio",
  networkIn: "bytes/s",
  networkOut: "bytes/s",
  latency: "seconds",
  loss: "ratio",
};

export function toneOf(name: MetricName, value: number | null | undefined): "" | "warn" | "bad" {
  const limit = limits[name];
  if (!limit || value === null || value === undefined) return "";
  return value >= limit[1] ? "bad" : value >= limit[0] ? "warn" : "";
}

const textTones = { "": "", warn: "text-warn font-medium", bad: "text-bad font-medium" };
const barTones = { "": "bg-series-1", warn: "bg-warn", bad: "bg-bad" };

/** The newest value of one metric of one agent. */
export function MetricText({ agentId, name }: { agentId: string; name: MetricName }) {
  const value = useMetrics(agentId)?.[name];
  return <MetricValue name={name} value={value} />;
}

export function MetricValue({ name, value }: { name: MetricName; value: Metrics[MetricName] | undefined }) {
  return (
    <span className={`tnum ${name === "loss" && value === 0 ? "text-ink-faint" : textTones[toneOf(name, value)]}`}>
      <Quantity parts={parts(metricUnits[name], value)} />
    </span>
  );
}

/** A share with a bar below it. */
export function MetricBar({ agentId, name }: { agentId: string; name: MetricName }) {
  const value = useMetrics(agentId)?.[name];
  return (
    <div className="flex flex-col gap-1">
      <MetricValue name={name} value={value} />
      <Bar share={value ?? 0} tone={toneOf(name, value)} />
    </div>
  );
}

/** CPU use over the last minutes, on a scale that is the same in every row. */
export function CpuSparkline({ agentId }: { agentId: string }) {
  return <Sparkline values={useCpuHistory(agentId)} width={64} height={20} max={1} />;
}

export function Bar({ share, tone }: { share: number; tone: "" | "warn" | "bad" }) {
  return (
    <div aria-hidden="true" className="h-1 w-full overflow-hidden rounded-full bg-line">
      <div
        className={`h-full origin-left rounded-full transition-transform duration-300 ${barTones[tone]}`}
        style={{ transform: `scaleX(${Math.min(1, Math.max(0, share))})` }}
      />
    </div>
  );
}

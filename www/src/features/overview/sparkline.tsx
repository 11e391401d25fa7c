"use client";

import { createContext, useContext, useMemo } from "react";
import { rateWindow } from "@/lib/promql";
import { relative } from "@/lib/time-range";
import { useRange } from "@/lib/use-live-range";
import { cpuByAgent } from "./queries";

type Values = (number | null)[];

const stepMs = 30_000;
const range = relative("15m");

/** The last 15 minutes of CPU use of all agents, read once for the whole page. */
export function useCpuHistory(enabled: boolean): ReadonlyMap<string, Values> {
  const { data } = useRange([cpuByAgent(rateWindow(stepMs))], { range, stepMs, refetchMs: stepMs, enabled });
  return useMemo(() => new Map((data?.results[0]?.series ?? []).map((s) => [s.labels.agent ?? "", s.values])), [data]);
}

export const CpuHistoryContext = createContext<ReadonlyMap<string, Values>>(new Map());

const width = 64;
const height = 20;

/** Shares from 0 to 1 as a line, on a scale that is the same in every row. Decoration: the value stands beside it. */
export function CpuSparkline({ agentId }: { agentId: string }) {
  const values = useContext(CpuHistoryContext).get(agentId);
  const path = useMemo(() => (values ? linePath(values) : ""), [values]);
  return (
    <svg
      aria-hidden="true"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      className="shrink-0 text-accent"
    >
      <path d={`M0 ${height - 0.5}H${width}`} stroke="var(--line)" strokeWidth="1" />
      <path d={path} fill="none" stroke="currentColor" strokeWidth="1.25" strokeLinejoin="round" />
    </svg>
  );
}

/** Gaps are gaps. */
export function linePath(values: Values): string {
  let path = "";
  let drawing = false;
  values.forEach((value, i) => {
    if (value === null) {
      drawing = false;
      return;
    }
    const x = (i / Math.max(1, values.length - 1)) * width;
    const y = height - 1 - Math.min(1, Math.max(0, value)) * (height - 2);
    path += `${drawing ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    drawing = true;
  });
  return path;
}

"use client";

import { createContext, useContext, useMemo } from "react";
import type { Column } from "@/chart/stack";
import { defaultRange } from "@/lib/time-range";
import { useRange } from "@/lib/use-live-range";
import { cpuMeanByAgent, overviewWindow } from "./queries";

type Histories = ReadonlyMap<string, Column>;

const stepMs = 10_000;
const refetchMs = 20_000;
const none: Column = [];

/** CPU use of all agents over the last minutes, read once for the whole page. */
export function useCpuHistories(enabled: boolean): Histories {
  const { data } = useRange([cpuMeanByAgent(overviewWindow)], { range: defaultRange, stepMs, refetchMs, enabled });
  return useMemo(() => new Map((data?.results[0]?.series ?? []).map((s) => [s.labels.agent ?? "", s.values])), [data]);
}

export const CpuHistoryContext = createContext<Histories>(new Map());

export function useCpuHistory(agentId: string): Column {
  return useContext(CpuHistoryContext).get(agentId) ?? none;
}

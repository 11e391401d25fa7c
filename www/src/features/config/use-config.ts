"use client";

import { create, toJsonString } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { type FleetConfig, FleetConfigSchema, type Revision, RolloutState } from "@/gen/sonde/v1/config_pb";
import { type Runtime, useRuntime } from "@/lib/runtime";

export const revisionsKey = ["config", "revisions"] as const;
export const agentConfigsKey = ["config", "agents"] as const;

const isRunning = (revision: Revision | undefined) => revision?.rollout?.state === RolloutState.RUNNING;

/** So long after a revision answers are awaited. Agents that are away may owe theirs for days. */
const settleMs = 60_000;

/** How often to ask what has become of the newest revision: every second while something happens. */
function pollMs(newest: Revision | undefined, nowMs: number, calmMs: number): number {
  const isYoung = newest?.createdAt !== undefined && nowMs - timestampMs(newest.createdAt) < settleMs;
  return isRunning(newest) || (isYoung && (newest?.rollout?.pending ?? 0) > 0) ? 1_000 : calmMs;
}

/** As many as the server sends at a time. */
const revisionsPage = 100;

/** The newest hundred revisions, newest first; asked for every second while one is rolled out. */
export function useRevisions() {
  const { config, watch } = useRuntime();
  return useQuery({
    queryKey: revisionsKey,
    queryFn: async ({ signal }) => (await config.listRevisions({ pageSize: revisionsPage }, { signal })).revisions,
    refetchInterval: (query) => pollMs(query.state.data?.[0], watch.now(), 3_000),
    structuralSharing: false,
  });
}

/** Those before the ones that are known, a hundred at each readMore; nothing is read before the first. */
export function useOlderRevisions(known: readonly Revision[]) {
  const { config } = useRuntime();
  // What is known moves on with each new revision; the pages go on from where it was at first.
  const [first, setFirst] = useState(known);
  const oldestKnown = known.at(-1)?.number ?? 0n;
  if ((first[0]?.number ?? 0n) + 1n < oldestKnown) setFirst(known);
  const before = first.at(-1)?.number ?? 0n;
  const query = useInfiniteQuery({
    queryKey: [...revisionsKey, "before", String(before)],
    initialPageParam: before,
    queryFn: async ({ pageParam, signal }) =>
      (await config.listRevisions({ pageSize: revisionsPage, before: pageParam }, { signal })).revisions,
    getNextPageParam: (page) => oldestOf(page),
    enabled: false,
    structuralSharing: false,
  });
  const older = [...first, ...(query.data?.pages.flat() ?? [])].filter(({ number }) => number < oldestKnown);
  const hasOlder = query.data ? query.hasNextPage : oldestOf(first) !== undefined;
  return { older, hasOlder, error: query.error, isFetching: query.isFetching, readMore: () => query.fetchNextPage() };
}

/** The last of a page behind which there may be another. */
function oldestOf(page: readonly Revision[]): bigint | undefined {
  return page.length < revisionsPage ? undefined : page.at(-1)?.number;
}

async function readConfig(config: Runtime["config"], revision: bigint, signal?: AbortSignal): Promise<FleetConfig> {
  if (revision === 0n) return create(FleetConfigSchema);
  return (await config.getConfig({ revision }, { signal })).config ?? create(FleetConfigSchema);
}

const configQuery = (config: Runtime["config"], revision: bigint) => ({
  queryKey: ["config", "revision", String(revision)],
  queryFn: ({ signal }: { signal: AbortSignal }) => readConfig(config, revision, signal),
  // A revision never changes.
  staleTime: Number.POSITIVE_INFINITY,
  structuralSharing: false as const,
});

/** What a revision says; 0n is the state before the first. null reads nothing. */
export function useRevisionConfig(revision: bigint | null) {
  const { config } = useRuntime();
  return useQuery({ ...configQuery(config, revision ?? 0n), enabled: revision !== null });
}

/** Reads the newest revision now, past what is known. */
export function useReadNewest(): () => Promise<{ revision: Revision | undefined; config: FleetConfig }> {
  const { config } = useRuntime();
  const client = useQueryClient();
  return async () => {
    const revisions = (await config.listRevisions({ pageSize: revisionsPage })).revisions;
    client.setQueryData(revisionsKey, revisions);
    const newest = revisions[0];
    return { revision: newest, config: await client.fetchQuery(configQuery(config, newest?.number ?? 0n)) };
  };
}

/** What has become of it at each agent, or at one. newest is the newest revision that is known. */
export function useAgentConfigs(newest: Revision | undefined, agentId = "") {
  const { config, watch } = useRuntime();
  return useQuery({
    queryKey: [...agentConfigsKey, agentId],
    queryFn: async ({ signal }) => (await config.listAgentConfigs({ agentId }, { signal })).configs,
    refetchInterval: () => pollMs(newest, watch.now(), 5_000),
    structuralSharing: false,
  });
}

/** useAgentConfigs of one agent. */
export function useAgentConfig(agentId: string) {
  const revisions = useRevisions();
  return useAgentConfigs(revisions.data?.[0], agentId);
}

/** Milliseconds between the samples of an agent's collectors, where a policy says so; its own flags are not known. */
export function useIntervals(agentId: string): Record<string, number> {
  const { data } = useAgentConfig(agentId);
  return useMemo(() => {
    const collectors = Object.entries(data?.[0]?.settings?.collectors ?? {});
    return Object.fromEntries(collectors.flatMap(([name, { intervalMs }]) => (intervalMs ? [[name, intervalMs]] : [])));
  }, [data]);
}

/** What the server says of a configuration, half a second after the last key. null asks nothing. */
export function usePreview(wanted: FleetConfig | null) {
  const { config } = useRuntime();
  const settled = useSettled(
    useMemo(() => (wanted ? toJsonString(FleetConfigSchema, wanted) : null), [wanted]),
    400,
  );
  const query = useQuery({
    queryKey: ["config", "preview", settled],
    queryFn: ({ signal }) => config.previewConfig({ config: wanted ?? undefined }, { signal }),
    enabled: settled !== null && wanted !== null,
    placeholderData: keepPreviousData,
    // Agents come and go.
    staleTime: 0,
    structuralSharing: false,
  });
  const asked = wanted ? toJsonString(FleetConfigSchema, wanted) : null;
  return { ...query, isBehind: asked !== settled || query.isPlaceholderData };
}

function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

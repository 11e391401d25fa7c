"use client";

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { type Agent, AgentState } from "@/gen/sonde/v1/agent_pb";
import { type Runtime, useRuntime } from "./runtime";

export const agentsKey = ["agents"] as const;

const pageSize = 1_000;

export async function listAllAgents(fleet: Runtime["fleet"], signal?: AbortSignal): Promise<Agent[]> {
  const agents: Agent[] = [];
  let pageToken = "";
  do {
    const page = await fleet.listAgents({ pageSize, pageToken }, { signal });
    agents.push(...page.agents);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return agents;
}

/** All agents in the order of their names, asked for every 2 s (5 s for more than 500), or as often as is said. */
export function useAgents(refetchMs?: number) {
  const { fleet } = useRuntime();
  return useQuery({
    queryKey: agentsKey,
    queryFn: ({ signal }) => listAllAgents(fleet, signal),
    refetchInterval: (query) => refetchMs ?? ((query.state.data?.length ?? 0) > 500 ? 5_000 : 2_000),
    // Messages are not plain objects, and comparing a thousand of them costs more than it saves.
    structuralSharing: false,
  });
}

/** Names change seldom. */
const namesEveryMs = 60_000;
const noAgents: Agent[] = [];

/** The names of all agents by their ids; the same map while they stay the same. */
export function useAgentNames(): ReadonlyMap<string, string> {
  const { data = noAgents } = useAgents(namesEveryMs);
  const key = data.map(({ id, name }) => `${id} ${name}`).join("\n");
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for the names
  return useMemo(() => new Map(data.map(({ id, name }) => [id, name])), [key]);
}

export type StateName = "up" | "late" | "down" | "pending";

export function stateName(agent: Agent): StateName {
  switch (agent.status?.state) {
    case AgentState.UP:
      return "up";
    case AgentState.LATE:
      return "late";
    case AgentState.DOWN:
      return "down";
    default:
      return "pending";
  }
}

/** Milliseconds since 1970; null when it has never been seen. */
export function lastSeenMs(agent: Agent): number | null {
  const at = agent.status?.lastSeenAt;
  return at ? timestampMs(at) : null;
}

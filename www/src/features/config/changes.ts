import type { AgentChange, SettingChange } from "@/gen/sonde/v1/config_service_pb";

/** Agents that change in the same way. */
export type ChangeGroup = { key: string; agents: { id: string; name: string }[]; settings: SettingChange[] };

/** Puts together the agents whose settings change alike; the largest group first. */
export function groupChanges(changes: readonly AgentChange[]): ChangeGroup[] {
  const groups = new Map<string, ChangeGroup>();
  for (const { agentId, agentName, settings } of changes) {
    const lines = settings.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
    const key = JSON.stringify(lines.map(({ path, before, after }) => [path, before, after]));
    const group = groups.get(key) ?? { key, agents: [], settings: lines };
    group.agents.push({ id: agentId, name: agentName });
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.agents.length - a.agents.length);
}

import type { Agent } from "@/gen/sonde/v1/agent_pb";

/** Whether the agent has all the labels; "name" stands for its name and "id" for its id. */
export function matches(selector: Record<string, string>, agent: Pick<Agent, "id" | "name" | "labels">): boolean {
  return Object.entries(selector).every(([key, value]) => labelOf(agent, key) === value);
}

function labelOf(agent: Pick<Agent, "id" | "name" | "labels">, key: string): string | undefined {
  if (key === "name") return agent.name;
  if (key === "id") return agent.id;
  return agent.labels[key];
}

/** Keys and their values that some agent has, for suggestions. */
export function labelSuggestions(agents: readonly Agent[]): Map<string, string[]> {
  const values = new Map<string, Set<string>>([["name", new Set(agents.map(({ name }) => name))]]);
  for (const { labels } of agents) {
    for (const [key, value] of Object.entries(labels)) {
      const known = values.get(key) ?? new Set();
      known.add(value);
      values.set(key, known);
    }
  }
  return new Map([...values].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, known]) => [key, [...known].sort()]));
}

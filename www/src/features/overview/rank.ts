import type { Agent } from "@/gen/sonde/v1/agent_pb";
import type { Metrics } from "./metrics";
import type { MetricName } from "./queries";

/** The agents with the largest values, largest first, without sorting all of them. */
export function rank(
  agents: Agent[],
  metrics: ReadonlyMap<string, Metrics>,
  name: MetricName,
  count: number,
): { agent: Agent; value: number }[] {
  const top: { agent: Agent; value: number }[] = [];
  for (const agent of agents) {
    const value = metrics.get(agent.id)?.[name];
    if (value === null || value === undefined) continue;
    const at = top.findIndex((entry) => value > entry.value);
    if (at >= 0) top.splice(at, 0, { agent, value });
    else if (top.length < count) top.push({ agent, value });
    if (top.length > count) top.pop();
  }
  return top;
}

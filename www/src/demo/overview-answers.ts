import * as queries from "@/features/overview/queries";
import type { Answers } from "./answers";
import type { DemoAgent } from "./fleet";
import {
  activity,
  diskBusy,
  diskFull,
  latencyQuantile,
  lossOf,
  memoryUsed,
  networkRate,
  probesOf,
  sampled,
} from "./model";

export function addOverviewAnswers(answers: Answers): void {
  const byAgent = (at: (agent: DemoAgent) => (seconds: number) => number) => (_: string[], agents: DemoAgent[]) =>
    agents.map((agent) => ({ labels: { agent: agent.id }, at: sampled(agent, at(agent)) }));

  const networkProbes = (agent: DemoAgent) => probesOf(agent).filter((p) => p.kind !== "disk" && p.kind !== "sched");

  answers
    .add(
      queries.cpuByAgent,
      byAgent((agent) => (s) => activity(agent, s)),
    )
    .add(
      queries.cpuMeanByAgent,
      byAgent((agent) => (s) => activity(agent, s)),
    )
    .add(
      queries.memoryByAgent,
      byAgent((agent) => (s) => memoryUsed(agent, s)),
    )
    .add(
      queries.diskBusyByAgent,
      byAgent((agent) => (s) => diskBusy(agent, s)),
    )
    .add(
      queries.diskFullByAgent,
      byAgent((agent) => (s) => diskFull(agent, s)),
    )
    .add(
      queries.networkInByAgent,
      byAgent((agent) => (s) => networkRate(agent, s, "in")),
    )
    .add(
      queries.networkOutByAgent,
      byAgent((agent) => (s) => networkRate(agent, s, "out")),
    )
    .add(
      queries.latencyByAgent,
      byAgent((agent) => {
        const slowest = networkProbes(agent).reduce((a, b) => (b.median > a.median ? b : a));
        return (s) => latencyQuantile(agent, slowest, "total", 0.99, s);
      }),
    )
    .add(
      queries.lossByAgent,
      byAgent((agent) => {
        const probes = networkProbes(agent);
        return (s) => Math.max(...probes.map((probe) => lossOf(agent, probe, s)));
      }),
    );
}

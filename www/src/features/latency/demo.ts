import type { Answers, DemoHistogram, DemoSeries } from "@/demo/answers";
import type { DemoAgent } from "@/demo/fleet";
import { type DemoProbe, latencyHistogram, latencyQuantile, lossOf, probesOf, sampled } from "@/demo/model";
import * as queries from "./queries";

/** One probe of one machine of the demo. */
type Pair = { agent: DemoAgent; probe: DemoProbe };

/** What matchers() wrote, read again. */
function pick(probes: string, agents: DemoAgent[]): Pair[] {
  const wanted = [...probes.matchAll(/(agent|probe|kind|target)="([^"]*)"/g)];
  return agents
    .flatMap((agent) => probesOf(agent).map((probe) => ({ agent, probe })))
    .filter((pair) => wanted.every(([, name, value]) => labelsOf(pair)[name as string] === value));
}

function labelsOf({ agent, probe }: Pair): Record<string, string> {
  return { agent: agent.id, instance: agent.name, probe: probe.probe, kind: probe.kind, target: probe.target };
}

const rateOf = ({ kind }: DemoProbe) => (kind === "disk" ? 0.1 : 1);
/** The slowest of an hour's answers. */
const quantileOf = (q: string) => Math.min(0.9995, Number(q));

function eachProbe(probes: string, agents: DemoAgent[], at: (pair: Pair, seconds: number) => number): DemoSeries[] {
  return pick(probes, agents).map((pair) => ({
    labels: labelsOf(pair),
    at: sampled(pair.agent, (seconds) => at(pair, seconds)),
  }));
}

/** What the latency page asks, answered from the demo's model. */
export function addLatencyAnswers(answers: Answers): void {
  answers
    .add(queries.phaseQuantile, ([q = "0.5", probes = ""], agents) =>
      pick(probes, agents)
        .slice(0, 1)
        .flatMap(({ agent, probe }) =>
          probe.phases
            .filter((phase) => phase !== "total")
            .map((phase) => ({
              labels: { phase },
              at: sampled(agent, (seconds) => latencyQuantile(agent, probe, phase, quantileOf(q), seconds)),
            })),
        ),
    )
    .add(queries.probeQuantile, ([q = "0.5", probes = ""], agents) =>
      eachProbe(probes, agents, ({ agent, probe }, seconds) =>
        latencyQuantile(agent, probe, "total", quantileOf(q), seconds),
      ),
    )
    .add(queries.agentQuantile, ([q = "0.5", probes = ""], agents) =>
      pick(probes, agents)
        .slice(0, 8)
        .map(({ agent, probe }) => ({
          labels: { agent: agent.id, instance: agent.name },
          at: sampled(agent, (seconds) => latencyQuantile(agent, probe, "total", quantileOf(q), seconds)),
        })),
    )
    .add(queries.lossByOutcome, ([probes = ""], agents) =>
      pick(probes, agents)
        .slice(0, 1)
        .flatMap(({ agent, probe }) =>
          (
            [
              ["timeout", 0.8],
              ["refused", 0.2],
            ] as const
          ).map(([outcome, share]) => ({
            labels: { outcome },
            at: sampled(agent, (seconds) => lossOf(agent, probe, seconds) * share),
          })),
        ),
    )
    .add(queries.probeLoss, ([probes = ""], agents) =>
      eachProbe(probes, agents, ({ agent, probe }, seconds) => lossOf(agent, probe, seconds) / 20),
    )
    .add(queries.probeAttempts, ([probes = ""], agents) => eachProbe(probes, agents, ({ probe }) => rateOf(probe)))
    .addHeatmap(queries.answers, ([probes = ""], agents) => {
      const pairs = pick(probes, agents).slice(0, 1);
      return (seconds, stepSeconds): DemoHistogram | null => {
        const [pair] = pairs;
        return pair ? latencyHistogram(pair.agent, pair.probe, "total", seconds, stepSeconds) : null;
      };
    });
}

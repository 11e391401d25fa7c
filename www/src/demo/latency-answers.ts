import * as queries from "@/features/latency/queries";
import type { Answers, DemoHistogram, DemoSeries } from "./answers";
import type { DemoAgent } from "./fleet";
import { type DemoProbe, latencyHistogram, latencyQuantile, lossOf, probesOf, sampled } from "./model";

/** One probe of one machine of the demo. */
type Pair = { agent: DemoAgent; probe: DemoProbe };

/** What matchers() and ofAgents() wrote, read again. */
function pick(probes: string, agents: DemoAgent[]): Pair[] {
  const wanted = [...probes.matchAll(/(agent|probe|kind|target)="([^"]*)"/g)];
  const oneOf = /agent=~"([^"]*)"/.exec(probes)?.[1]?.split("|");
  return agents
    .filter(({ id }) => !oneOf || oneOf.includes(id))
    .flatMap((agent) => probesOf(agent).map((probe) => ({ agent, probe })))
    .filter((pair) => wanted.every(([, name, value]) => labelsOf(pair)[name as string] === value));
}

function labelsOf({ agent, probe }: Pair): Record<string, string> {
  return { agent: agent.id, probe: probe.probe, kind: probe.kind, target: probe.target };
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

const quantileAt =
  (q: string) =>
  ({ agent, probe }: Pair, seconds: number) =>
    latencyQuantile(agent, probe, "total", quantileOf(q), seconds);

/** A window of minutes holds a storm of seconds and much that went well. */
const lossAt = ({ agent, probe }: Pair, seconds: number) => lossOf(agent, probe, seconds) / 20;

function eachAgent(q: string, probes: string, agents: DemoAgent[]): DemoSeries[] {
  return eachProbe(probes, agents, quantileAt(q)).map(({ labels: { agent = "" }, at }) => ({ labels: { agent }, at }));
}

/** Those with the greatest values now, of those that have one above zero. */
function topk(most: string, series: DemoSeries[]): DemoSeries[] {
  const now = Date.now() / 1000;
  return series
    .map((one) => ({ one, value: one.at(now) }))
    .filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value)
    .slice(0, Number(most))
    .map(({ one }) => one);
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
    .add(queries.probeQuantile, ([q = "0.5", probes = ""], agents) => eachProbe(probes, agents, quantileAt(q)))
    .add(queries.agentQuantile, ([q = "0.5", probes = ""], agents) => eachAgent(q, probes, agents))
    .add(queries.slowestAgents, ([most = "", q = "0.5", probes = ""], agents) =>
      topk(most, eachAgent(q, probes, agents)),
    )
    .add(queries.slowestProbes, ([most = "", q = "0.5", probes = ""], agents) =>
      topk(most, eachProbe(probes, agents, quantileAt(q))),
    )
    .add(queries.lossiestProbes, ([most = "", probes = ""], agents) => topk(most, eachProbe(probes, agents, lossAt)))
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
    .add(queries.probeLoss, ([probes = ""], agents) => eachProbe(probes, agents, lossAt))
    .add(queries.probeAttempts, ([probes = ""], agents) => eachProbe(probes, agents, ({ probe }) => rateOf(probe)))
    .addHeatmap(queries.answers, ([probes = ""], agents) => {
      const pairs = pick(probes, agents).slice(0, 1);
      return (seconds, stepSeconds): DemoHistogram | null => {
        const [pair] = pairs;
        return pair ? latencyHistogram(pair.agent, pair.probe, "total", seconds, stepSeconds) : null;
      };
    });
}

import { quote } from "@/lib/promql";

/**
 * What the latency page asks. Quantiles are read from histograms that were
 * added up first; a quantile of quantiles or a mean of means is nowhere.
 * Losses are failures among the attempts that were made: what was skipped was
 * not attempted.
 */

/** Matchers that pick probes; empty parts match all. As PromQL, without braces. */
export function matchers(filter: { agent?: string; probe?: string; kind?: string; target?: string }): string {
  return (["agent", "probe", "kind", "target"] as const)
    .flatMap((name) => (filter[name] ? [`${name}=${quote(filter[name])}`] : []))
    .join(",");
}

/** The same matchers, for these agents only; their ids need no quoting in a regular expression. */
export function ofAgents(probes: string, agents: readonly string[]): string {
  return [probes, `agent=~${quote(agents.join("|"))}`].filter(Boolean).join(",");
}

/** Without instance: of a host that was renamed, what it measured under both names is one. */
const one = "agent, probe, kind, target";

function quantile(q: string, by: string, probes: string, phases: string, window: string): string {
  // PromQL allows the comma that stays when there are no further matchers.
  return `histogram_quantile(${q}, sum by (${by}) (rate(sonde_probe_duration_seconds{${phases},${probes}}[${window}])))`;
}

const attempts = (by: string, probes: string, outcome: string, window: string) =>
  `sum by (${by}) (rate(sonde_probe_attempts_total{${outcome},${probes}}[${window}]))`;

/** A quantile of each probe of each agent; q = 1 is the slowest answer. */
export const probeQuantile = (q: string, probes: string, window: string) =>
  quantile(q, one, probes, 'phase="total"', window);

/**
 * Attempts a second of each probe of each agent: lately, because a window that
 * began before the agent did would tell too few; over the whole window of those
 * that made none lately.
 */
export const probeAttempts = (probes: string, lately: string, window: string) =>
  `${attempts(one, probes, 'outcome!="skipped"', lately)} > 0 or ${attempts(one, probes, 'outcome!="skipped"', window)}`;

/** Share of the attempts of each probe that failed, 0 to 1. */
export const probeLoss = (probes: string, window: string) =>
  `1 - ${attempts(one, probes, 'outcome="success"', window)} / ${attempts(one, probes, 'outcome!="skipped"', window)}`;

/** Share of the attempts that ended in each outcome other than success. */
export const lossByOutcome = (probes: string, window: string) =>
  `${attempts("outcome", probes, 'outcome!~"success|skipped"', window)} / on () group_left () sum(rate(sonde_probe_attempts_total{outcome!="skipped",${probes}}[${window}]))`;

/** A quantile of each phase. */
export const phaseQuantile = (q: string, probes: string, window: string) =>
  quantile(q, "phase", probes, 'phase!="total"', window);

/** A quantile of the same target as each agent sees it. */
export const agentQuantile = (q: string, probes: string, window: string) =>
  quantile(q, "agent", probes, 'phase="total"', window);

/** The slowest probes by a quantile. */
export const slowestProbes = (most: string, q: string, probes: string, window: string) =>
  `topk(${most}, ${probeQuantile(q, probes, window)})`;

/** The probes that lose most, of those that lose anything. */
export const lossiestProbes = (most: string, probes: string, window: string) =>
  `topk(${most}, ${probeLoss(probes, window)} > 0)`;

/** The agents that see the same target slowest. */
export const slowestAgents = (most: string, q: string, probes: string, window: string) =>
  `topk(${most}, ${agentQuantile(q, probes, window)})`;

/** The answers of each step as one histogram. */
export const answers = (probes: string, window: string) =>
  `sum(increase(sonde_probe_duration_seconds{phase="total",${probes}}[${window}]))`;

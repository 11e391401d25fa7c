import { clone, create } from "@bufbuild/protobuf";
import { matches } from "@/features/config/matching";
import { compareSettings, flatten } from "@/features/config/settings";
import {
  type FieldError,
  FieldErrorSchema,
  type FleetConfig,
  type Policy,
  ProbeSettingsSchema,
  type Settings,
  SettingsSchema,
} from "@/gen/sonde/v1/config_pb";
import type { DemoAgent } from "./fleet";

export type Decided = { settings: Settings; provenance: Record<string, string> };

/** What the policies that select the agent make together; undefined when none does. */
export function decide(config: FleetConfig, agent: DemoAgent): Decided | undefined {
  const policies = config.policies.filter(({ selector }) => matches(selector, agent)).sort(byRank);
  if (policies.length === 0) return undefined;
  const settings = create(SettingsSchema);
  const provenance: Record<string, string> = {};
  for (const policy of policies) merge(settings, policy);
  for (const path of flatten(settings).keys()) {
    provenance[path] = policies.findLast((policy) => flatten(policy.settings).has(path))?.name ?? "";
  }
  return { settings, provenance };
}

/** Those that win come last. */
function byRank(a: Policy, b: Policy): number {
  return a.priority - b.priority || (a.name < b.name ? -1 : 1);
}

function merge(into: Settings, { settings }: Policy): void {
  if (!settings) return;
  into.submissionIntervalMs = settings.submissionIntervalMs ?? into.submissionIntervalMs;
  const added = clone(SettingsSchema, settings);
  for (const [name, collector] of Object.entries(added.collectors)) {
    const before = into.collectors[name];
    into.collectors[name] = {
      ...collector,
      enabled: collector.enabled ?? before?.enabled,
      intervalMs: collector.intervalMs ?? before?.intervalMs,
    };
  }
  for (const [name, probe] of Object.entries(added.probes)) {
    into.probes[name] = probe.disabled ? create(ProbeSettingsSchema, { disabled: true }) : probe;
  }
}

/** Agents whose settings differ between two configurations, in the order of their names. */
export function changesOf(before: FleetConfig, after: FleetConfig, agents: readonly DemoAgent[]) {
  return agents
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((agent) => ({
      agentId: agent.id,
      agentName: agent.name,
      settings: compareSettings(flatten(decide(before, agent)?.settings), flatten(decide(after, agent)?.settings)),
    }))
    .filter(({ settings }) => settings.length > 0);
}

/** Some machines of the demo have a policy of their own: nothing more often than this. */
const localMinimumMs = 200;
const isGuarded = (agent: DemoAgent) => agent.seed % 12 === 2;

/** Why the agent would refuse the settings. */
export function refusals(agent: DemoAgent, settings: Settings): FieldError[] {
  if (!isGuarded(agent)) return [];
  const intervals: [string, number | undefined][] = [
    ...Object.entries(settings.collectors).map(([name, c]): [string, number | undefined] => [
      `collectors.${name}.interval_ms`,
      c.intervalMs,
    ]),
    ...Object.entries(settings.probes).map(([name, p]): [string, number | undefined] => [
      `probes.${name}.interval_ms`,
      p.disabled ? undefined : p.intervalMs,
    ]),
  ];
  return intervals
    .filter(([, ms]) => ms !== undefined && ms < localMinimumMs)
    .map(([field, ms]) =>
      create(FieldErrorSchema, {
        field,
        message: `${ms}ms is more often than this host allows (${localMinimumMs}ms)`,
      }),
    );
}

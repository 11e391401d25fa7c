import type { FleetConfig, Policy, ProbeSettings, Settings } from "@/gen/sonde/v1/config_pb";
import { printDuration } from "./duration";

/** Every setting as a text, by its path: collectors.cpu.interval_ms → "200ms". Paths are in order. */
export function flatten(settings: Settings | undefined): Map<string, string> {
  const flat = new Map<string, string>();
  if (!settings) return flat;
  if (settings.submissionIntervalMs !== undefined) {
    flat.set("submission_interval_ms", printDuration(settings.submissionIntervalMs));
  }
  for (const name of Object.keys(settings.collectors).sort()) {
    const collector = settings.collectors[name];
    if (collector?.enabled !== undefined) flat.set(`collectors.${name}.enabled`, collector.enabled ? "on" : "off");
    if (collector?.intervalMs !== undefined) {
      flat.set(`collectors.${name}.interval_ms`, printDuration(collector.intervalMs));
    }
  }
  for (const name of Object.keys(settings.probes).sort()) {
    const probe = settings.probes[name];
    if (probe) flat.set(`probes.${name}`, probeText(probe));
  }
  return flat;
}

/** A probe in a line: "http https://www.example every 1s, within 5s, HEAD". */
export function probeText(probe: ProbeSettings): string {
  if (probe.disabled) return "taken away";
  const { http, dns } = probe;
  const options = [
    `every ${printDuration(probe.intervalMs)}`,
    probe.timeoutMs ? `within ${printDuration(probe.timeoutMs)}` : "",
    http?.method ?? "",
    http?.status ? `expecting ${http.status}` : "",
    http?.redirects ? `up to ${http.redirects} redirects` : "",
    http?.skipVerify ? "any certificate" : "",
    dns?.name || dns?.type ? `asking ${[dns.type, dns.name || "the root"].filter(Boolean).join(" ")}` : "",
    dns?.rcode ? `expecting ${dns.rcode}` : "",
  ].filter(Boolean);
  return `${[probe.kind, probe.target].filter(Boolean).join(" ")} ${options.join(", ")}`;
}

/** What a policy sets, in a line. */
export function summary(settings: Settings | undefined): string {
  if (!settings) return "sets nothing";
  const { submissionIntervalMs, collectors, probes } = settings;
  const probeCount = Object.keys(probes).length;
  const parts = [
    submissionIntervalMs === undefined ? "" : `submission ${printDuration(submissionIntervalMs)}`,
    ...Object.keys(collectors)
      .sort()
      .map((name) => {
        const { enabled, intervalMs } = collectors[name] ?? {};
        const interval = intervalMs === undefined ? "" : printDuration(intervalMs);
        const run = enabled === undefined ? "" : enabled ? "on" : "off";
        return [name, run, interval].filter(Boolean).join(" ");
      }),
    probeCount === 0 ? "" : probeCount === 1 ? `probe ${Object.keys(probes)[0]}` : `${probeCount} probes`,
  ].filter(Boolean);
  return parts.length === 0 ? "sets nothing" : parts.join(" · ");
}

export type Change = { path: string; before: string; after: string };

/** Lines that differ; empty for "not set". */
export function compareSettings(before: Map<string, string>, after: Map<string, string>): Change[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => ({ path, before: before.get(path) ?? "", after: after.get(path) ?? "" }));
}

export type PolicyChange = { policy: string; kind: "added" | "removed" | "changed"; changes: Change[] };

/** How two configurations differ, policy by policy in the order of their names. */
export function compareConfigs(before: FleetConfig, after: FleetConfig): PolicyChange[] {
  const byName = (config: FleetConfig) => new Map(config.policies.map((policy) => [policy.name, policy]));
  const [old, now] = [byName(before), byName(after)];
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((policy): PolicyChange[] => {
    const [a, b] = [old.get(policy), now.get(policy)];
    const changes = compareSettings(flattenPolicy(a), flattenPolicy(b));
    if (a && b && changes.length === 0) return [];
    return [{ policy, kind: !a ? "added" : !b ? "removed" : "changed", changes }];
  });
}

function flattenPolicy(policy: Policy | undefined): Map<string, string> {
  if (!policy) return new Map();
  return new Map([
    ["priority", String(policy.priority)],
    ["selector", selectorText(policy.selector)],
    ...flatten(policy.settings),
  ]);
}

/** "env=prod, role=web", or "every agent". */
export function selectorText(selector: Record<string, string>): string {
  const terms = Object.keys(selector)
    .sort()
    .map((key) => `${key}=${selector[key]}`);
  return terms.length === 0 ? "every agent" : terms.join(", ");
}

import { create } from "@bufbuild/protobuf";
import {
  type CollectorSettings,
  type FleetConfig,
  FleetConfigSchema,
  type Policy,
  type ProbeSettings,
} from "@/gen/sonde/v1/config_pb";
import { parseDuration, printDuration } from "./duration";

/**
 * A configuration as it is being typed: numbers and durations are the texts of
 * their fields, empty for "not set". Rows have ids, because their names change.
 */
export type Draft = readonly PolicyDraft[];

export type PolicyDraft = {
  id: string;
  name: string;
  priority: string;
  selector: SelectorRow[];
  submission: string;
  collectors: Record<string, CollectorDraft>;
  probes: ProbeDraft[];
};

export type SelectorRow = { id: string; key: string; value: string };

export type CollectorDraft = { run: "" | "on" | "off"; interval: string };

export type ProbeDraft = {
  id: string;
  name: string;
  disabled: boolean;
  kind: string;
  target: string;
  interval: string;
  timeout: string;
  method: string;
  status: string;
  redirects: string;
  skipVerify: boolean;
  query: string;
  type: string;
  rcode: string;
};

let lastId = 0;
export function newId(): string {
  lastId++;
  return `row-${lastId}`;
}

const text = (ms: number | undefined) => (ms ? printDuration(ms) : "");

export function toDraft(config: FleetConfig): Draft {
  return config.policies.map(toPolicyDraft);
}

function toPolicyDraft({ name, priority, selector, settings }: Policy): PolicyDraft {
  return {
    id: newId(),
    name,
    priority: String(priority),
    selector: sorted(selector).map(([key, value]) => ({ id: newId(), key, value })),
    submission: text(settings?.submissionIntervalMs),
    collectors: Object.fromEntries(sorted(settings?.collectors ?? {}).map(([key, c]) => [key, toCollectorDraft(c)])),
    probes: sorted(settings?.probes ?? {}).map(([probe, p]) => toProbeDraft(probe, p)),
  };
}

function toCollectorDraft({ enabled, intervalMs }: CollectorSettings): CollectorDraft {
  return { run: enabled === undefined ? "" : enabled ? "on" : "off", interval: text(intervalMs) };
}

function toProbeDraft(name: string, probe: ProbeSettings): ProbeDraft {
  return {
    ...newProbe(name),
    disabled: probe.disabled,
    kind: probe.kind,
    target: probe.target,
    interval: text(probe.intervalMs),
    timeout: text(probe.timeoutMs),
    method: probe.http?.method ?? "",
    status: probe.http?.status ?? "",
    redirects: probe.http?.redirects ? String(probe.http.redirects) : "",
    skipVerify: probe.http?.skipVerify ?? false,
    query: probe.dns?.name ?? "",
    type: probe.dns?.type ?? "",
    rcode: probe.dns?.rcode ?? "",
  };
}

/** The draft under the ids of known policies of the same names, so that an editor that shows one stays open. */
export function keepIds(draft: Draft, known: Draft): Draft {
  const ids = new Map(known.map(({ name, id }) => [name.trim(), id]));
  return draft.map((policy) => ({ ...policy, id: ids.get(policy.name) ?? policy.id }));
}

/** What the texts say; only for a draft without problems, see validate. */
export function toConfig(draft: Draft): FleetConfig {
  return create(FleetConfigSchema, {
    policies: draft.map((policy) => ({
      name: policy.name.trim(),
      priority: Number(policy.priority),
      selector: Object.fromEntries(
        policy.selector.filter(isFilled).map(({ key, value }) => [key.trim(), value.trim()]),
      ),
      settings: {
        submissionIntervalMs: optionalMs(policy.submission),
        collectors: Object.fromEntries(
          Object.entries(policy.collectors)
            .filter(([, { run, interval }]) => run !== "" || interval.trim() !== "")
            .map(([name, { run, interval }]) => [
              name,
              { enabled: run === "" ? undefined : run === "on", intervalMs: optionalMs(interval) },
            ]),
        ),
        probes: Object.fromEntries(policy.probes.map((probe) => [probe.name.trim(), toProbeSettings(probe)])),
      },
    })),
  });
}

function toProbeSettings(probe: ProbeDraft) {
  if (probe.disabled) return { disabled: true };
  return {
    kind: probe.kind,
    target: probe.target.trim(),
    intervalMs: optionalMs(probe.interval) ?? 0,
    timeoutMs: optionalMs(probe.timeout) ?? 0,
    ...(probe.kind === "http" && (probe.method || probe.status || probe.redirects.trim() || probe.skipVerify)
      ? {
          http: {
            method: probe.method,
            status: probe.status,
            redirects: Number(probe.redirects),
            skipVerify: probe.skipVerify,
          },
        }
      : {}),
    ...(probe.kind === "dns" && (probe.query.trim() || probe.type.trim() || probe.rcode.trim())
      ? { dns: { name: probe.query.trim(), type: probe.type.trim(), rcode: probe.rcode.trim() } }
      : {}),
  };
}

const optionalMs = (duration: string) => (duration.trim() === "" ? undefined : (parseDuration(duration) ?? undefined));
const isFilled = (row: SelectorRow) => row.key.trim() !== "" || row.value.trim() !== "";

export function newProbe(name = ""): ProbeDraft {
  return {
    id: newId(),
    name,
    disabled: false,
    kind: "icmp",
    target: "",
    interval: "1s",
    timeout: "",
    method: "",
    status: "",
    redirects: "",
    skipVerify: false,
    query: "",
    type: "",
    rcode: "",
  };
}

/** A policy that sets nothing, under a name that is free. */
export function addPolicy(draft: Draft): { draft: Draft; added: PolicyDraft } {
  const added: PolicyDraft = {
    id: newId(),
    name: freeName(draft, "policy"),
    priority: "0",
    selector: [],
    submission: "",
    collectors: {},
    probes: [],
  };
  return { draft: [...draft, added], added };
}

/** A copy stands beside its original, under a name that is free. */
export function duplicatePolicy(draft: Draft, id: string): { draft: Draft; added: PolicyDraft } | null {
  const at = draft.findIndex((policy) => policy.id === id);
  const original = draft[at];
  if (!original) return null;
  const added: PolicyDraft = {
    ...original,
    id: newId(),
    name: freeName(draft, `${original.name.trim().slice(0, 56)}-copy`),
    selector: original.selector.map((row) => ({ ...row, id: newId() })),
    probes: original.probes.map((probe) => ({ ...probe, id: newId() })),
  };
  return { draft: draft.toSpliced(at + 1, 0, added), added };
}

export function removePolicy(draft: Draft, id: string): Draft {
  return draft.filter((policy) => policy.id !== id);
}

export function updatePolicy(draft: Draft, id: string, part: Partial<PolicyDraft>): Draft {
  return draft.map((policy) => (policy.id === id ? { ...policy, ...part } : policy));
}

function freeName(draft: Draft, wanted: string): string {
  const taken = new Set(draft.map(({ name }) => name.trim()));
  if (!taken.has(wanted)) return wanted;
  for (let i = 2; ; i++) if (!taken.has(`${wanted}-${i}`)) return `${wanted}-${i}`;
}

/** Whether both mean the same; order, ids and ways to write a duration do not matter. */
export function isSame(a: Draft, b: Draft): boolean {
  return fingerprint(a) === fingerprint(b);
}

function fingerprint(draft: Draft): string {
  return JSON.stringify(draft.map(fingerprintOf).sort());
}

function fingerprintOf(policy: PolicyDraft): string {
  const meaning = (duration: string) => parseDuration(duration) ?? duration.trim();
  return JSON.stringify([
    policy.name.trim(),
    Number(policy.priority) || policy.priority.trim(),
    policy.selector
      .filter(isFilled)
      .map(({ key, value }) => [key.trim(), value.trim()].join("="))
      .sort(),
    meaning(policy.submission),
    sorted(policy.collectors)
      .map(([name, { run, interval }]) => [name, run, meaning(interval)])
      .filter(([, run, interval]) => run !== "" || interval !== ""),
    policy.probes
      .map(({ id: _, ...probe }) => ({ ...probe, interval: meaning(probe.interval), timeout: meaning(probe.timeout) }))
      .map((probe) => JSON.stringify(probe.disabled ? [probe.name.trim(), "disabled"] : probe))
      .sort(),
  ]);
}

/**
 * Takes what was edited since base over to next, which somebody else made
 * meanwhile, policy by policy. Where both changed the same policy, the edit
 * holds, and its name is in overruled.
 */
export function rebase(base: Draft, edited: Draft, next: Draft): { draft: Draft; overruled: string[] } {
  const byName = (draft: Draft) => new Map(draft.map((policy) => [policy.name.trim(), policy]));
  const [bases, edits, nexts] = [byName(base), byName(edited), byName(next)];
  const differ = (a: PolicyDraft | undefined, b: PolicyDraft | undefined) =>
    (a && fingerprintOf(a)) !== (b && fingerprintOf(b));
  const draft: PolicyDraft[] = [];
  const overruled: string[] = [];
  for (const name of new Set([...nexts.keys(), ...edits.keys()])) {
    const [before, mine, theirs] = [bases.get(name), edits.get(name), nexts.get(name)];
    if (!differ(before, mine)) {
      if (theirs) draft.push(theirs);
      continue;
    }
    if (differ(before, theirs) && differ(mine, theirs)) overruled.push(name);
    if (mine) draft.push(mine);
  }
  return { draft, overruled };
}

function sorted<T>(record: Record<string, T>): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

import { bounds, type ProbeKind, probeKinds, targets } from "./catalog";
import type { Draft, PolicyDraft, ProbeDraft } from "./draft";
import { parseDuration, printDuration } from "./duration";

/** What people have to mend, by the id of the row and the name of the field: "row-3.interval". */
export type Problems = ReadonlyMap<string, string>;

type Bound = { min: number; max: number };

/** Everything that can be known to be wrong without the server, which has the last word. */
export function validate(draft: Draft): Problems {
  const problems = new Map<string, string>();
  if (draft.length > bounds.policies) problems.set("policies", `There may be at most ${bounds.policies} policies.`);
  const names = draft.map(({ name }) => name.trim());
  for (const policy of draft) {
    for (const [field, problem] of policyProblems(policy, names)) problems.set(field, problem);
  }
  return problems;
}

/** Whether something is wrong within this policy. */
export function isWrong(problems: Problems, policy: PolicyDraft): boolean {
  const ids = [policy.id, ...policy.selector.map(({ id }) => id), ...policy.probes.map(({ id }) => id)];
  return [...problems.keys()].some((field) => ids.includes(field.slice(0, field.indexOf("."))));
}

function* policyProblems(policy: PolicyDraft, names: string[]): Generator<[string, string]> {
  const { id } = policy;
  yield* found(`${id}.name`, nameProblem(policy.name, names, "policy"));
  yield* found(`${id}.priority`, wholeProblem(policy.priority, bounds.priority));
  yield* found(`${id}.submission`, optional(policy.submission, bounds.submission));
  for (const [name, { interval }] of Object.entries(policy.collectors)) {
    yield* found(`${id}.collectors.${name}`, optional(interval, bounds.interval));
  }
  const keys = policy.selector.map(({ key }) => key.trim());
  for (const { id: row, key, value } of policy.selector) {
    yield* found(`${row}.key`, keyProblem(key.trim(), value.trim(), keys));
  }
  if (policy.probes.length > bounds.probes) yield [`${id}.probes`, `There may be at most ${bounds.probes} probes.`];
  const probeNames = policy.probes.map(({ name }) => name.trim());
  for (const probe of policy.probes) yield* probeProblems(probe, probeNames);
}

function* probeProblems(probe: ProbeDraft, names: string[]): Generator<[string, string]> {
  const { id } = probe;
  yield* found(`${id}.name`, nameProblem(probe.name, names, "probe"));
  if (probe.disabled) return;
  if (!isKind(probe.kind)) {
    yield [`${id}.kind`, "Choose a kind."];
    return;
  }
  yield* found(`${id}.target`, targetProblem(probe.kind, probe.target.trim()));
  yield* found(
    `${id}.interval`,
    probe.interval.trim() === "" ? "Say how often it runs." : durationProblem(probe.interval, bounds.interval),
  );
  yield* found(`${id}.timeout`, optional(probe.timeout, bounds.timeout));
  if (probe.kind === "http" && probe.redirects.trim() !== "") {
    yield* found(`${id}.redirects`, wholeProblem(probe.redirects, bounds.redirects));
  }
}

export const isKind = (kind: string): kind is ProbeKind => (probeKinds as readonly string[]).includes(kind);

function* found(field: string, problem: string | undefined): Generator<[string, string]> {
  if (problem !== undefined) yield [field, problem];
}

function nameProblem(text: string, all: string[], what: string): string | undefined {
  const name = text.trim();
  if (!/^[a-z0-9-]{1,64}$/.test(name)) return "1 to 64 of a–z, 0–9 and -.";
  if (all.filter((other) => other === name).length > 1) return `Another ${what} has this name.`;
  return undefined;
}

function keyProblem(key: string, value: string, all: string[]): string | undefined {
  if (key === "" && value === "") return undefined;
  if (!/^[a-zA-Z_][a-zA-Z0-9_]{0,127}$/.test(key)) return "Letters, digits and _ only, not beginning with a digit.";
  if (all.filter((other) => other === key).length > 1) return `${key} is there twice.`;
  return undefined;
}

function wholeProblem(text: string, { min, max }: Bound): string | undefined {
  const value = Number(text);
  if (/^\s*-?\d+\s*$/.test(text) && value >= min && value <= max) return undefined;
  return `A whole number from ${min.toLocaleString("en")} to ${max.toLocaleString("en")}.`;
}

const optional = (text: string, bound: Bound) => (text.trim() === "" ? undefined : durationProblem(text, bound));

export function durationProblem(text: string, { min, max }: Bound): string | undefined {
  const ms = parseDuration(text);
  if (ms === null) return "A time such as 200ms, 1s or 5min.";
  return ms < min || ms > max ? `From ${printDuration(min)} to ${printDuration(max)}.` : undefined;
}

const hostPattern = /^(\[[0-9a-fA-F:.%]+\]|[^\s:/[\]]+)$/;

function targetProblem(kind: ProbeKind, target: string): string | undefined {
  if (targets[kind] === null) return undefined;
  if (target === "") return "Say what it aims at.";
  if (new TextEncoder().encode(target).length > bounds.targetBytes) {
    return `Longer than ${bounds.targetBytes.toLocaleString("en")} bytes.`;
  }
  switch (kind) {
    case "icmp":
      return isAddress(target) || hostPattern.test(target) ? undefined : "An address or a host name.";
    case "tcp":
      return splitPort(target) ? undefined : "host:port, such as db.example:5432.";
    case "dns":
      return isAddress(target) || hostPattern.test(target) || splitPort(target)
        ? undefined
        : "An address or a host name, with or without :port.";
    case "http":
      return isWebAddress(target) ? undefined : "A URL that begins with http:// or https://, without a password.";
    case "disk":
      return /^\/([^/]+(\/[^/]+)*)?$/.test(target) && !/(^|\/)\.\.?(\/|$)/.test(target)
        ? undefined
        : "The absolute path of a directory.";
    default:
      return undefined;
  }
}

/** IPv6 without brackets, with or without a zone. */
const isAddress = (text: string) => /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%\w+)?$/.test(text);

function splitPort(target: string): boolean {
  const at = target.lastIndexOf(":");
  const port = target.slice(at + 1);
  return (
    at > 0 &&
    hostPattern.test(target.slice(0, at)) &&
    /^\d{1,5}$/.test(port) &&
    Number(port) >= 1 &&
    Number(port) <= 65_535
  );
}

function isWebAddress(target: string): boolean {
  if (!/^https?:\/\//.test(target) || !URL.canParse(target)) return false;
  const url = new URL(target);
  return url.hostname !== "" && url.username === "" && url.password === "";
}

import type { Tone } from "@/components/badge";
import { type AgentConfig, ConfigState, RolloutState } from "@/gen/sonde/v1/config_pb";
import { printDuration } from "./duration";
import { flatten } from "./settings";

export const configStates: readonly { state: ConfigState; name: string; tone: Tone; meaning: string }[] = [
  { state: ConfigState.APPLIED, name: "Applied", tone: "ok", meaning: "It is in force." },
  { state: ConfigState.PENDING, name: "Pending", tone: "warn", meaning: "Told, or to be told once it connects." },
  {
    state: ConfigState.REJECTED,
    name: "Rejected",
    tone: "bad",
    meaning: "The agent refused it; the one before holds.",
  },
  { state: ConfigState.DRIFTED, name: "Drifted", tone: "bad", meaning: "Something else is in force." },
  {
    state: ConfigState.LOCAL,
    name: "Local",
    tone: "idle",
    meaning: "Nothing is decided; it goes by its own settings.",
  },
];

const unknownState = { state: ConfigState.UNSPECIFIED, name: "Unknown", tone: "idle", meaning: "" } as const;

export const describeState = (state: ConfigState) => configStates.find((s) => s.state === state) ?? unknownState;

const rollouts: Record<RolloutState, { name: string; tone: Tone }> = {
  [RolloutState.UNSPECIFIED]: { name: "Unknown", tone: "idle" },
  [RolloutState.RUNNING]: { name: "Rolling out", tone: "accent" },
  [RolloutState.DONE]: { name: "Done", tone: "ok" },
  [RolloutState.FAILED]: { name: "Failed", tone: "bad" },
  [RolloutState.SUPERSEDED]: { name: "Superseded", tone: "idle" },
};

export const describeRollout = (state: RolloutState | undefined) =>
  rollouts[state ?? RolloutState.UNSPECIFIED] ?? rollouts[RolloutState.UNSPECIFIED];

export type EffectiveRow = { path: string; what: string; value: string; policy: string };

/** The settings that are decided for an agent, each with the policy that it comes from. */
export function effectiveRows({ settings, provenance }: AgentConfig): EffectiveRow[] {
  return [...flatten(settings)].map(([path, value]) => ({
    path,
    what: settingName(path),
    value,
    policy: provenance[path] ?? "",
  }));
}

/** A path in words: "collectors.cpu.interval_ms" is "Collector cpu, interval". */
export function settingName(path: string): string {
  if (path === "submission_interval_ms") return "Submission interval";
  const [kind, name = "", ...fields] = path.split(".");
  const what = { probes: "Probe", collectors: "Collector" }[kind ?? ""];
  if (!what) return path;
  const field = fields.join(" ").replace(/_ms$/, "").replaceAll("_", " ");
  return field === "" || field === "enabled" ? `${what} ${name}` : `${what} ${name}, ${field}`;
}

/** A value as the server writes it in a preview, for people: 200 of an interval is "200ms". */
export function settingValue(path: string, value: string): string {
  if (path.endsWith("_ms") && /^\d+$/.test(value)) return printDuration(Number(value));
  if (path.endsWith(".enabled")) return { true: "on", false: "off" }[value] ?? value;
  if (path.endsWith(".disabled") || path.endsWith(".skip_verify")) return { true: "yes", false: "no" }[value] ?? value;
  return value;
}

import type { ReactNode } from "react";
import type { StateName } from "@/lib/agents";

export type Tone = "ok" | "warn" | "bad" | "idle" | "accent";

const tones: Record<Tone, string> = {
  ok: "bg-ok-soft text-ok",
  warn: "bg-warn-soft text-warn",
  bad: "bg-bad-soft text-bad",
  idle: "bg-idle-soft text-ink-soft",
  accent: "bg-accent-soft text-accent",
};

export function Badge({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span
      className={`inline-flex h-5 items-center gap-1 rounded-full px-2 text-2xs font-medium whitespace-nowrap ${tones[tone]}`}
    >
      {children}
    </span>
  );
}

export const stateTones: Record<StateName, Tone> = { up: "ok", late: "warn", down: "bad", pending: "idle" };
export const stateTexts: Record<StateName, string> = { up: "Up", late: "Late", down: "Down", pending: "Pending" };

const dots: Record<Tone, string> = {
  ok: "bg-ok",
  warn: "bg-warn",
  bad: "bg-bad",
  idle: "bg-control",
  accent: "bg-accent",
};

/** A coloured mark; what it means must also stand beside it as text. */
export function Dot({ tone, className = "" }: { tone: Tone; className?: string }) {
  return <span aria-hidden="true" className={`size-2 shrink-0 rounded-full ${dots[tone]} ${className}`} />;
}

/** The state of an agent in colour and in words. */
export function StateBadge({ state }: { state: StateName }) {
  return (
    <Badge tone={stateTones[state]}>
      <Dot tone={stateTones[state]} className="size-1.5" />
      {stateTexts[state]}
    </Badge>
  );
}

/** A label that people gave, as key=value. */
export function LabelChip({ name, value }: { name: string; value: string }) {
  return (
    <span className="inline-flex h-5 max-w-40 items-center rounded border border-line bg-canvas px-1.5 text-2xs text-ink-soft">
      <span className="truncate">
        <span className="text-ink-faint">{name}=</span>
        {value}
      </span>
    </span>
  );
}

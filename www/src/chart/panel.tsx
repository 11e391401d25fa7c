"use client";

import { Tooltip } from "@base-ui/react/tooltip";
import { type ReactNode, useId } from "react";
import { Button } from "@/components/button";

/** What a chart can say of its data. */
export type ChartState =
  | { status: "loading" }
  | { status: "error"; message: string; retry?: () => void }
  /** note: why what is shown may be old. */
  | { status: "ready"; note?: string };

export interface EmptyReason {
  title: string;
  reason: string;
}

/** What an empty chart means unless it says otherwise. */
export const noSamples: EmptyReason = {
  title: "No samples in this range",
  reason: "The host may have been off, or not measured this.",
};

/** The frame of a chart: title, what it means, actions, and what stands in for it while there is nothing to draw. */
export function ChartPanel({
  title,
  description,
  aside,
  state,
  empty,
  height,
  children,
  footer,
}: {
  title: string;
  description?: string;
  /** Right end of the head. */
  aside?: ReactNode;
  state: ChartState;
  /** What it means that there is nothing to draw; undefined when there is. */
  empty?: EmptyReason;
  height: number;
  children: ReactNode;
  footer?: ReactNode;
}) {
  const heading = useId();
  const covered = state.status !== "ready" || empty !== undefined;
  return (
    <figure
      aria-labelledby={heading}
      aria-busy={state.status === "loading"}
      className="group/panel h-full min-w-0 rounded-lg border border-line bg-surface"
    >
      <header className="flex min-h-9 items-center gap-1.5 py-1 pr-1.5 pl-3">
        <h3 id={heading} className="truncate text-sm font-medium text-ink">
          {title}
        </h3>
        {description && <Explained text={description} about={title} />}
        {state.status === "ready" && state.note && (
          <span className="truncate rounded bg-warn-soft px-1.5 text-2xs text-warn">{state.note}</span>
        )}
        <div className="ml-auto flex shrink-0 items-center gap-0.5">{aside}</div>
      </header>
      <div className="relative" style={{ height }}>
        {children}
        {covered && (
          <div className="absolute inset-0 z-10 flex flex-col items-center justify-center gap-2 rounded-b-lg bg-surface px-6 text-center">
            {state.status === "loading" && <Skeleton />}
            {state.status === "error" && (
              <div role="alert" className="flex flex-col items-center gap-2">
                <p className="text-sm text-bad">{state.message}</p>
                {state.retry && <Button onClick={state.retry}>Try again</Button>}
              </div>
            )}
            {state.status === "ready" && empty !== undefined && (
              <>
                <p className="text-sm text-ink-soft">{empty.title}</p>
                <p className="max-w-72 text-xs text-balance text-ink-faint">{empty.reason}</p>
              </>
            )}
          </div>
        )}
      </div>
      {footer}
    </figure>
  );
}

function Skeleton() {
  return (
    <div aria-hidden className="flex size-full animate-pulse flex-col justify-between py-4 pl-10">
      {[0, 1, 2, 3].map((line) => (
        <div key={line} className="h-px w-full bg-line" />
      ))}
      <span className="absolute inset-x-14 top-1/2 h-8 rounded bg-sunken" />
    </div>
  );
}

function Explained({ text, about }: { text: string; about: string }) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger
        aria-label={`About ${about}: ${text}`}
        className="grid size-5 shrink-0 place-items-center rounded text-ink-faint hover:text-ink pointer-coarse:size-8"
      >
        <svg aria-hidden viewBox="0 0 16 16" className="size-3.5" fill="none" stroke="currentColor" strokeWidth="1.3">
          <circle cx="8" cy="8" r="6.2" />
          <path d="M8 7.2v3.6M8 5v.2" strokeLinecap="round" />
        </svg>
      </Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Positioner sideOffset={6} className="z-50">
          <Tooltip.Popup className="popup-motion max-w-72 rounded-md border border-line bg-raised px-2.5 py-1.5 text-xs text-ink-soft shadow-raised">
            {text}
          </Tooltip.Popup>
        </Tooltip.Positioner>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}

/** A small button in the head of a chart; shown when the chart is looked at, always to touch and keyboard. */
export function PanelButton({
  label,
  onClick,
  pressed,
  children,
}: {
  label: string;
  onClick: () => void;
  pressed?: boolean;
  children: ReactNode;
}) {
  return (
    <button
      type="button"
      aria-label={label}
      aria-pressed={pressed}
      title={label}
      onClick={onClick}
      className="grid h-6 min-w-6 place-items-center rounded px-1.5 text-2xs text-ink-faint opacity-0 transition-opacity group-focus-within/panel:opacity-100 group-hover/panel:opacity-100 hover:bg-hover hover:text-ink aria-pressed:bg-accent-soft aria-pressed:text-accent aria-pressed:opacity-100 pointer-coarse:h-9 pointer-coarse:min-w-9 pointer-coarse:opacity-100"
    >
      {children}
    </button>
  );
}

"use client";

import { Field } from "./fields";
import type { PlanDraft, planProblems } from "./plan";

/** How a change reaches the fleet: at once, or step by step. */
export function PlanFields(props: {
  plan: PlanDraft;
  errors: ReturnType<typeof planProblems>;
  onPlan: (part: Partial<PlanDraft>) => void;
}) {
  const { plan, errors, onPlan } = props;
  const choice = (staged: boolean, text: string) => (
    <label className="flex min-h-6 items-center gap-2">
      <input
        type="radio"
        name="rollout"
        checked={plan.staged === staged}
        onChange={() => onPlan({ staged })}
        className="size-4 accent-accent"
      />
      {text}
    </label>
  );
  return (
    <fieldset className="min-w-0">
      <legend className="mb-1 text-xs font-medium text-ink-soft">Rollout</legend>
      <div className="flex flex-wrap gap-x-6">
        {choice(false, "All agents at once")}
        {choice(true, "Some first, then the rest")}
      </div>
      {plan.staged ? (
        <div className="mt-2 grid gap-3 sm:grid-cols-2">
          <Field
            label="Steps in percent of the agents"
            value={plan.steps}
            error={errors.steps}
            onText={(steps) => onPlan({ steps })}
          />
          <Field
            label="Watch each step for"
            value={plan.watch}
            error={errors.watch}
            hint="It stops and goes back when agents refuse it or fall silent."
            onText={(watch) => onPlan({ watch })}
          />
          <label className="flex min-h-6 items-center gap-2 sm:col-span-2">
            <input
              type="checkbox"
              checked={plan.heedsFailures}
              onChange={(event) => onPlan({ heedsFailures: event.target.checked })}
              className="size-4 accent-accent"
            />
            Also when a collector begins to fail, or samples to be dropped or refused
          </label>
        </div>
      ) : null}
    </fieldset>
  );
}

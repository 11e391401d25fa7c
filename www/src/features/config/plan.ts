import { create } from "@bufbuild/protobuf";
import { type RolloutPlan, RolloutPlanSchema } from "@/gen/sonde/v1/config_pb";
import { bounds } from "./catalog";
import { parseDuration, printDuration } from "./duration";
import { durationProblem } from "./validate";

/** A rollout plan as it is being typed. */
export type PlanDraft = { staged: boolean; steps: string; watch: string; heedsFailures: boolean };

export const newPlan: PlanDraft = { staged: false, steps: "10, 50, 100", watch: "1min", heedsFailures: true };

export function planProblems({ staged, steps, watch }: PlanDraft): { steps?: string; watch?: string } {
  if (!staged) return {};
  const percents = parseSteps(steps);
  const ms = parseDuration(watch);
  return {
    ...(percents ? {} : { steps: "Rising whole numbers, the last one 100: 10, 50, 100." }),
    ...(ms === null || ms % 1_000 !== 0 || durationProblem(watch, bounds.watch)
      ? { watch: "Whole seconds, from 1s to 24h." }
      : {}),
  };
}

/** Only for a plan without problems. */
export function toPlan({ staged, steps, watch, heedsFailures }: PlanDraft): RolloutPlan {
  if (!staged) return create(RolloutPlanSchema);
  return create(RolloutPlanSchema, {
    stepsPercent: parseSteps(steps) ?? [],
    watchSeconds: (parseDuration(watch) ?? 0) / 1_000,
    ignoreFailures: !heedsFailures,
  });
}

function parseSteps(text: string): number[] | null {
  const words = text.split(/[\s,%]+/).filter((word) => word !== "");
  const steps = words.map(Number);
  const rising = steps.every((step, i) => Number.isInteger(step) && step > (steps[i - 1] ?? 0));
  return steps.length > 0 && rising && steps.at(-1) === 100 ? steps : null;
}

/** "all at once", "10%, 50%, 100%, each watched for 5min". */
export function planText(plan: RolloutPlan | undefined): string {
  if (!plan || plan.stepsPercent.length === 0) return "all at once";
  const steps = plan.stepsPercent.map((step) => `${step}%`).join(", ");
  const failures = plan.ignoreFailures
    ? ", whatever fails"
    : plan.maxFailures > 0
      ? `, with up to ${plan.maxFailures.toLocaleString("en")} new failures an agent`
      : "";
  return `${steps}, each watched for ${printDuration(plan.watchSeconds * 1_000)}${failures}`;
}

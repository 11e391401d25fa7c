import { useEffect, useRef } from "react";
import { Button, IconButton } from "@/components/button";
import type { Agent } from "@/gen/sonde/v1/agent_pb";
import { CollectorFields } from "./collector-fields";
import type { PolicyDraft } from "./draft";
import { Field, Part } from "./fields";
import { ProbeFields } from "./probe-fields";
import { SelectorFields } from "./selector-fields";
import type { Problems } from "./validate";

/** The fields of one policy. What is typed is checked at once. */
export function PolicyEditor({
  policy,
  problems,
  matching,
  suggestions,
  onPolicy,
  onDuplicate,
  onRemove,
  onBack,
  takeFocus,
  readOnly,
}: {
  policy: PolicyDraft;
  problems: Problems;
  /** The agents that it selects; undefined while they are not known. */
  matching: Agent[] | undefined;
  suggestions: Map<string, string[]>;
  onPolicy: (part: Partial<PolicyDraft>) => void;
  onDuplicate: () => void;
  onRemove: () => void;
  onBack: () => void;
  /** Whether what was focused is out of sight now. */
  takeFocus: boolean;
  /** Whoever looks may not change it. */
  readOnly: boolean;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (takeFocus) heading.current?.focus();
  }, [takeFocus]);
  const problem = (field: string) => problems.get(`${policy.id}.${field}`);
  return (
    <section aria-label={`Policy ${policy.name}`} className="rounded-lg border border-line bg-surface">
      <div className="flex items-center gap-1 px-4 py-2.5">
        <IconButton label="All policies" icon="left" onClick={onBack} className="-ml-2 wide:hidden" />
        <h2 ref={heading} tabIndex={-1} className="min-w-0 flex-1 truncate text-base outline-none">
          {policy.name || "Policy without a name"}
        </h2>
        {readOnly ? null : (
          <>
            <Button icon="copy" look="quiet" onClick={onDuplicate}>
              Duplicate
            </Button>
            <Button icon="trash" look="quiet" onClick={onRemove}>
              Remove
            </Button>
          </>
        )}
      </div>
      <fieldset disabled={readOnly} className="min-w-0">
        <div className="grid grid-cols-2 gap-3 border-t border-line px-4 py-4 lg:grid-cols-3">
          <Field
            label="Name"
            value={policy.name}
            error={problem("name")}
            onText={(name) => onPolicy({ name })}
            className="col-span-2 sm:col-span-1"
          />
          <Field
            label="Priority"
            inputMode="numeric"
            hint="Higher wins."
            value={policy.priority}
            error={problem("priority")}
            onText={(priority) => onPolicy({ priority })}
          />
          <Field
            label="Submission interval"
            placeholder="not set"
            hint="How often a batch leaves."
            value={policy.submission}
            error={problem("submission")}
            onText={(submission) => onPolicy({ submission })}
          />
        </div>
        <Part
          title="Agents"
          note={
            <>
              Those that have all of these labels; without any, every agent. <q>name</q> stands for the agent’s name.{" "}
              {matching ? <Matching agents={matching} /> : null}
            </>
          }
        >
          <SelectorFields
            rows={policy.selector}
            problems={problems}
            suggestions={suggestions}
            onRows={(selector) => onPolicy({ selector })}
          />
        </Part>
        <Part
          title="Collectors"
          note="What is not set here is left to other policies, or else to the agent. 100ms to 1h."
        >
          <CollectorFields
            policy={policy}
            problems={problems}
            onCollectors={(collectors) => onPolicy({ collectors })}
          />
        </Part>
        <Part title="Probes" note="A probe of the same name, also one of the agent’s own, is replaced.">
          {problem("probes") ? <p className="mb-2 text-xs text-bad">{problem("probes")}</p> : null}
          <ProbeFields probes={policy.probes} problems={problems} onProbes={(probes) => onPolicy({ probes })} />
        </Part>
      </fieldset>
    </section>
  );
}

function Matching({ agents }: { agents: Agent[] }) {
  if (agents.length === 0) return <strong className="font-medium text-warn">No agent matches now.</strong>;
  const names = agents.slice(0, 3).map(({ name }) => name);
  const others = agents.length - names.length;
  return (
    <strong className="font-medium text-ink-soft">
      {agents.length === 1 ? "One agent matches" : `${agents.length} agents match`}: {names.join(", ")}
      {others > 0 ? ` and ${others} more` : ""}.
    </strong>
  );
}

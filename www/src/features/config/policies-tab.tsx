"use client";

import { type ReactNode, useMemo, useState } from "react";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { EmptyState } from "@/components/states";
import { useWide } from "@/components/use-wide";
import type { Agent } from "@/gen/sonde/v1/agent_pb";
import { useCanSteer } from "@/lib/self";
import {
  addPolicy,
  type Draft,
  duplicatePolicy,
  type PolicyDraft,
  removePolicy,
  toConfig,
  updatePolicy,
} from "./draft";
import { useDraft, useDraftStore } from "./draft-store";
import { labelSuggestions, matches } from "./matching";
import { PolicyEditor } from "./policy-editor";
import { selectorText, summary } from "./settings";
import { isWrong, type Problems } from "./validate";

/** The policies, and the editor of the one that was chosen. */
export function PoliciesTab({
  agents,
  problems,
  chosen,
  onChoose,
}: {
  agents: Agent[] | undefined;
  problems: Problems;
  /** The id of a policy. */
  chosen: string | null;
  onChoose: (id: string | null) => void;
}) {
  const store = useDraftStore();
  const { draft } = useDraft();
  const wide = useWide();
  const canSteer = useCanSteer();
  // Since the tab was opened: a look at another tab and back must not move the focus.
  const [isPicked, setPicked] = useState(false);
  const pick = (id: string) => {
    setPicked(true);
    onChoose(id);
  };
  const suggestions = useMemo(() => labelSuggestions(agents ?? []), [agents]);
  const ordered = useMemo(() => inOrder(draft), [draft]);
  const policy = draft.find(({ id }) => id === chosen);
  const add = (result: { draft: Draft; added: PolicyDraft } | null) => {
    if (!result) return;
    store.edit(result.draft);
    pick(result.added.id);
  };
  const addButton = canSteer ? (
    <Button icon="plus" onClick={() => add(addPolicy(draft))}>
      New policy
    </Button>
  ) : null;

  if (draft.length === 0) {
    return (
      <EmptyState icon="config" title="Nothing is decided for the fleet" action={addButton}>
        Every agent goes by its own settings. A policy tells the agents that have certain labels what to measure and how
        often; they follow within a second, without a restart.
      </EmptyState>
    );
  }
  return (
    <div className="grid grid-cols-1 items-start gap-4 wide:grid-cols-[minmax(17rem,22rem)_minmax(0,1fr)]">
      <div className={`flex flex-col items-start gap-2 ${policy ? "hidden wide:flex" : ""}`}>
        <ul aria-label="Policies" className="flex w-full flex-col gap-1.5">
          {ordered.map((item) => (
            <li key={item.id}>
              <PolicyRow
                policy={item}
                wrong={isWrong(problems, item)}
                matching={matching(item, agents)?.length}
                chosen={item.id === chosen}
                onChoose={() => pick(item.id)}
              />
            </li>
          ))}
        </ul>
        {addButton}
      </div>
      {policy ? (
        <PolicyEditor
          key={policy.id}
          policy={policy}
          problems={problems}
          matching={matching(policy, agents)}
          suggestions={suggestions}
          onPolicy={(part) => store.edit(updatePolicy(draft, policy.id, part))}
          onDuplicate={() => add(duplicatePolicy(draft, policy.id))}
          onRemove={() => {
            store.edit(removePolicy(draft, policy.id));
            onChoose(null);
          }}
          onBack={() => onChoose(null)}
          takeFocus={!wide && isPicked}
          readOnly={!canSteer}
        />
      ) : (
        <p className="hidden rounded-lg border border-dashed border-line px-4 py-14 text-center text-ink-faint wide:block">
          Choose a policy to {canSteer ? "edit" : "read"} it.
        </p>
      )}
    </div>
  );
}

/** Whoever wins stands first. */
function inOrder(draft: Draft): PolicyDraft[] {
  const priority = (policy: PolicyDraft) => Number(policy.priority) || 0;
  return draft.toSorted((a, b) => priority(b) - priority(a) || (a.name < b.name ? 1 : -1));
}

function matching(policy: PolicyDraft, agents: Agent[] | undefined): Agent[] | undefined {
  const selector = toConfig([policy]).policies[0]?.selector ?? {};
  return agents?.filter((agent) => matches(selector, agent));
}

function PolicyRow(props: {
  policy: PolicyDraft;
  wrong: boolean;
  matching: number | undefined;
  chosen: boolean;
  onChoose: () => void;
}) {
  const { policy, wrong, chosen, onChoose } = props;
  const message = toConfig([policy]).policies[0];
  return (
    <button
      type="button"
      aria-pressed={chosen}
      onClick={onChoose}
      className="flex w-full flex-col gap-1 rounded-lg border border-line bg-surface px-3 py-2.5 text-left hover:bg-hover aria-pressed:border-accent"
    >
      <span className="flex w-full items-center gap-2">
        <span className="min-w-0 flex-1 truncate font-medium">{policy.name || "without a name"}</span>
        {wrong ? <Badge tone="bad">To mend</Badge> : null}
        <Small>priority {policy.priority}</Small>
      </span>
      <span className="w-full truncate text-xs text-ink-soft">
        {selectorText(message?.selector ?? {})}
        {props.matching === undefined ? "" : ` · ${props.matching} ${props.matching === 1 ? "agent" : "agents"}`}
      </span>
      <span className="line-clamp-2 text-xs text-ink-faint">{summary(message?.settings)}</span>
    </button>
  );
}

function Small({ children }: { children: ReactNode }) {
  return <span className="tnum text-xs whitespace-nowrap text-ink-faint">{children}</span>;
}

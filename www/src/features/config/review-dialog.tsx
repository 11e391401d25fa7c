"use client";

import { Code, ConnectError } from "@connectrpc/connect";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useMemo, useState } from "react";
import { Button } from "@/components/button";
import { Dialog } from "@/components/dialog";
import { TextField } from "@/components/field";
import { FormButtons } from "@/components/form-buttons";
import { Notice } from "@/components/notice";
import { Skeleton } from "@/components/states";
import type { FieldError, Revision } from "@/gen/sonde/v1/config_pb";
import { explain } from "@/lib/errors";
import { useRuntime } from "@/lib/runtime";
import { Affected } from "./affected";
import { bounds } from "./catalog";
import { PolicyChanges } from "./change-table";
import { type Draft, toConfig } from "./draft";
import { useDraft, useDraftStore } from "./draft-store";
import { newPlan, type PlanDraft, planProblems, toPlan } from "./plan";
import { PlanFields } from "./plan-fields";
import { fieldText } from "./server-errors";
import { compareConfigs } from "./settings";
import { agentConfigsKey, revisionsKey, usePreview, useReadNewest } from "./use-config";

/** What will change, for whom, why and how fast; then applies it. */
export function ReviewDialog({
  open,
  onOpenChange,
  agents,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  agents: number | undefined;
}) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Review and apply" width="max-w-2xl">
      <Review agents={agents} onDone={() => onOpenChange(false)} />
    </Dialog>
  );
}

function Review({ agents, onDone }: { agents: number | undefined; onDone: () => void }) {
  const { config } = useRuntime();
  const client = useQueryClient();
  const store = useDraftStore();
  const { draft, original, base, overruled } = useDraft();
  const wanted = useMemo(() => toConfig(draft), [draft]);
  const policies = useMemo(() => compareConfigs(toConfig(original), wanted), [original, wanted]);
  const preview = usePreview(wanted);
  const [message, setMessage] = useState("");
  const [plan, setPlan] = useState<PlanDraft>(newPlan);
  const planErrors = planProblems(plan);
  const tooLong = new TextEncoder().encode(message).length > bounds.messageBytes;

  const apply = useMutation({
    mutationFn: () =>
      config.applyConfig({
        config: wanted,
        baseRevision: base ?? 0n,
        message: message.trim(),
        plan: toPlan(plan),
      }),
    onSuccess: ({ revision }) => {
      if (revision) {
        store.load(revision.number, wanted);
        client.setQueryData<Revision[]>(revisionsKey, (before) => [revision, ...(before ?? [])]);
      }
      void client.invalidateQueries({ queryKey: revisionsKey });
      void client.invalidateQueries({ queryKey: agentConfigsKey });
      onDone();
    },
  });
  const isBehind = apply.error !== null && ConnectError.from(apply.error).code === Code.Aborted;
  const refused = preview.data?.errors ?? [];
  const isReady = !preview.isBehind && preview.data !== undefined && refused.length === 0;
  const isBlocked = !isReady || tooLong || planErrors.steps || planErrors.watch || apply.isPending || isBehind;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isBlocked) apply.mutate();
  };

  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      {isBehind ? <Behind onCaughtUp={apply.reset} /> : null}
      {overruled.length > 0 ? <Overruled names={overruled} /> : null}
      {policies.length > 0 ? (
        <section aria-label="What changes">
          <PolicyChanges changes={policies} />
        </section>
      ) : (
        <p className="text-ink-soft">Nothing differs from the newest revision any more.</p>
      )}
      <section aria-label="Who changes" aria-busy={preview.isBehind}>
        {preview.error ? (
          <Notice
            tone="bad"
            alert
            actions={<Button onClick={() => void preview.refetch()}>Try again</Button>}
          >{`It is not known whom this would change. ${explain(preview.error)}`}</Notice>
        ) : preview.isBehind || !preview.data ? (
          <Skeleton className="h-16" />
        ) : refused.length > 0 ? (
          <Refused draft={draft} errors={refused} />
        ) : (
          <Affected preview={preview.data} total={agents} />
        )}
      </section>
      <TextField
        label="Why (for the history)"
        value={message}
        placeholder="Look closer at the web servers"
        error={tooLong ? `At most ${bounds.messageBytes.toLocaleString("en")} bytes.` : undefined}
        onChange={(event) => setMessage(event.target.value)}
      />
      <PlanFields plan={plan} errors={planErrors} onPlan={(part) => setPlan({ ...plan, ...part })} />
      {apply.error && !isBehind ? (
        <Notice tone="bad" alert>
          {explain(apply.error)}
        </Notice>
      ) : null}
      <FormButtons text="Apply" disabled={Boolean(isBlocked)} onCancel={onDone} />
    </form>
  );
}

/** Somebody else was quicker: their revision is read, and the edits are taken over to it. */
function Behind({ onCaughtUp }: { onCaughtUp: () => void }) {
  const store = useDraftStore();
  const readNewest = useReadNewest();
  const catchUp = useMutation({
    mutationFn: readNewest,
    onSuccess: ({ revision, config }) => {
      store.rebase(revision?.number ?? 0n, config);
      onCaughtUp();
    },
  });
  return (
    <Notice
      tone="warn"
      alert
      actions={
        <Button disabled={catchUp.isPending} onClick={() => catchUp.mutate()}>
          Reload, keeping my edits
        </Button>
      }
    >
      Somebody else changed the configuration meanwhile. Nothing was applied.
      {catchUp.error ? ` ${explain(catchUp.error)}` : ""}
    </Notice>
  );
}

/** Says which edits stand against those of somebody else. */
export function Overruled({ names }: { names: readonly string[] }) {
  return (
    <Notice tone="warn">
      Your edit of {names.join(", ")} would replace what somebody else changed there meanwhile.
    </Notice>
  );
}

/** What the server finds wrong. */
export function Refused({ draft, errors }: { draft: Draft; errors: readonly FieldError[] }) {
  return (
    <Notice tone="bad" alert>
      <p>The server refuses this configuration:</p>
      <ul className="mt-1 list-disc pl-5">
        {errors.map(({ field, message }) => (
          <li key={`${field} ${message}`}>
            <code className="font-mono text-xs">{fieldText(draft, field)}</code>: {message}
          </li>
        ))}
      </ul>
    </Notice>
  );
}

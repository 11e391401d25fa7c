"use client";

import { Code, ConnectError } from "@connectrpc/connect";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Dialog } from "@/components/dialog";
import { TextField } from "@/components/field";
import { FormButtons } from "@/components/form-buttons";
import { Notice } from "@/components/notice";
import type { FleetConfig, Revision } from "@/gen/sonde/v1/config_pb";
import { explain } from "@/lib/errors";
import { useRuntime } from "@/lib/runtime";
import { affectedText } from "./affected";
import { newPlan, type PlanDraft, planProblems, toPlan } from "./plan";
import { PlanFields } from "./plan-fields";
import { Differences, WithConfigs } from "./revision-dialog";
import { agentConfigsKey, revisionsKey, usePreview } from "./use-config";

/** Asks before the fleet goes back to an old revision. */
export function RollbackDialog(props: { revision: Revision; newest: Revision; onClose: () => void }) {
  const { config } = useRuntime();
  const client = useQueryClient();
  const { revision, newest, onClose } = props;
  const [message, setMessage] = useState("");
  const [plan, setPlan] = useState<PlanDraft>(newPlan);
  const planErrors = planProblems(plan);
  const isBlocked = planErrors.steps !== undefined || planErrors.watch !== undefined;
  const rollBack = useMutation({
    mutationFn: () =>
      config.rollBack({
        toRevision: revision.number,
        baseRevision: newest.number,
        message: message.trim(),
        plan: toPlan(plan),
      }),
    onSuccess: onClose,
    onSettled: () => {
      void client.invalidateQueries({ queryKey: revisionsKey });
      void client.invalidateQueries({ queryKey: agentConfigsKey });
    },
  });
  const isBehind = rollBack.error !== null && ConnectError.from(rollBack.error).code === Code.Aborted;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isBlocked) rollBack.mutate();
  };
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={`Roll back to revision ${revision.number}?`}
      description="This makes a new revision with the configuration of the old one."
      width="max-w-2xl"
    >
      <form onSubmit={submit} className="flex flex-col gap-4">
        <WithConfigs numbers={[newest.number, revision.number]}>
          {([current, old]) => (
            <>
              <Differences before={current} after={old} />
              <Reach config={old} />
            </>
          )}
        </WithConfigs>
        <TextField
          label="Why (for the history)"
          value={message}
          maxLength={256}
          onChange={(event) => setMessage(event.target.value)}
        />
        <PlanFields plan={plan} errors={planErrors} onPlan={(part) => setPlan({ ...plan, ...part })} />
        {rollBack.error ? (
          <Notice tone="bad" alert>
            {isBehind
              ? "Somebody else changed the configuration meanwhile. What is shown now is compared with their revision."
              : explain(rollBack.error)}
          </Notice>
        ) : null}
        <FormButtons text="Roll back" look="danger" disabled={isBlocked || rollBack.isPending} onCancel={onClose} />
      </form>
    </Dialog>
  );
}

function Reach({ config }: { config: FleetConfig }) {
  const preview = usePreview(config);
  if (preview.error) return <p className="text-bad">{explain(preview.error)}</p>;
  return (
    <p role="status" className="min-h-5 text-ink-soft">
      {preview.data ? affectedText(preview.data, undefined) : ""}
    </p>
  );
}

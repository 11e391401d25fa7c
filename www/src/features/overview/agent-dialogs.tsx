"use client";

import { Code, ConnectError } from "@connectrpc/connect";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { Dialog } from "@/components/dialog";
import { TextField } from "@/components/field";
import { FormButtons } from "@/components/form-buttons";
import { LabelFields } from "@/components/label-fields";
import type { Agent } from "@/gen/sonde/v1/agent_pb";
import { agentsKey } from "@/lib/agents";
import { explain } from "@/lib/errors";
import { checkLabels, type LabelRow, labelRows } from "@/lib/labels";
import { useRuntime } from "@/lib/runtime";
import { fieldErrors } from "./labels";
import type { AgentAction } from "./row-menu";

/** The dialog of an action, or none. */
export function AgentDialogs({ action, onDone }: { action: AgentAction | null; onDone: () => void }) {
  // What is closing keeps its content until it has faded.
  const last = useRef(action);
  if (action) last.current = action;
  const shown = last.current;
  if (!shown) return null;
  const props = { agent: shown.agent, onDone };
  return (
    <>
      <Dialog
        open={action?.kind === "edit"}
        onOpenChange={onDone}
        title="Name and labels"
        description="Labels are for filtering and selecting. They change nothing on the host."
      >
        <EditForm key={shown.agent.id} {...props} />
      </Dialog>
      <Dialog open={action?.kind === "remove"} onOpenChange={onDone} title={`Remove ${shown.agent.name}?`}>
        <RemoveForm {...props} />
      </Dialog>
    </>
  );
}

type FormProps = { agent: Agent; onDone: () => void };

function EditForm({ agent, onDone }: FormProps) {
  const { fleet } = useRuntime();
  const client = useQueryClient();
  const [name, setName] = useState(agent.name);
  const [rows, setRows] = useState<LabelRow[]>(() => labelRows(agent.labels));
  const [problem, setProblem] = useState<string>();
  const save = useMutation({
    mutationFn: (labels: Record<string, string>) => fleet.updateAgent({ id: agent.id, name, labels: { labels } }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: agentsKey });
      onDone();
    },
  });
  const errors = save.error ? fieldErrors(save.error) : {};

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const checked = checkLabels(rows);
    setProblem(checked.problem);
    if (checked.labels) save.mutate(checked.labels);
  };

  return (
    <form onSubmit={submit}>
      <TextField
        label="Name"
        value={name}
        maxLength={128}
        required
        onChange={(e) => setName(e.target.value)}
        error={errors.name}
      />
      <LabelFields rows={rows} onRows={setRows} error={problem ?? errors.labels} className="mt-4" />
      {errors.form ? (
        <p role="alert" className="mt-3 text-bad">
          {errors.form}
        </p>
      ) : null}
      <div className="mt-5">
        <FormButtons text="Save" disabled={save.isPending} onCancel={onDone} />
      </div>
    </form>
  );
}

function RemoveForm({ agent, onDone }: FormProps) {
  const { fleet } = useRuntime();
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () =>
      fleet.removeAgent({ id: agent.id }).catch((error) => {
        // Somebody else was quicker.
        if (ConnectError.from(error).code !== Code.NotFound) throw error;
      }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: agentsKey });
      onDone();
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        remove.mutate();
      }}
    >
      <p className="text-ink-soft">
        Its credential is revoked and its session ends. What it has measured stays until retention removes it. To come
        back, it has to join anew with a join token.
      </p>
      {remove.error ? (
        <p role="alert" className="mt-3 text-bad">
          {explain(remove.error)}
        </p>
      ) : null}
      <div className="mt-5">
        <FormButtons text="Remove" look="danger" disabled={remove.isPending} onCancel={onDone} />
      </div>
    </form>
  );
}

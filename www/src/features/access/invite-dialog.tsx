"use client";

import { Code, ConnectError } from "@connectrpc/connect";
import { type FormEvent, useState } from "react";
import { Button } from "@/components/button";
import { Dialog } from "@/components/dialog";
import { SelectField, TextField } from "@/components/field";
import { Notice } from "@/components/notice";
import { Role } from "@/gen/sonde/v1/access_pb";
import type { CreateUserResponse } from "@/gen/sonde/v1/access_service_pb";
import { explain } from "@/lib/errors";
import { useRuntime } from "@/lib/runtime";
import { roleChoices } from "@/lib/self";
import { nameProblem } from "./name";
import { useChange } from "./use-access";

export function InviteDialog(props: {
  /** For whoever asks, who is the first. */
  own: boolean;
  onClose: () => void;
  onInvited: (made: CreateUserResponse) => void;
}) {
  const { access } = useRuntime();
  const [name, setName] = useState("");
  const [role, setRole] = useState(String(props.own ? Role.ADMIN : Role.VIEWER));
  const create = useChange(() => access.createUser({ name: name.trim(), role: Number(role) }), props.onInvited);
  const failure = create.error ? ConnectError.from(create.error) : null;
  const isTaken = failure?.code === Code.AlreadyExists;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!nameProblem(name)) create.mutate(undefined);
  };
  return (
    <Dialog
      open
      onOpenChange={props.onClose}
      title={props.own ? "Create your account" : "Invite a person"}
      description={props.own ? "You come in by the link that is shown next, and choose a password there." : undefined}
    >
      <form onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label="Name"
          value={name}
          required
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          onChange={(event) => setName(event.target.value)}
          hint="Letters, digits and . _ - @ +"
          error={isTaken ? failure.rawMessage : name ? nameProblem(name) : undefined}
        />
        <SelectField label="Role" value={role} choices={roleChoices} onValue={setRole} />
        {failure && !isTaken ? (
          <Notice tone="bad" alert>
            {explain(failure)}
          </Notice>
        ) : null}
        <div className="flex justify-end gap-2">
          <Button onClick={props.onClose}>Cancel</Button>
          <Button type="submit" look="primary" disabled={create.isPending || nameProblem(name) !== undefined}>
            {props.own ? "Create" : "Invite"}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

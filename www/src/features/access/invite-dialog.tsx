"use client";

import { Code, ConnectError } from "@connectrpc/connect";
import { type FormEvent, useState } from "react";
import { Dialog } from "@/components/dialog";
import { SelectField } from "@/components/field";
import { FormButtons } from "@/components/form-buttons";
import { Notice } from "@/components/notice";
import { Role } from "@/gen/sonde/v1/access_pb";
import type { CreateUserResponse } from "@/gen/sonde/v1/access_service_pb";
import { explain } from "@/lib/errors";
import { useRuntime } from "@/lib/runtime";
import { roleChoices } from "@/lib/self";
import { nameProblem } from "./name";
import { NameField } from "./name-field";
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
        <NameField value={name} onName={setName} error={isTaken ? failure.rawMessage : undefined} />
        <SelectField label="Role" value={role} choices={roleChoices} onValue={setRole} />
        {failure && !isTaken ? (
          <Notice tone="bad" alert>
            {explain(failure)}
          </Notice>
        ) : null}
        <FormButtons
          text={props.own ? "Create" : "Invite"}
          disabled={create.isPending || nameProblem(name) !== undefined}
          onCancel={props.onClose}
        />
      </form>
    </Dialog>
  );
}

"use client";

import { Code, ConnectError } from "@connectrpc/connect";
import { type FormEvent, useState } from "react";
import { Badge } from "@/components/badge";
import { Button, IconButton } from "@/components/button";
import { ConfirmDialog } from "@/components/confirm-dialog";
import { Dialog } from "@/components/dialog";
import { SelectField } from "@/components/field";
import { FormButtons } from "@/components/form-buttons";
import { Notice } from "@/components/notice";
import { type ApiToken, Role } from "@/gen/sonde/v1/access_pb";
import type { CreateApiTokenResponse } from "@/gen/sonde/v1/access_service_pb";
import { actorText } from "@/lib/actor";
import { explain } from "@/lib/errors";
import { useRuntime } from "@/lib/runtime";
import { roleChoices, roleTexts } from "@/lib/self";
import { Ago, Cell, Missing, Row, Table } from "./list";
import { nameProblem } from "./name";
import { NameField } from "./name-field";
import { OnceDialog } from "./once-dialog";
import { useApiTokens, useChange } from "./use-access";
import { endText, fileTokenName } from "./words";

/** How programs come in. */
export function ApiTokensTab() {
  const { access, watch } = useRuntime();
  const nowMs = watch.now();
  const tokens = useApiTokens();
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<CreateApiTokenResponse | null>(null);
  const [revoking, setRevoking] = useState<ApiToken | null>(null);
  const revoke = useChange(
    (token: ApiToken) => access.revokeApiToken({ name: token.name }),
    () => setRevoking(null),
  );
  if (!tokens.data) return <Missing query={tokens} what="The API tokens" />;
  return (
    <div className="flex flex-col items-start gap-3">
      <Button icon="plus" onClick={() => setMaking(true)}>
        New API token
      </Button>
      <div className="w-full">
        <Table label="API tokens" columns={["Name", "Role", "Made", "Last used", "Expires", ""]}>
          {tokens.data.map((token) => (
            <Row key={token.name}>
              <Cell className="font-medium max-wide:basis-full max-wide:pr-8">
                {token.name === fileTokenName ? "File admin-token" : token.name}
                {endText(token.expiresAt, nowMs).endsWith("ago") ? (
                  <span className="ml-2">
                    <Badge tone="bad">Expired</Badge>
                  </span>
                ) : null}
              </Cell>
              <Cell>{roleTexts[token.role]}</Cell>
              <Cell name="Made">
                <Ago at={token.createdAt} nowMs={nowMs} />
                {token.createdBy ? <span className="text-ink-faint"> by {actorText(token.createdBy)}</span> : null}
              </Cell>
              <Cell name="Last used">
                <Ago at={token.lastUsedAt} nowMs={nowMs} />
              </Cell>
              <Cell name="Expires" className="text-ink-soft">
                {endText(token.expiresAt, nowMs)}
              </Cell>
              <Cell className="text-right max-wide:absolute max-wide:top-1.5 max-wide:right-2">
                {token.name === fileTokenName ? null : (
                  <IconButton label={`Revoke ${token.name}`} icon="trash" onClick={() => setRevoking(token)} />
                )}
              </Cell>
            </Row>
          ))}
        </Table>
      </div>
      {making ? (
        <MakeDialog
          onClose={() => setMaking(false)}
          onMade={(response) => {
            setMaking(false);
            setMade(response);
          }}
        />
      ) : null}
      {made ? (
        <OnceDialog
          title={`API token ${made.token?.name}`}
          what="API token"
          secret={made.secret}
          onClose={() => setMade(null)}
        >
          Programs send it as Authorization: Bearer. It is shown only now.
        </OnceDialog>
      ) : null}
      {revoking ? (
        <ConfirmDialog
          title={`Revoke ${revoking.name}?`}
          text="Revoke"
          pending={revoke.isPending}
          error={revoke.error}
          onConfirm={() => revoke.mutate(revoking)}
          onClose={() => setRevoking(null)}
        >
          Programs that use it are refused from the next request on.
        </ConfirmDialog>
      ) : null}
    </div>
  );
}

const day = 86_400;
const lifetimes = [
  { value: String(30 * day), text: "30 days" },
  { value: String(90 * day), text: "90 days" },
  { value: String(365 * day), text: "A year" },
  { value: "0", text: "Does not expire" },
];

function MakeDialog({ onClose, onMade }: { onClose: () => void; onMade: (made: CreateApiTokenResponse) => void }) {
  const { access } = useRuntime();
  const [name, setName] = useState("");
  const [role, setRole] = useState(String(Role.VIEWER));
  const [lifetime, setLifetime] = useState(String(90 * day));
  const create = useChange(
    () => access.createApiToken({ name: name.trim(), role: Number(role), lifetimeSeconds: Number(lifetime) }),
    onMade,
  );
  const failure = create.error ? ConnectError.from(create.error) : null;
  const isTaken = failure?.code === Code.AlreadyExists;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!nameProblem(name)) create.mutate(undefined);
  };
  return (
    <Dialog open onOpenChange={onClose} title="New API token" description="For Grafana, scripts and other programs.">
      <form onSubmit={submit} className="flex flex-col gap-4">
        <NameField
          placeholder="grafana"
          value={name}
          onName={setName}
          error={isTaken ? failure.rawMessage : undefined}
        />
        <SelectField label="Role" value={role} choices={roleChoices} onValue={setRole} />
        <SelectField label="It works for" value={lifetime} choices={lifetimes} onValue={setLifetime} />
        {failure && !isTaken ? (
          <Notice tone="bad" alert>
            {explain(failure)}
          </Notice>
        ) : null}
        <FormButtons
          text="Make the token"
          disabled={create.isPending || nameProblem(name) !== undefined}
          onCancel={onClose}
        />
      </form>
    </Dialog>
  );
}

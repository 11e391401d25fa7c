"use client";

import { useState } from "react";
import { Badge, LabelChip } from "@/components/badge";
import { Button, IconButton } from "@/components/button";
import { ConfirmDialog } from "@/components/confirm-dialog";
import type { JoinToken } from "@/gen/sonde/v1/access_pb";
import { actorText } from "@/lib/actor";
import { useAddHost } from "@/lib/add-host";
import { useAgents } from "@/lib/agents";
import { useRuntime } from "@/lib/runtime";
import { Ago, Cell, Missing, Row, Table } from "./list";
import { useChange, useJoinTokens } from "./use-access";
import { endText, fileTokenName, joinTokenState, usesText } from "./words";

/** How agents come in. */
export function JoinTokensTab() {
  const { access, watch } = useRuntime();
  const nowMs = watch.now();
  const tokens = useJoinTokens();
  const agents = useAgents();
  const addHost = useAddHost();
  const [revoking, setRevoking] = useState<JoinToken | null>(null);
  const revoke = useChange(
    (token: JoinToken) => access.revokeJoinToken({ name: token.name }),
    () => setRevoking(null),
  );
  if (!tokens.data) return <Missing query={tokens} what="The join tokens" />;
  const nameOf = (id: string) => agents.data?.find((agent) => agent.id === id)?.name ?? id;
  return (
    <div className="flex flex-col items-start gap-3">
      <Button icon="plus" onClick={() => addHost()}>
        Add a host
      </Button>
      <div className="w-full">
        <Table label="Join tokens" columns={["Name", "Let in", "Labels", "Made", "Expires", ""]}>
          {tokens.data.map((token) => {
            const state = joinTokenState(token, nowMs);
            return (
              <Row key={token.name}>
                <Cell className="font-medium max-wide:basis-full max-wide:pr-8">
                  {token.name === fileTokenName ? "File join-token" : token.name}
                  {state === "works" ? null : (
                    <span className="ml-2">
                      <Badge tone="idle">{state === "expired" ? "Expired" : "Used up"}</Badge>
                    </span>
                  )}
                </Cell>
                <Cell className="text-ink-soft">
                  {token.agentId ? `only ${nameOf(token.agentId)}` : usesText(token)}
                </Cell>
                <Cell>
                  <span className="flex flex-wrap gap-1">
                    {Object.entries(token.labels).map(([name, value]) => (
                      <LabelChip key={name} name={name} value={value} />
                    ))}
                  </span>
                </Cell>
                <Cell name="Made">
                  <Ago at={token.createdAt} nowMs={nowMs} />
                  {token.createdBy ? <span className="text-ink-faint"> by {actorText(token.createdBy)}</span> : null}
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
            );
          })}
        </Table>
      </div>
      <p className="text-xs text-ink-faint">
        A token is listed for a week after it has expired or was used up. Hosts that have joined have credentials of
        their own and need it no more.
      </p>
      {revoking ? (
        <ConfirmDialog
          title={`Revoke ${revoking.name}?`}
          text="Revoke"
          pending={revoke.isPending}
          error={revoke.error}
          onConfirm={() => revoke.mutate(revoking)}
          onClose={() => setRevoking(null)}
        >
          No host joins with it any more. Those that have joined go on.
        </ConfirmDialog>
      ) : null}
    </div>
  );
}

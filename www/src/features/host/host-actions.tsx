"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { IconButton } from "@/components/button";
import { ConfirmDialog } from "@/components/confirm-dialog";
import { Menu, MenuItem, MenuSeparator } from "@/components/menu";
import type { Agent } from "@/gen/sonde/v1/agent_pb";
import { useAddHost } from "@/lib/add-host";
import { useRuntime } from "@/lib/runtime";
import { useCanSteer } from "@/lib/self";

const asks = {
  rotate: {
    title: "Give this host a new credential?",
    text: "New credential",
    look: "primary",
    note: "The agent gets it over its open stream and keeps it. The one before works until it has.",
  },
  revoke: {
    title: "Revoke the credential of this host?",
    text: "Revoke",
    look: "danger",
    note: "Its session ends at once, and nobody comes in with the credential any more. The host stays on the list, with its history. A join token made for it lets it in again.",
  },
} as const;

/** What can be done about how a host comes in. */
export function HostActions({ agent }: { agent: Agent }) {
  const canSteer = useCanSteer();
  const addHost = useAddHost();
  const [asked, setAsked] = useState<keyof typeof asks | null>(null);
  if (!canSteer) return null;
  return (
    <>
      <Menu trigger={<IconButton label="Actions for this host" icon="more" look="plain" />}>
        <MenuItem icon="key" onClick={() => setAsked("rotate")}>
          New credential…
        </MenuItem>
        <MenuItem icon="plus" onClick={() => addHost({ agent: { id: agent.id, name: agent.name } })}>
          Let it in again…
        </MenuItem>
        <MenuSeparator />
        <MenuItem icon="trash" danger onClick={() => setAsked("revoke")}>
          Revoke the credential…
        </MenuItem>
      </Menu>
      {asked ? <AskDialog agent={agent} asked={asked} onClose={() => setAsked(null)} /> : null}
    </>
  );
}

function AskDialog({ agent, asked, onClose }: { agent: Agent; asked: keyof typeof asks; onClose: () => void }) {
  const { fleet } = useRuntime();
  const client = useQueryClient();
  const { title, text, look, note } = asks[asked];
  const change = useMutation<unknown>({
    mutationFn: () =>
      asked === "rotate" ? fleet.rotateCredential({ id: agent.id }) : fleet.revokeCredential({ id: agent.id }),
    onSuccess: () => {
      // The agent answers a moment later; the page asks every few seconds anyway.
      void client.invalidateQueries({ queryKey: ["agent", agent.id] });
      onClose();
    },
  });
  return (
    <ConfirmDialog
      title={title}
      text={text}
      look={look}
      pending={change.isPending}
      error={change.error}
      onConfirm={() => change.mutate()}
      onClose={onClose}
    >
      {note}
    </ConfirmDialog>
  );
}

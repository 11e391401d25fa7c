"use client";

import { createContext, useContext, useState } from "react";
import { IconButton } from "@/components/button";
import { Menu, MenuItem, MenuSeparator } from "@/components/menu";
import type { Agent } from "@/gen/sonde/v1/agent_pb";
import { useCanSteer } from "@/lib/self";

export type AgentAction = { kind: "edit" | "remove"; agent: Agent };

/** Opens the dialog of an action. */
export const AgentActionContext = createContext<(action: AgentAction) => void>(() => {});

export function RowMenu({ agent }: { agent: Agent }) {
  const act = useContext(AgentActionContext);
  const canSteer = useCanSteer();
  const [used, setUsed] = useState(false);
  const button = { label: `Actions for ${agent.name}`, icon: "more", className: "relative z-10" } as const;
  if (!canSteer) return null;
  // A menu costs more than the rest of its row: there is none until somebody wants it.
  if (!used) return <IconButton {...button} aria-haspopup="menu" aria-expanded={false} onClick={() => setUsed(true)} />;
  return (
    <Menu defaultOpen trigger={<IconButton {...button} />}>
      <MenuItem icon="edit" onClick={() => act({ kind: "edit", agent })}>
        Name and labels…
      </MenuItem>
      <MenuSeparator />
      <MenuItem icon="trash" danger onClick={() => act({ kind: "remove", agent })}>
        Remove…
      </MenuItem>
    </Menu>
  );
}

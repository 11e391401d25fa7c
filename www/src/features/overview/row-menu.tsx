"use client";

import { createContext, useContext } from "react";
import { IconButton } from "@/components/button";
import { Menu, MenuItem, MenuSeparator } from "@/components/menu";
import type { Agent } from "@/gen/sonde/v1/agent_pb";

export type AgentAction = { kind: "edit" | "remove"; agent: Agent };

/** Opens the dialog of an action. */
export const AgentActionContext = createContext<(action: AgentAction) => void>(() => {});

export function RowMenu({ agent }: { agent: Agent }) {
  const act = useContext(AgentActionContext);
  return (
    <Menu trigger={<IconButton label={`Actions for ${agent.name}`} icon="more" className="relative z-10" />}>
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

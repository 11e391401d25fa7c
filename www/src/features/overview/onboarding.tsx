"use client";

import { Button } from "@/components/button";
import { EmptyState } from "@/components/states";
import { useAddHost } from "@/lib/add-host";
import { useCanSteer } from "@/lib/self";

/** What a fresh server shows: how a first host is added. */
export function Onboarding() {
  const addHost = useAddHost();
  const canSteer = useCanSteer();
  return (
    <EmptyState
      icon="host"
      title="No host has joined yet"
      action={
        canSteer ? (
          <Button look="primary" icon="plus" onClick={() => addHost()}>
            Add a host
          </Button>
        ) : null
      }
    >
      <p>
        Run the agent on each host that is to be measured.{" "}
        {canSteer
          ? "Here is the command to do so; the host appears as soon as its agent has come in."
          : "Somebody with the role operator can get the command to do so."}
      </p>
    </EmptyState>
  );
}

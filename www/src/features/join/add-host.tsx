"use client";

import { useMutation } from "@tanstack/react-query";
import Link from "next/link";
import { type FormEvent, type ReactNode, useCallback, useState } from "react";
import { Button } from "@/components/button";
import { CopyBox } from "@/components/copy-box";
import { Dialog } from "@/components/dialog";
import { SelectField } from "@/components/field";
import { Icon } from "@/components/icon";
import { LabelFields } from "@/components/label-fields";
import { Notice } from "@/components/notice";
import { Tabs } from "@/components/tabs";
import type { CreateJoinTokenResponse } from "@/gen/sonde/v1/access_service_pb";
import { AddHostContext, type AddHostWish } from "@/lib/add-host";
import { useAgents } from "@/lib/agents";
import { explain } from "@/lib/errors";
import { checkLabels, type LabelRow } from "@/lib/labels";
import { useRuntime } from "@/lib/runtime";
import { useSelf } from "@/lib/self";
import { command, type Platform, platformNames, platformNotes, platforms } from "./commands";

/** Lets everything below it open the dialog. */
export function AddHostProvider({ children }: { children: ReactNode }) {
  const [wish, setWish] = useState<AddHostWish | null>(null);
  const open = useCallback((next?: AddHostWish) => setWish(next ?? {}), []);
  return (
    <AddHostContext value={open}>
      {children}
      {wish ? <AddHostDialog wish={wish} onClose={() => setWish(null)} /> : null}
    </AddHostContext>
  );
}

function AddHostDialog({ wish, onClose }: { wish: AddHostWish; onClose: () => void }) {
  const [made, setMade] = useState<CreateJoinTokenResponse | null>(null);
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={wish.agent ? `Let ${wish.agent.name} in again` : "Add a host"}
      description={
        made
          ? "Run this on the host. The token in it is shown only now."
          : wish.agent
            ? "It keeps its name, its labels and its history."
            : "First a join token, with which the agent introduces itself."
      }
      width="max-w-2xl"
    >
      {made ? <Commands made={made} wish={wish} onClose={onClose} /> : <TokenForm wish={wish} onMade={setMade} />}
    </Dialog>
  );
}

const lifetimes = [
  { value: "3600", text: "1 hour" },
  { value: "86400", text: "1 day" },
  { value: "604800", text: "7 days" },
  { value: "0", text: "Does not expire" },
];

const uses = [
  { value: "1", text: "1 host" },
  { value: "10", text: "10 hosts" },
  { value: "100", text: "100 hosts" },
  { value: "0", text: "Any number of hosts" },
];

function TokenForm({ wish, onMade }: { wish: AddHostWish; onMade: (made: CreateJoinTokenResponse) => void }) {
  const { access } = useRuntime();
  const [rows, setRows] = useState<LabelRow[]>([]);
  const [lifetime, setLifetime] = useState("3600");
  const [count, setCount] = useState("1");
  const [problem, setProblem] = useState<string>();
  const create = useMutation({
    mutationFn: (labels: Record<string, string>) =>
      access.createJoinToken({
        lifetimeSeconds: Number(lifetime),
        uses: wish.agent ? 1 : Number(count),
        labels,
        agentId: wish.agent?.id ?? "",
      }),
    onSuccess: onMade,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const checked = checkLabels(rows);
    setProblem(checked.problem);
    if (checked.labels) create.mutate(checked.labels);
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
        <SelectField label="The token works for" value={lifetime} choices={lifetimes} onValue={setLifetime} />
        {wish.agent ? null : <SelectField label="and lets in" value={count} choices={uses} onValue={setCount} />}
      </div>
      {wish.agent ? null : (
        <div>
          <LabelFields rows={rows} onRows={setRows} error={problem} />
          <p className="mt-1 text-xs text-ink-faint">
            Hosts that join with it get these labels; policies select by them.
          </p>
        </div>
      )}
      {create.error ? (
        <Notice tone="bad" alert>
          {explain(create.error)}
        </Notice>
      ) : null}
      <div className="flex justify-end">
        <Button type="submit" look="primary" disabled={create.isPending}>
          Show the command
        </Button>
      </div>
    </form>
  );
}

function Commands(props: { made: CreateJoinTokenResponse; wish: AddHostWish; onClose: () => void }) {
  const { made, wish, onClose } = props;
  const self = useSelf();
  const [platform, setPlatform] = useState<Platform>("docker");
  const server = self.data?.publicUrl || (typeof window === "undefined" ? "" : window.location.origin);
  return (
    <div className="flex flex-col gap-4">
      <Tabs
        label="Way to run the agent"
        value={platform}
        onValue={setPlatform}
        tabs={platforms.map((value) => ({
          value,
          name: platformNames[value],
          panel: (
            <>
              <CopyBox
                what={`Command for ${platformNames[value]}`}
                text={command(value, { server, token: made.secret })}
              />
              <p className="mt-2 text-xs text-ink-faint">{platformNotes[value]}</p>
            </>
          ),
        }))}
      />
      <Arrivals made={made} wish={wish} onClose={onClose} />
      <div className="flex justify-end">
        <Button onClick={onClose}>Done</Button>
      </div>
    </div>
  );
}

/** Says which hosts have come since the dialog was opened. */
function Arrivals({ made, wish, onClose }: { made: CreateJoinTokenResponse; wish: AddHostWish; onClose: () => void }) {
  const agents = useAgents();
  // Those that were there before: the first list that is seen here.
  const [before] = useState(() => new Set(agents.data?.map(({ id }) => id)));
  const since = made.token?.createdAt?.seconds ?? 0n;
  const arrived = (agents.data ?? []).filter((agent) =>
    wish.agent
      ? agent.id === wish.agent.id && (agent.credentialIssuedAt?.seconds ?? 0n) >= since && agent.status?.connectedAt
      : !before.has(agent.id) && (agent.enrolledAt?.seconds ?? 0n) >= since,
  );
  return (
    <div role="status" className="rounded-md bg-idle-soft px-3 py-2">
      {arrived.length === 0 ? (
        <span className="flex items-center gap-2 text-ink-soft">
          <span aria-hidden="true" className="size-2 animate-pulse rounded-full bg-accent" />
          Waiting for the host. It appears here as soon as its agent has come in.
        </span>
      ) : (
        <ul className="flex flex-col gap-1">
          {arrived.map((agent) => (
            <li key={agent.id} className="flex items-center gap-2">
              <Icon name="check" className="text-ok" />
              <Link href={`/host?id=${agent.id}`} prefetch={false} onClick={onClose} className="text-accent underline">
                {agent.name}
              </Link>
              is here.
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

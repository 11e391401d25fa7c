"use client";

import { timestampMs } from "@bufbuild/protobuf/wkt";
import Link from "next/link";
import { parseAsString, useQueryState } from "nuqs";
import { useMemo, useState } from "react";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { inputLook } from "@/components/field";
import { Icon } from "@/components/icon";
import { EmptyState, ErrorState, Skeleton, StaleNotice } from "@/components/states";
import type { AgentConfig } from "@/gen/sonde/v1/config_pb";
import { formatAgo } from "@/lib/format";
import { Effective } from "./effective";
import { configStates, describeState, effectiveRows } from "./states";
import type { useAgentConfigs } from "./use-config";

/** As many are drawn at first, and again as many at each "Show more". */
const pageSize = 100;

/** What has become of the configuration at each agent. */
export function AgentsTab({
  configs,
  nameOf,
  nowMs,
}: {
  configs: ReturnType<typeof useAgentConfigs>;
  nameOf: (agentId: string) => string;
  nowMs: number;
}) {
  const [wanted, setWanted] = useQueryState("state", parseAsString.withDefault(""));
  const [text, setText] = useState("");
  const [limit, setLimit] = useState(pageSize);
  const { data, error, refetch } = configs;
  const shown = useMemo(() => {
    const word = text.trim().toLowerCase();
    return (data ?? []).filter(
      ({ agentId, state }) =>
        (wanted === "" || describeState(state).name.toLowerCase() === wanted) &&
        nameOf(agentId).toLowerCase().includes(word),
    );
  }, [data, wanted, text, nameOf]);

  if (error && !data) {
    return <ErrorState title="The agents’ states could not be read" error={error} onRetry={() => void refetch()} />;
  }
  if (!data) {
    return (
      <div role="status">
        <span className="sr-only">Reading the agents’ states</span>
        <Skeleton className="h-64" />
      </div>
    );
  }
  if (data.length === 0) {
    return (
      <EmptyState icon="host" title="No agents yet">
        Start an agent on a machine, and what is decided for it appears here.
      </EmptyState>
    );
  }
  return (
    <div className="flex flex-col gap-3">
      {error ? <StaleNotice error={error} /> : null}
      <div className="flex flex-wrap items-center gap-2">
        {configStates.map(({ state, name, meaning }) => {
          const count = data.filter((config) => config.state === state).length;
          const key = name.toLowerCase();
          return (
            <button
              key={state}
              type="button"
              title={meaning}
              aria-pressed={wanted === key}
              onClick={() => void setWanted(wanted === key ? null : key)}
              className="tnum h-8 rounded-md border border-line bg-surface px-2.5 text-ink-soft hover:bg-hover aria-pressed:border-accent aria-pressed:text-ink"
            >
              <span className="font-semibold">{count}</span> {key}
            </button>
          );
        })}
        <input
          aria-label="Filter agents by name"
          placeholder="Filter by name"
          value={text}
          spellCheck={false}
          onChange={(event) => setText(event.target.value)}
          className={`${inputLook} w-full border-control sm:ml-auto sm:w-56`}
        />
      </div>
      {shown.length === 0 ? (
        <EmptyState icon="search" title="No agent matches">
          None of {data.length} agents is in this state under this name.
        </EmptyState>
      ) : (
        <ul className="divide-y divide-line rounded-lg border border-line bg-surface">
          {shown.slice(0, limit).map((config) => (
            <AgentRow key={config.agentId} config={config} name={nameOf(config.agentId)} nowMs={nowMs} />
          ))}
        </ul>
      )}
      {shown.length > limit ? (
        <Button className="self-center" onClick={() => setLimit(limit + pageSize)}>
          Show more ({shown.length - limit} left)
        </Button>
      ) : null}
    </div>
  );
}

function AgentRow({ config, name, nowMs }: { config: AgentConfig; name: string; nowMs: number }) {
  const [open, setOpen] = useState(false);
  const { state, revision, changedAt, errors } = config;
  const { name: stateText, tone } = describeState(state);
  const count = effectiveRows(config).length;
  return (
    <li>
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex w-full flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2.5 text-left hover:bg-hover"
      >
        <Icon name={open ? "down" : "right"} className="text-ink-faint" />
        <span className="min-w-0 flex-1 basis-40 truncate font-medium">{name}</span>
        <Badge tone={tone}>{stateText}</Badge>
        <span className="tnum w-24 text-ink-soft">{revision > 0n ? `revision ${revision}` : "–"}</span>
        <span className="hidden w-24 text-ink-faint sm:block">{count === 1 ? "1 setting" : `${count} settings`}</span>
        <span className="hidden w-24 text-right text-ink-faint sm:block">
          {changedAt ? formatAgo(timestampMs(changedAt), nowMs) : ""}
        </span>
        {errors[0] ? (
          <span className="basis-full pl-8 text-xs wrap-break-word text-bad">
            {errors[0].field}: {errors[0].message}
            {errors.length > 1 ? ` and ${errors.length - 1} more` : ""}
          </span>
        ) : null}
      </button>
      {open ? (
        <div className="px-4 pt-1 pb-4 sm:pl-12">
          <Effective config={config} />
          <Link
            href={`/host?id=${config.agentId}`}
            prefetch={false}
            className="mt-2 inline-block text-accent underline"
          >
            Open {name}
          </Link>
        </div>
      ) : null}
    </li>
  );
}

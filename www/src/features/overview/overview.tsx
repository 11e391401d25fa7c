"use client";

import { parseAsString, useQueryState } from "nuqs";
import { useDeferredValue, useMemo, useRef, useState } from "react";
import { Button, IconButton } from "@/components/button";
import { inputLook } from "@/components/field";
import { useHotkeys } from "@/components/hotkeys";
import { Icon } from "@/components/icon";
import { Kbd } from "@/components/kbd";
import { PageHeader } from "@/components/page-header";
import { EmptyState, ErrorState, Skeleton, StaleNotice } from "@/components/states";
import { useWide } from "@/components/use-wide";
import { useAddHost } from "@/lib/add-host";
import { useAgents } from "@/lib/agents";
import { useCanSteer } from "@/lib/self";
import { AgentCards } from "./agent-cards";
import { AgentDialogs } from "./agent-dialogs";
import { AgentTable } from "./agent-table";
import type { Row } from "./columns";
import { CpuHistoryContext, useCpuHistories } from "./cpu-history";
import { filterAgents, parseFilter, toggleWord } from "./filter";
import { MetricsContext, nothingYet, useCalmMetrics, useMetricsStore } from "./metrics";
import { Onboarding } from "./onboarding";
import { type AgentAction, AgentActionContext } from "./row-menu";
import { parseSorting, printSorting } from "./sorting";
import { Summary } from "./summary";

/** All hosts at a glance. */
export function Overview() {
  const agents = useAgents();
  // The server works on the first values while so many rows are drawn.
  const hosts = useDeferredValue(agents.data);
  const store = useMetricsStore(agents.data?.length);
  const metrics = useCalmMetrics(store);
  // After the newest values, which the server has to find first.
  const histories = useCpuHistories((agents.data?.length ?? 0) > 0 && metrics !== nothingYet);
  const [filter, setFilter] = useQueryState("q", parseAsString.withDefault("").withOptions({ throttleMs: 200 }));
  const [sort, setSort] = useQueryState("sort", parseAsString.withDefault("name"));
  const [action, setAction] = useState<AgentAction | null>(null);
  const wide = useWide();
  const addHost = useAddHost();
  const canSteer = useCanSteer();

  const shown = useMemo(() => filterAgents(hosts ?? [], filter), [hosts, filter]);
  const rows = useMemo<Row[]>(
    () => shown.map((agent) => ({ agent, metrics: metrics.get(agent.id) })),
    [shown, metrics],
  );
  const sorting = useMemo(() => parseSorting(sort), [sort]);
  const chosen = useMemo(
    () => new Set(parseFilter(filter).flatMap((term) => (term.kind === "state" ? [term.state] : []))),
    [filter],
  );
  const onSorting = (next: typeof sorting) => void setSort(printSorting(next));

  if (agents.data?.length === 0) {
    return (
      <>
        <PageHeader title="Overview" />
        <Onboarding />
      </>
    );
  }

  return (
    <MetricsContext value={store}>
      <CpuHistoryContext value={histories}>
        <AgentActionContext value={setAction}>
          <PageHeader
            title="Overview"
            actions={
              <>
                <FilterBox filter={filter} onFilter={(q) => void setFilter(q || null)} />
                {canSteer ? (
                  <Button icon="plus" onClick={() => addHost()}>
                    Add a host
                  </Button>
                ) : null}
              </>
            }
          />
          <div className="flex flex-col gap-4 pt-4">
            {agents.error && agents.data ? (
              <div className="px-4 wide:px-6">
                <StaleNotice error={agents.error} />
              </div>
            ) : null}
            {agents.error && !agents.data ? (
              <ErrorState
                title="The hosts could not be read"
                error={agents.error}
                onRetry={() => void agents.refetch()}
              />
            ) : (
              <>
                <div className="px-4 wide:px-6">
                  <Summary
                    agents={hosts}
                    metrics={metrics}
                    chosen={chosen}
                    onState={(state) => void setFilter(toggleWord(filter, state) || null)}
                  />
                </div>
                {!hosts ? (
                  <Loading />
                ) : rows.length === 0 ? (
                  <EmptyState
                    icon="search"
                    title="No host matches"
                    action={<Button onClick={() => void setFilter(null)}>Clear the filter</Button>}
                  >
                    None of {hosts.length} hosts matches <q>{filter}</q>.
                  </EmptyState>
                ) : wide ? (
                  <div className="border-t border-line">
                    <AgentTable rows={rows} sorting={sorting} onSorting={onSorting} />
                  </div>
                ) : (
                  <AgentCards rows={rows} sorting={sorting} onSorting={onSorting} />
                )}
              </>
            )}
          </div>
          <AgentDialogs action={action} onDone={() => setAction(null)} />
        </AgentActionContext>
      </CpuHistoryContext>
    </MetricsContext>
  );
}

function Loading() {
  return (
    <div role="status" className="flex flex-col gap-2 px-4 wide:px-6">
      <span className="sr-only">Reading the hosts</span>
      {Array.from({ length: 8 }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same
        <Skeleton key={i} className="h-11" />
      ))}
    </div>
  );
}

function FilterBox({ filter, onFilter }: { filter: string; onFilter: (filter: string) => void }) {
  const input = useRef<HTMLInputElement>(null);
  useHotkeys({ "/": () => input.current?.focus() });
  return (
    <search className="relative w-full wide:w-80">
      <Icon name="search" className="pointer-events-none absolute top-2 left-2.5 text-ink-faint" />
      <input
        ref={input}
        aria-label="Filter hosts"
        placeholder="Filter: web, env=prod, down"
        value={filter}
        spellCheck={false}
        onChange={(event) => onFilter(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          if (filter) onFilter("");
          else event.currentTarget.blur();
        }}
        className={`${inputLook} peer w-full border-control pr-8 pl-8`}
      />
      {filter ? (
        <IconButton
          label="Clear the filter"
          icon="close"
          className="absolute top-0 right-0"
          onClick={() => onFilter("")}
        />
      ) : (
        <span className="pointer-events-none absolute top-1.5 right-2 hidden peer-focus:invisible wide:block">
          <Kbd>/</Kbd>
        </span>
      )}
    </search>
  );
}

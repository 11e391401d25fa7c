"use client";

import { Code, ConnectError } from "@connectrpc/connect";
import Link from "next/link";
import { parseAsString, useQueryState } from "nuqs";
import { type ReactNode, useMemo } from "react";
import { ChartGroup } from "@/chart/group";
import { LiveChart } from "@/chart/live-chart";
import { StateBadge } from "@/components/badge";
import { PageHeader } from "@/components/page-header";
import { EmptyState, ErrorState, Skeleton } from "@/components/states";
import { TimeRangePicker } from "@/components/time-range-picker";
import { stateName, useAgents } from "@/lib/agents";
import { rateWindow } from "@/lib/promql";
import { useRuntime } from "@/lib/runtime";
import { duration, stepFor } from "@/lib/time-range";
import { useRangeLink, useTimeRange } from "@/lib/use-time-range";
import { FilesystemBars } from "./filesystem-bars";
import { GapList } from "./gap-list";
import { HostActions } from "./host-actions";
import { HostFacts } from "./host-facts";
import { SectionNav, useScrollToHash } from "./section-nav";
import { intervalOf, type Section, sections } from "./sections";
import { useAgent, usePresence } from "./use-host";
import { useLosses } from "./use-losses";

/** Points a chart needs: as many as the widest charts have pixels, roughly. */
const POINTS = 900;

/** What other features know of the host. */
type Others = {
  latency: (agent: string) => ReactNode;
  config: (agent: string) => ReactNode;
  /** Milliseconds between the samples of collectors, where that is decided. */
  useIntervals: (agent: string) => Record<string, number>;
};

/** Everything about one host, told by the query parameter id. */
export function HostPage(others: Others) {
  const [id] = useQueryState("id", parseAsString);
  return id === null || id === "" ? <ChooseHost /> : <Host key={id} id={id} {...others} />;
}

function ChooseHost() {
  const { data, error, refetch } = useAgents();
  const rangeLink = useRangeLink();
  return (
    <>
      <PageHeader title="Hosts" />
      <div className="p-4 wide:px-6">
        {error && !data && (
          <ErrorState title="The hosts cannot be listed" error={error} onRetry={() => void refetch()} />
        )}
        {!data && !error && <Skeleton className="h-64 w-full" />}
        {data?.length === 0 && (
          <EmptyState icon="host" title="No hosts yet">
            Start an agent on a machine, and it appears here.
          </EmptyState>
        )}
        {data && (
          <ul className="grid grid-cols-[minmax(0,1fr)] gap-1 sm:grid-cols-2 xl:grid-cols-3">
            {data.map((agent) => (
              <li key={agent.id}>
                <Link
                  href={rangeLink(`/host?id=${agent.id}`)}
                  prefetch={false}
                  className="flex items-center gap-3 rounded-md border border-line bg-surface px-3 py-2 hover:bg-hover"
                >
                  <span className="truncate font-medium">{agent.name}</span>
                  <span className="truncate text-xs text-ink-faint">{agent.host?.osRelease}</span>
                  <span className="ml-auto">
                    <StateBadge state={stateName(agent)} />
                  </span>
                </Link>
              </li>
            ))}
          </ul>
        )}
      </div>
    </>
  );
}

function Host({ id, latency, config, useIntervals }: Others & { id: string }) {
  const { watch } = useRuntime();
  const [range, setRange] = useTimeRange();
  const agent = useAgent(id);
  const presence = usePresence(id, range);
  const shown = useMemo(() => sections(id, (metric) => presence.data?.has(metric) ?? false), [id, presence.data]);
  const losses = useLosses(id, range);
  const stepMs = stepFor(duration(range, watch.now()), POINTS);
  const intervals = useIntervals(id);
  useScrollToHash(presence.data !== undefined);

  const gone = agent.error !== null && ConnectError.from(agent.error).code === Code.NotFound;
  if (gone || (agent.error && !agent.data)) {
    return (
      <>
        <PageHeader title="Host" />
        {gone ? (
          <EmptyState
            icon="host"
            title="There is no such host"
            action={
              <Link href="/" className="text-accent underline">
                All hosts
              </Link>
            }
          >
            It may have been removed.
          </EmptyState>
        ) : (
          <ErrorState title="The host cannot be shown" error={agent.error} onRetry={() => void agent.refetch()} />
        )}
      </>
    );
  }

  const name = agent.data?.name;
  const nav = [{ id: "latency", name: "Latency" }, ...shown, { id: "config", name: "Configuration" }];
  return (
    <>
      <PageHeader
        title={
          <div className="flex min-w-0 items-center gap-2.5">
            {name === undefined ? <Skeleton className="h-5 w-40" /> : <h1 className="truncate text-base">{name}</h1>}
            {agent.data && <StateBadge state={stateName(agent.data)} />}
          </div>
        }
        actions={
          <>
            <TimeRangePicker />
            {agent.data && <HostActions agent={agent.data} />}
          </>
        }
      />
      <div className="px-4 pb-10 wide:px-6">
        <div className="py-4">
          {agent.data ? (
            <HostFacts agent={agent.data} dropped={losses.dropped} nowMs={watch.now()} />
          ) : (
            <Skeleton className="h-24 w-full" />
          )}
          <GapList gaps={losses.gaps} />
        </div>
        <SectionNav sections={nav} />
        <ChartGroup range={range} setRange={setRange} gaps={losses.gaps}>
          <SectionBlock id="latency" name="Latency">
            {latency(id)}
          </SectionBlock>
          {presence.isPending && <Skeleton className="mt-6 h-80 w-full" />}
          {presence.error && !presence.data && (
            <ErrorState
              title="It is not known what was measured"
              error={presence.error}
              onRetry={() => void presence.refetch()}
            />
          )}
          {presence.data?.size === 0 && (
            <EmptyState icon="host" title="No samples in this range">
              {agent.data && stateName(agent.data) === "pending"
                ? "The agent is enrolled and has not connected yet."
                : "The host was not measured then. Choose another range."}
            </EmptyState>
          )}
          {shown.map((section) => (
            <SectionBlock key={section.id} id={section.id} name={section.name}>
              <Charts section={section} agent={id} stepMs={stepMs} intervals={intervals} />
            </SectionBlock>
          ))}
        </ChartGroup>
        <SectionBlock id="config" name="Configuration">
          {config(id)}
        </SectionBlock>
      </div>
    </>
  );
}

function SectionBlock({ id, name, children }: { id: string; name: string; children: ReactNode }) {
  return (
    <section id={id} aria-labelledby={`${id}-heading`} className="scroll-mt-20 pt-6 wide:scroll-mt-26">
      <h2 id={`${id}-heading`} className="mb-2.5 text-base">
        {name}
      </h2>
      {children}
    </section>
  );
}

type ChartsProps = { section: Section; agent: string; stepMs: number; intervals: Record<string, number> };

function Charts({ section, agent, stepMs, intervals }: ChartsProps) {
  const [range] = useTimeRange();
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-3 lg:grid-cols-2 2xl:grid-cols-3">
      {section.id === "filesystems" && <FilesystemBars agent={agent} range={range} />}
      {section.charts.map((spec) => (
        <LiveChart
          key={spec.id}
          spec={spec}
          range={range}
          stepMs={stepMs}
          rateWindow={rateWindow(stepMs, intervalOf(spec, intervals))}
          followAgent={agent}
        />
      ))}
    </div>
  );
}

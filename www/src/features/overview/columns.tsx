"use client";

import { createColumnHelper, createSortedRowModel, rowSortingFeature, tableFeatures } from "@tanstack/react-table";
import Link from "next/link";
import { LabelChip, StateBadge } from "@/components/badge";
import type { Agent } from "@/gen/sonde/v1/agent_pb";
import { lastSeenMs, stateName } from "@/lib/agents";
import { formatAgo, formatMoment } from "@/lib/format";
import { useRuntime } from "@/lib/runtime";
import { CpuSparkline, MetricBar, MetricText } from "./cells";
import type { Metrics } from "./metrics";
import type { MetricName } from "./queries";
import { RowMenu } from "./row-menu";

/** metrics are those that the order goes by; what is shown is newer. */
export type Row = { agent: Agent; metrics: Metrics | undefined };

export const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel() });

const column = createColumnHelper<typeof features, Row>();

/** What needs attention first. */
const stateRank = { down: 0, late: 1, pending: 2, up: 3 };

function byMetric(id: MetricName, header: string, cell: (agentId: string) => React.ReactNode) {
  return column.accessor((row) => row.metrics?.[id] ?? undefined, {
    id,
    header,
    cell: ({ row }) => cell(row.original.agent.id),
    sortDescFirst: true,
    sortUndefined: "last",
    sortFn: (a, b) => (a.original.metrics?.[id] ?? 0) - (b.original.metrics?.[id] ?? 0),
  });
}

export const columns = column.columns([
  column.accessor((row) => stateRank[stateName(row.agent)], {
    id: "state",
    header: "State",
    cell: ({ row }) => <StateBadge state={stateName(row.original.agent)} />,
    sortFn: (a, b) => stateRank[stateName(a.original.agent)] - stateRank[stateName(b.original.agent)],
  }),
  column.accessor((row) => row.agent.name, {
    id: "name",
    header: "Host",
    cell: ({ row }) => <NameCell agent={row.original.agent} />,
    sortFn: (a, b) => compareNames(a.original.agent.name, b.original.agent.name),
  }),
  byMetric("cpu", "CPU", (id) => (
    <div className="flex items-center justify-end gap-2.5">
      <CpuSparkline agentId={id} />
      <span className="w-12">
        <MetricText agentId={id} name="cpu" />
      </span>
    </div>
  )),
  byMetric("memory", "Memory", (id) => <MetricBar agentId={id} name="memory" />),
  byMetric("diskFull", "Disk", (id) => <MetricBar agentId={id} name="diskFull" />),
  byMetric("diskBusy", "Disk busy", (id) => <MetricText agentId={id} name="diskBusy" />),
  byMetric("networkIn", "Net in", (id) => <MetricText agentId={id} name="networkIn" />),
  byMetric("networkOut", "Net out", (id) => <MetricText agentId={id} name="networkOut" />),
  byMetric("latency", "p99", (id) => <MetricText agentId={id} name="latency" />),
  byMetric("loss", "Loss", (id) => <MetricText agentId={id} name="loss" />),
  column.accessor((row) => lastSeenMs(row.agent) ?? undefined, {
    id: "seen",
    header: "Seen",
    cell: ({ row }) => <SeenCell agent={row.original.agent} />,
    sortDescFirst: false,
    sortUndefined: "last",
    sortFn: (a, b) => (lastSeenMs(a.original.agent) ?? 0) - (lastSeenMs(b.original.agent) ?? 0),
  }),
  column.accessor((row) => row.agent.host?.agentVersion ?? "", {
    id: "version",
    header: "Agent",
    cell: ({ getValue }) => <span className="tnum text-ink-faint">{getValue() || "–"}</span>,
    sortFn: (a, b) =>
      compareNames(a.original.agent.host?.agentVersion ?? "", b.original.agent.host?.agentVersion ?? ""),
  }),
  column.display({
    id: "menu",
    header: () => <span className="sr-only">Actions</span>,
    cell: ({ row }) => <RowMenu agent={row.original.agent} />,
  }),
]);

/** Those that the URL may name. */
export const sortableIds = columns.map((c) => c.id as string).filter((id) => id !== "menu");

/** What the header says more about a column. */
export const columnHelp: Record<string, string> = {
  diskFull: "The fullest file system",
  diskBusy: "Share of time in which the busiest disk was working",
  latency: "99th percentile of the slowest network probe over 30 s",
  loss: "Failed attempts of the worst network probe over 30 s",
  seen: "When the last batch or answer arrived",
};

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** web-2 before web-10. */
export const compareNames = collator.compare;

function NameCell({ agent }: { agent: Agent }) {
  const labels = Object.entries(agent.labels);
  return (
    <div className="min-w-0">
      {/* The link covers the whole row. */}
      <Link
        href={`/host?id=${agent.id}`}
        prefetch={false}
        className="block truncate font-medium text-ink after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:rounded-md focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
      >
        {agent.name}
      </Link>
      {labels.length > 0 ? (
        <div className="mt-0.5 flex h-5 flex-wrap gap-1 overflow-hidden">
          {labels.map(([name, value]) => (
            <LabelChip key={name} name={name} value={value} />
          ))}
        </div>
      ) : null}
    </div>
  );
}

/** Drawn anew with every answer of ListAgents. */
export function SeenCell({ agent }: { agent: Agent }) {
  const { watch } = useRuntime();
  const seen = lastSeenMs(agent);
  if (seen === null) return <span className="text-ink-faint">never</span>;
  return (
    <time
      dateTime={new Date(seen).toISOString()}
      title={formatMoment(seen)}
      className={`tnum ${stateName(agent) === "up" ? "text-ink-faint" : ""}`}
    >
      {formatAgo(seen, watch.now())}
    </time>
  );
}

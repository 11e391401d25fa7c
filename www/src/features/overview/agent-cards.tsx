"use client";

import { useWindowVirtualizer } from "@tanstack/react-virtual";
import Link from "next/link";
import { memo, useLayoutEffect, useRef, useState } from "react";
import { StateBadge } from "@/components/badge";
import { stateName } from "@/lib/agents";
import { CpuSparkline, MetricBar, MetricText } from "./cells";
import { type Row, SeenCell } from "./columns";
import type { MetricName } from "./queries";
import { RowMenu } from "./row-menu";
import { parseSorting, printSorting, type SortedRowsProps, useAgentTable } from "./sorting";

const cardHeight = 148;

/** The same agents for a narrow window, one below the other; only those on the screen are drawn. */
export function AgentCards(props: SortedRowsProps) {
  const sorted = useAgentTable(props).getRowModel().rows;
  const list = useRef<HTMLUListElement>(null);
  const [scrollMargin, setScrollMargin] = useState(0);
  useLayoutEffect(() => {
    setScrollMargin((list.current?.getBoundingClientRect().top ?? 0) + window.scrollY);
  }, []);
  const virtualizer = useWindowVirtualizer({
    count: sorted.length,
    estimateSize: () => cardHeight,
    overscan: 6,
    scrollMargin,
  });
  return (
    <>
      <SortChoice {...props} />
      <ul ref={list} aria-label="Hosts" className="relative" style={{ height: virtualizer.getTotalSize() }}>
        {virtualizer.getVirtualItems().map((item) => {
          const row = sorted[item.index];
          if (!row) return null;
          return (
            <li
              key={row.id}
              aria-setsize={sorted.length}
              aria-posinset={item.index + 1}
              className="absolute inset-x-0 top-0 px-4 pb-2"
              style={{ height: cardHeight, transform: `translateY(${item.start - scrollMargin}px)` }}
            >
              <Card row={row.original} />
            </li>
          );
        })}
      </ul>
    </>
  );
}

const orders = [
  { value: "name", text: "Name" },
  { value: "state", text: "State" },
  { value: "-cpu", text: "CPU" },
  { value: "-memory", text: "Memory" },
  { value: "-diskFull", text: "Disk" },
  { value: "-networkIn", text: "Network in" },
  { value: "-networkOut", text: "Network out" },
  { value: "-latency", text: "Latency" },
  { value: "-loss", text: "Loss" },
];

function SortChoice({ rows, sorting, onSorting }: SortedRowsProps) {
  const current = printSorting(sorting);
  return (
    <div className="flex items-center justify-between px-4 text-xs text-ink-faint">
      <span className="tnum">{rows.length} shown</span>
      <label className="flex items-center gap-2">
        Sort by
        <select
          value={orders.some((order) => order.value === current) ? current : "name"}
          onChange={(event) => onSorting(parseSorting(event.target.value))}
          className="h-8 rounded-md border border-control bg-surface px-2 text-sm text-ink"
        >
          {orders.map((order) => (
            <option key={order.value} value={order.value}>
              {order.text}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

const Card = memo(function Card({ row: { agent } }: { row: Row }) {
  return (
    <div className="relative flex h-full flex-col justify-between rounded-lg border border-line bg-surface p-3">
      <div className="flex items-center gap-2">
        <Link
          href={`/host?id=${agent.id}`}
          prefetch={false}
          className="min-w-0 flex-1 truncate text-base font-medium after:absolute after:inset-0"
        >
          {agent.name}
        </Link>
        <span className="text-xs text-ink-faint">{stateName(agent) === "up" ? null : <SeenCell agent={agent} />}</span>
        <StateBadge state={stateName(agent)} />
        <RowMenu agent={agent} />
      </div>
      <div className="grid grid-cols-3 gap-4">
        <Labelled text="CPU">
          <MetricBar agentId={agent.id} name="cpu" />
        </Labelled>
        <Labelled text="Memory">
          <MetricBar agentId={agent.id} name="memory" />
        </Labelled>
        <Labelled text="Disk">
          <MetricBar agentId={agent.id} name="diskFull" />
        </Labelled>
      </div>
      <div className="flex items-center justify-between gap-2 text-xs text-ink-soft">
        <Inline text="in" id={agent.id} name="networkIn" />
        <Inline text="out" id={agent.id} name="networkOut" />
        <Inline text="p99" id={agent.id} name="latency" />
        <CpuSparkline agentId={agent.id} />
      </div>
    </div>
  );
});

function Labelled({ text, children }: { text: string; children: React.ReactNode }) {
  return (
    <div>
      <div className="text-2xs text-ink-faint">{text}</div>
      {children}
    </div>
  );
}

function Inline({ text, id, name }: { text: string; id: string; name: MetricName }) {
  return (
    <span className="whitespace-nowrap">
      <span className="text-ink-faint">{text} </span>
      <MetricText agentId={id} name={name} />
    </span>
  );
}

"use client";

import Link from "next/link";
import { useMemo } from "react";
import { Dot, stateTexts, stateTones } from "@/components/badge";
import { Skeleton } from "@/components/states";
import type { Agent } from "@/gen/sonde/v1/agent_pb";
import { type StateName, stateName } from "@/lib/agents";
import { Bar, MetricValue, toneOf } from "./cells";
import type { Metrics } from "./metrics";
import type { MetricName } from "./queries";
import { rank } from "./rank";

const states: StateName[] = ["up", "late", "down", "pending"];
const barColours: Record<StateName, string> = { up: "bg-ok", late: "bg-warn", down: "bg-bad", pending: "bg-control" };

const rankings: { title: string; name: MetricName }[] = [
  { title: "Busiest CPU", name: "cpu" },
  { title: "Fullest memory", name: "memory" },
  { title: "Fullest disk", name: "diskFull" },
  { title: "Slowest probe, p99", name: "latency" },
];

type Props = {
  agents: Agent[] | undefined;
  metrics: ReadonlyMap<string, Metrics>;
  /** Words of the filter that are states. */
  chosen: ReadonlySet<string>;
  onState: (state: StateName) => void;
};

/** How many hosts are in which state, and the worst of them. */
export function Summary({ agents, metrics, chosen, onState }: Props) {
  return (
    <section
      aria-label="Summary"
      className="grid grid-cols-2 gap-px overflow-hidden rounded-lg border border-line bg-line wide:grid-cols-5"
    >
      <div className="col-span-2 bg-surface p-4 wide:col-span-1">
        <States agents={agents} chosen={chosen} onState={onState} />
      </div>
      {rankings.map(({ title, name }) => (
        <Ranking key={name} title={title} name={name} agents={agents} metrics={metrics} />
      ))}
    </section>
  );
}

function States({ agents, chosen, onState }: Omit<Props, "metrics">) {
  const counts = useMemo(() => {
    const byState: Record<StateName, number> = { up: 0, late: 0, down: 0, pending: 0 };
    for (const agent of agents ?? []) byState[stateName(agent)]++;
    return byState;
  }, [agents]);
  const total = agents?.length ?? 0;
  return (
    <>
      <h2 className="text-xs font-normal text-ink-faint">Hosts</h2>
      {agents ? (
        <p className="tnum text-xl leading-7 font-semibold tracking-tight">{total}</p>
      ) : (
        <Skeleton className="my-1 h-5 w-12" />
      )}
      <div aria-hidden="true" className="my-2 flex h-1.5 gap-0.5 overflow-hidden rounded-full bg-line">
        {states.map((state) =>
          counts[state] > 0 ? (
            <div key={state} className={barColours[state]} style={{ flexGrow: counts[state] }} />
          ) : null,
        )}
      </div>
      <div className="-mx-1.5 flex flex-wrap">
        {states.map((state) =>
          counts[state] > 0 || chosen.has(state) ? (
            <button
              key={state}
              type="button"
              aria-pressed={chosen.has(state)}
              onClick={() => onState(state)}
              className="flex h-6 items-center gap-1.5 rounded px-1.5 text-xs text-ink-soft hover:bg-hover aria-pressed:bg-accent-soft aria-pressed:text-accent"
            >
              <Dot tone={stateTones[state]} />
              <span className="tnum">{counts[state]}</span> {stateTexts[state].toLowerCase()}
            </button>
          ) : null,
        )}
      </div>
    </>
  );
}

function Ranking({
  title,
  name,
  agents,
  metrics,
}: {
  title: string;
  name: MetricName;
  agents: Agent[] | undefined;
  metrics: ReadonlyMap<string, Metrics>;
}) {
  const worst = useMemo(() => rank(agents ?? [], metrics, name, 3), [agents, metrics, name]);
  const largest = worst[0]?.value ?? 0;
  const isShare = name !== "latency";
  return (
    <div className="min-w-0 bg-surface p-4">
      <h2 className="mb-1.5 text-xs font-normal text-ink-faint">{title}</h2>
      <ol className={`flex flex-col gap-1.5 ${agents && agents.length < 3 ? "" : "min-h-18"}`}>
        {worst.map(({ agent, value }) => (
          <li key={agent.id}>
            <div className="flex items-baseline justify-between gap-2 text-xs">
              <Link
                href={`/host?id=${agent.id}`}
                prefetch={false}
                className="truncate hover:text-accent hover:underline"
              >
                {agent.name}
              </Link>
              <MetricValue name={name} value={value} />
            </div>
            <Bar share={isShare ? value : value / (largest || 1)} tone={toneOf(name, value)} />
          </li>
        ))}
        {worst.length === 0 ? <li className="text-xs text-ink-faint">No values yet</li> : null}
      </ol>
    </div>
  );
}

"use client";

import { parseAsBoolean, parseAsString, parseAsStringLiteral, useQueryState } from "nuqs";
import { useMemo } from "react";
import { inputLook } from "@/components/field";
import { EmptyState, ErrorState, Skeleton, StaleNotice } from "@/components/states";
import { useAgentNames, useAgents } from "@/lib/agents";
import { format } from "@/lib/format";
import { useRuntime } from "@/lib/runtime";
import { duration, isLive, stepFor, type TimeRange } from "@/lib/time-range";
import { useRange } from "@/lib/use-live-range";
import {
  kindNames,
  type ProbeId,
  printProbe,
  probeId,
  quantileWindow,
  type SortKey,
  searchStats,
  sortStats,
  withNames,
} from "./probe";
import { ProbeTable } from "./probe-table";
import * as queries from "./queries";
import { MOST_AGENTS, statsWindow, useProbeStats, useWorstProbes } from "./use-probes";

const sortKeys = ["target", "probe", "instance", "p50", "p90", "p99", "max", "loss", "attempts"] as const;

/** Points of a sparkline. */
const POINTS = 60;

const history = { history: "replace", throttleMs: 200 } as const;

/** All probes that match the filters in the URL. */
export function ProbeList({ range, onChoose }: { range: TimeRange; onChoose: (probe: ProbeId) => void }) {
  const { watch } = useRuntime();
  const [agent, setAgent] = useQueryState("agent", parseAsString.withDefault("").withOptions(history));
  const [target, setTarget] = useQueryState("target", parseAsString.withDefault("").withOptions(history));
  const [kind, setKind] = useQueryState("kind", parseAsString.withDefault("").withOptions(history));
  const [text, setText] = useQueryState("q", parseAsString.withDefault("").withOptions(history));
  const [key, setKey] = useQueryState("sort", parseAsStringLiteral(sortKeys).withDefault("p99").withOptions(history));
  const [descending, setDescending] = useQueryState("desc", parseAsBoolean.withDefault(true).withOptions(history));

  const worst = useWorstProbes(queries.matchers({ agent, kind, target }), range);
  const probes = worst.data?.probes;
  const bound = worst.data?.rows ?? null;
  const stats = useProbeStats(probes, range);
  const names = useAgentNames();
  const error = worst.error ?? stats.error;
  const lines = useHistory(probes, range);
  const rows = useMemo(() => {
    const known = (stats.data ?? []).filter((row) => bound === null || bound.has(printProbe(row)));
    return sortStats(searchStats(withNames(known, names), text), key, descending);
  }, [stats.data, bound, names, text, key, descending]);
  const onSort = (next: SortKey) => {
    if (next !== key) void setKey(next);
    void setDescending(next === key ? !descending : !["target", "probe", "instance"].includes(next));
  };

  return (
    <div className="px-4 py-4 wide:px-6">
      <div className="mb-3 flex flex-wrap items-center gap-2">
        <input
          type="search"
          aria-label="Search probes"
          placeholder="Search targets, probes, hosts"
          value={text}
          onChange={(event) => void setText(event.target.value || null)}
          className={`${inputLook} w-64 border-control max-sm:w-full`}
        />
        <AgentFilter value={agent} onChange={(next) => void setAgent(next || null)} />
        <Select
          label="Kind"
          value={kind}
          onChange={(next) => void setKind(next || null)}
          options={Object.entries(kindNames).map(([value, name]) => ({ value, name }))}
        />
        {target !== "" && (
          <button
            type="button"
            className="flex h-8 items-center gap-1.5 rounded-md bg-accent-soft px-2.5 text-accent"
            onClick={() => void setTarget(null)}
          >
            <span className="max-w-60 truncate">to {target}</span>
            <span aria-hidden>×</span>
            <span className="sr-only">: show all targets</span>
          </button>
        )}
        <p className="ml-auto text-xs text-ink-faint">
          {stats.data && `${rows.length} ${rows.length === 1 ? "probe" : "probes"}, `}
          over {format("seconds", statsWindow(range, watch.now()) / 1000, true)}
        </p>
      </div>
      {error && stats.data && <StaleNotice error={error} />}
      {error && !stats.data && (
        <ErrorState
          title="The probes cannot be read"
          error={error}
          onRetry={() => void (worst.error ? worst : stats).refetch()}
        />
      )}
      {!stats.data && !error && <Skeleton className="h-96 w-full" />}
      {stats.data && rows.length === 0 && (
        <EmptyState icon="latency" title="No probes">
          {stats.data.length > 0
            ? "None matches the search."
            : "Nothing was probed in this range, or nothing matches the filters."}
        </EmptyState>
      )}
      {bound && (
        <p role="status" className="mb-3 rounded-md bg-idle-soft px-3 py-1.5 text-ink-soft">
          More probes match than are listed: these are the slowest, and those that lose most, of {MOST_AGENTS} hosts.
          Choose a host or a kind to see others.
        </p>
      )}
      {rows.length > 0 && (
        <ProbeTable rows={rows} history={lines} sort={{ key, descending }} onSort={onSort} onChoose={onChoose} />
      )}
    </div>
  );
}

/** p99 of every probe over the range, coarse. */
function useHistory(probes: string | undefined, range: TimeRange): ReadonlyMap<string, (number | null)[]> {
  const { watch } = useRuntime();
  const stepMs = stepFor(duration(range, watch.now()), POINTS);
  const { data } = useRange([queries.probeQuantile("0.99", probes ?? "", quantileWindow(stepMs, 1))], {
    range,
    stepMs,
    enabled: probes !== undefined,
    ...(isLive(range) ? { refetchMs: Math.max(10_000, stepMs) } : {}),
  });
  return useMemo(
    () => new Map(data?.results[0]?.series.map(({ labels, values }) => [printProbe(probeId(labels)), values])),
    [data],
  );
}

function AgentFilter({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const { data } = useAgents();
  const options = (data ?? []).map(({ id, name }) => ({ value: id, name }));
  return <Select label="Host" value={value} onChange={onChange} options={options} />;
}

function Select({
  label,
  value,
  onChange,
  options,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  options: { value: string; name: string }[];
}) {
  return (
    <select
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      className={`${inputLook} w-auto border-control max-w-48 pr-6`}
    >
      <option value="">{label}: all</option>
      {value !== "" && !options.some((option) => option.value === value) && <option value={value}>{value}</option>}
      {options.map(({ value, name }) => (
        <option key={value} value={value}>
          {name}
        </option>
      ))}
    </select>
  );
}

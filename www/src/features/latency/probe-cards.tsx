"use client";

import Link from "next/link";
import { useMemo } from "react";
import { Sparkline } from "@/chart/sparkline";
import { ErrorState, Skeleton } from "@/components/states";
import { format } from "@/lib/format";
import { useRuntime } from "@/lib/runtime";
import { duration, isLive, stepFor } from "@/lib/time-range";
import { useRange } from "@/lib/use-live-range";
import { useRangeLink, useTimeRange } from "@/lib/use-time-range";
import { kindNames, printProbe, probeId, quantileWindow, sortStats } from "./probe";
import * as queries from "./queries";
import { useProbeStats } from "./use-probes";

/** Small cards for the probes of one agent; each leads to the latency page. */
export function ProbeCards({ agent }: { agent: string }) {
  const { watch } = useRuntime();
  const [range] = useTimeRange();
  const rangeLink = useRangeLink();
  const probes = queries.matchers({ agent });
  const stats = useProbeStats(probes, range);
  const stepMs = stepFor(duration(range, watch.now()), 60);
  const { data } = useRange([queries.probeQuantile("0.99", probes, quantileWindow(stepMs, 1))], {
    range,
    stepMs,
    ...(isLive(range) ? { refetchMs: Math.max(10_000, stepMs) } : {}),
  });
  const history = useMemo(
    () => new Map(data?.results[0]?.series.map(({ labels, values }) => [printProbe(probeId(labels)), values])),
    [data],
  );
  if (stats.isPending) return <Skeleton className="h-24 w-full" />;
  if (stats.error && !stats.data) {
    return <ErrorState title="The probes cannot be read" error={stats.error} onRetry={() => void stats.refetch()} />;
  }
  const rows = sortStats(stats.data, "probe", false);
  if (rows.length === 0) return <p className="text-ink-faint">This host probed nothing in this range.</p>;
  return (
    <ul className="grid grid-cols-2 gap-3 md:grid-cols-3 xl:grid-cols-4 2xl:grid-cols-6">
      {rows.map((row) => (
        <li key={printProbe(row)} className="min-w-0">
          <Link
            prefetch={false}
            href={rangeLink(`/latency?probe=${encodeURIComponent(printProbe(row))}`)}
            className="flex h-full flex-col gap-1.5 rounded-lg border border-line bg-surface px-3 py-2.5 hover:border-line-strong hover:bg-hover"
          >
            <span className="flex min-w-0 items-baseline gap-2">
              <span className="truncate font-medium">{row.probe}</span>
              <span className="ml-auto shrink-0 text-2xs text-ink-faint">{kindNames[row.kind] ?? row.kind}</span>
            </span>
            <span className="truncate text-xs text-ink-faint">{row.target}</span>
            <span className="mt-auto flex items-end justify-between gap-2">
              <span className="tnum text-xs text-ink-soft">
                <span className="block whitespace-nowrap">
                  p50 <span className="text-ink">{format("seconds", row.p50)}</span>
                </span>
                <span className="block whitespace-nowrap">
                  p99 <span className="font-medium text-ink">{format("seconds", row.p99)}</span>
                </span>
                {(row.loss ?? 0) > 0 && (
                  <span className="block font-medium text-bad">{format("ratio", row.loss)} lost</span>
                )}
              </span>
              <span className="max-sm:hidden">
                <Sparkline values={history.get(printProbe(row)) ?? []} color="series-3" width={112} height={30} />
              </span>
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

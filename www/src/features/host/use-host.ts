"use client";

import { useQuery } from "@tanstack/react-query";
import { useRuntime } from "@/lib/runtime";
import { isLive, printPoint, resolve, type TimeRange } from "@/lib/time-range";
import * as queries from "./queries";

/** One agent, asked for every 2 s. */
export function useAgent(id: string) {
  const { fleet } = useRuntime();
  return useQuery({
    queryKey: ["agent", id],
    queryFn: async ({ signal }) => (await fleet.getAgent({ id }, { signal })).agent ?? null,
    refetchInterval: 2_000,
    structuralSharing: false,
  });
}

/** How often metrics are looked up at first: those of a host that is new come one after the other. */
const firstLookups = { count: 20, everyMs: 1_000 };

/** Names of the metrics by which the page decides what it shows; looked up again every minute, and at first often. */
export function usePresence(agent: string, range: TimeRange) {
  const { query, watch } = useRuntime();
  return useQuery({
    queryKey: ["presence", agent, printPoint(range.from), printPoint(range.to)],
    queryFn: async ({ signal }) => {
      const { startMs, endMs } = resolve(range, watch.now());
      const { series } = await query.listSeries(
        {
          selectors: [queries.presence(agent)],
          startMs: BigInt(Math.round(startMs)),
          endMs: BigInt(Math.round(endMs)),
          limit: 10_000,
        },
        { signal },
      );
      return new Set(series.map(({ labels }) => labels.__name__ ?? ""));
    },
    refetchInterval: ({ state }) => (state.dataUpdateCount < firstLookups.count ? firstLookups.everyMs : 60_000),
    placeholderData: (before) => before,
    // A Set is not something that can be compared part by part.
    structuralSharing: false,
  });
}

/** One file system as it stood at the end of the range. Bytes and inodes; null where not measured. */
export interface Filesystem {
  device: string;
  mountpoint: string;
  fstype: string;
  size: number;
  /** What people may still write; less than what is free, where some is kept for root. */
  available: number;
  free: number;
  inodes: number | null;
  inodesFree: number | null;
  readOnly: boolean;
}

/** The file systems at the end of the range, asked for every 10 s while it is live: as often as they are measured. */
export function useFilesystems(agent: string, range: TimeRange) {
  const { query, watch } = useRuntime();
  return useQuery({
    queryKey: ["filesystems", agent, printPoint(range.from), printPoint(range.to)],
    queryFn: async ({ signal }) => {
      const { endMs } = resolve(range, watch.now());
      const timeMs = isLive(range) ? 0n : BigInt(Math.round(endMs));
      const { series, values } = await query.query({ expr: queries.filesystems(agent), timeMs }, { signal });
      return toFilesystems(series.map(({ labels }, i) => ({ labels, value: values[i] ?? Number.NaN })));
    },
    refetchInterval: isLive(range) ? 10_000 : false,
    placeholderData: (before) => before,
  });
}

/** Puts the metrics of each file system together; one without a size is left out. Fullest first. */
export function toFilesystems(samples: readonly { labels: Record<string, string>; value: number }[]): Filesystem[] {
  const byPlace = new Map<string, Map<string, number>>();
  const labelsOf = new Map<string, Record<string, string>>();
  for (const { labels, value } of samples) {
    const place = `${labels.device}\u0000${labels.mountpoint}`;
    const metrics = byPlace.get(place) ?? new Map<string, number>();
    metrics.set((labels.__name__ ?? "").replace("node_filesystem_", ""), value);
    byPlace.set(place, metrics);
    labelsOf.set(place, labels);
  }
  const found: Filesystem[] = [];
  for (const [place, metrics] of byPlace) {
    const size = metrics.get("size_bytes") ?? 0;
    if (!(size > 0)) continue;
    const { device = "", mountpoint = "", fstype = "" } = labelsOf.get(place) as Record<string, string>;
    const free = metrics.get("free_bytes") ?? 0;
    found.push({
      device,
      mountpoint,
      fstype,
      size,
      free,
      available: metrics.get("avail_bytes") ?? free,
      inodes: metrics.get("files") || null,
      inodesFree: metrics.get("files_free") ?? null,
      readOnly: metrics.get("readonly") === 1,
    });
  }
  return found.sort((a, b) => usedShare(b) - usedShare(a));
}

/** As df counts it: used, of what people may use. */
export function usedShare({ size, free, available }: Filesystem): number {
  const usable = size - free + available;
  return usable > 0 ? 1 - available / usable : 0;
}
